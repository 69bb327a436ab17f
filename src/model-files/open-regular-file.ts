import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Failure, toFileFailure } from '../errors.ts';

/**
 * Opens a file for reading, and nothing else that a path can name: a pipe would let the reader wait for ever, a device has no end.
 * `what` names the file for the reader. The caller closes it.
 *
 * @throws Failure `file-missing` (also for a folder), `permission-denied`, or `model-invalid` for what is no regular file
 */
export function openRegularFile(path: string, what: string): number {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (stat.isFile()) return file;
    if (stat.isDirectory()) throw new Failure('file-missing', `expected a ${what}, found a folder: ${path}`);
    throw new Failure('model-invalid', `expected a ${what}, found no regular file: ${path}`, { hint: 'Put the file itself there.' });
  } catch (error) {
    if (file !== undefined) closeSync(file);
    throw toFileFailure(error, what, path);
  }
}
