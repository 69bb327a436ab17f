import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../failure.ts';
import { parseFormat } from './parse-format.ts';

/**
 * The decompressed bytes of a data file, in chunks. The only place of this folder that touches the disk.
 * @param name whose ending tells how the file is read, where its own does not.
 * @throws Failure `file-missing`, `permission-denied`, or `data-invalid` where a .gz file is damaged or cut short.
 */
export async function* openDataset(path: string, name = path): AsyncGenerator<Buffer> {
  const { gzip } = parseFormat(name);
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
