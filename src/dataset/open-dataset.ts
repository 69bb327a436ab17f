import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../errors.ts';
import { parseFormat } from './parse-format.ts';

/**
 * The decompressed bytes of a data file, in chunks. The only place of this folder that touches the disk.
 * @param name whose ending tells how the file is read, where its own does not.
 * @throws Failure `file-missing`, `permission-denied`, or `data-invalid` where a .gz file is damaged or cut short, or the path is no file's.
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
      hint: 'Check that the file is gzip and whole: `gzip -t` tells.',
      error,
    });
  }
}

/** Data is read several times: a pipe gives it once, and a reader of one that nobody writes to waits for ever. */
async function checkKind(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw toFileFailure(error, 'data file', path);
  });
  if (found.isFile() || found.isDirectory()) return; // that it is a folder is told when it is read
  throw new Failure('data-invalid', `${path}: expected a file, found a pipe or a device`, { hint: 'Write the rows to a file first.' });
}
