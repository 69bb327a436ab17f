import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isFailure, toFileFailure, toSystemCode } from '../errors.ts';
import { createDataFailure } from './findings.ts';

/** `json`: JSON Lines, or a JSON list. */
export type RowFormat = 'json' | 'csv' | 'tsv';

const endings: Readonly<Record<string, RowFormat>> = {
  jsonl: 'json',
  ndjson: 'json',
  jsonlines: 'json',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
};

/** What to do with files of other endings. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [/\.(?:xlsx?|xlsm|xlsb|ods|numbers)$/i, 'Open it in the spreadsheet and save the sheet as CSV.'],
  [/\.(?:zip|zst|xz|bz2|7z|rar|tar|tgz|lz4)$/i, 'Unpack it first, and name the file that was in it.'],
  [/\.(?:ya?ml|xml|toml|sql|arrow|feather|pkl|pickle|npy|h5)$/i, 'Write its rows as JSON Lines: one JSON object on each line.'],
];

/**
 * The format of a data file, by the end of its name.
 * @throws Failure `data-invalid` for every other ending.
 */
export function parseFormat(path: string): RowFormat {
  const ending = /\.([a-z]+)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(endings, ending)) return endings[ending]!;
  const expected = 'expected a data file that ends in .jsonl, .json, .csv or .tsv, or one of these and .gz';
  throw createDataFailure('file-format', `${expected}, found ${path}`, {
    hint: remedies.find(([endsSo]) => endsSo.test(path))?.[1] ?? 'Convert the file, or rename it if it holds one of these formats.',
  });
}

/** The text of a chunk and the rows of it live at once, and larger ones grow the heap by far more than they save time. */
const chunkBytes = 64 * 1024;

/**
 * The bytes of a data file in chunks, decompressed where it is packed by gzip, whatever its name is. The only place of this folder that
 * reads the disk.
 * @throws Failure `file-missing`, `permission-denied`, or `data-invalid` where a packed file is damaged or cut short, or the path is a pipe
 *   or a device.
 */
export async function* openDataset(path: string): AsyncGenerator<Buffer, void> {
  await checkKind(path);
  const isPacked = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  // An error of either stream reaches the loop below, as the reason for which the last one is destroyed.
  const bytes = isPacked ? pipeline(file, createGunzip({ chunkSize: chunkBytes }), () => {}) : file;
  try {
    for await (const chunk of bytes) yield chunk as Buffer;
  } catch (error) {
    if (isFailure(error)) throw error;
    if (toSystemCode(error)?.startsWith('Z_') !== true) throw toFileFailure(error, 'data file', path);
    throw createDataFailure('file-kind', `${path}: cannot be decompressed: ${(error as Error).message}`, {
      hint: 'Check with `gzip -t` that the file is gzip and complete.',
      error,
    });
  }
}

/** Data is read several times, which a pipe does not allow; and reading a pipe that nobody writes to never ends. */
async function checkKind(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw toFileFailure(error, 'data file', path);
  });
  if (found.isFile() || found.isDirectory()) return; // reading a folder fails with a message of its own
  throw createDataFailure('file-kind', `${path}: expected a file, found a pipe or a device`, { hint: 'Write the rows to a file first.' });
}

/** Whether a file begins as gzip does. @throws Failure as `openDataset` */
export async function isGzip(path: string): Promise<boolean> {
  return (await readBegin(path, 2)).toString('hex') === '1f8b';
}

/** The first bytes of a file, as they are on the disk. @throws Failure as `openDataset` */
export async function readBegin(path: string, bytes: number): Promise<Buffer> {
  await checkKind(path); // opening a pipe waits for someone who writes to it
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  }
}

/**
 * SHA-256 over the decompressed bytes of a data file, in hex.
 * @throws Failure as `openDataset`.
 */
export async function hashDataset(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of openDataset(path)) hash.update(chunk);
  return hash.digest('hex');
}
