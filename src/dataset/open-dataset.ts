import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../errors.ts';

export interface DatasetFormat {
  readonly rows: 'jsonl' | 'csv' | 'tsv';
  readonly gzip: boolean;
}

/**
 * The format of a data file, by the end of its name.
 * @throws Failure `data-invalid` for every other ending.
 */
export function parseFormat(path: string): DatasetFormat {
  const ending = /\.(jsonl|csv|tsv)(\.gz)?$/i.exec(path);
  if (ending === null) {
    throw new Failure('data-invalid', `expected a data file that ends in .jsonl, .csv or .tsv, or one of these and .gz, found ${path}`, {
      hint: 'Convert the file, or rename it if it holds one of these formats.',
    });
  }
  return { rows: ending[1]!.toLowerCase() as DatasetFormat['rows'], gzip: ending[2] !== undefined };
}

/**
 * The decompressed bytes of a data file, in chunks. The only place of this folder that reads the disk.
 * @param name decides the format by its ending, where the path has none.
 * @throws Failure `file-missing`, `permission-denied`, or `data-invalid` where a .gz file is damaged or cut short, or the path is a pipe or
 *   a device.
 */
export async function* openDataset(path: string, name = path): AsyncGenerator<Buffer> {
  const { gzip } = parseFormat(name);
  await checkKind(path);
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  // An error of either stream reaches the loop below, as the reason for which the last one is destroyed.
  const bytes = gzip ? pipeline(file, createGunzip({ chunkSize: 256 * 1024 }), () => {}) : file;
  try {
    for await (const chunk of bytes) yield chunk as Buffer;
  } catch (error) {
    if (isFailure(error)) throw error;
    if (toSystemCode(error)?.startsWith('Z_') !== true) throw toFileFailure(error, 'data file', path);
    throw new Failure('data-invalid', `${path}: cannot be decompressed: ${(error as Error).message}`, {
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
  throw new Failure('data-invalid', `${path}: expected a file, found a pipe or a device`, { hint: 'Write the rows to a file first.' });
}

/**
 * SHA-256 over the decompressed bytes of a data file, in hex.
 * @param name as in `openDataset`.
 * @throws Failure as `openDataset`.
 */
export async function hashDataset(path: string, name = path): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of openDataset(path, name)) hash.update(chunk);
  return hash.digest('hex');
}
