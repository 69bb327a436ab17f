import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { toFileFailure } from '../errors.ts';
import { openRegularFile } from '../model-files/open-regular-file.ts';

/** Size and SHA-256 of a file; `what` names it for the reader. @throws Failure `file-missing`, `permission-denied`, `model-invalid` */
export function hashFile(path: string, what: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(2 ** 20);
  const file = openRegularFile(path, what);
  try {
    let bytes = 0;
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
      hash.update(chunk.subarray(0, count));
      bytes += count;
    }
    return { bytes, sha256: hash.digest('hex') };
  } catch (error) {
    throw toFileFailure(error, what, path);
  } finally {
    closeSync(file);
  }
}
