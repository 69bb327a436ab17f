import { createHash } from 'node:crypto';
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';

/** How the names of files end that are being written. */
export const unfinishedEnding = '.part';

export interface WrittenFile {
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Writes a file so that it is there whole or not at all: beside its place under another name, to the disk, then into its place. One
 * that was there is replaced; what an interrupted write left behind is written over.
 * @param what names the file for the reader of an error
 * @throws Failure `disk-full`, `permission-denied`, `file-missing`, and what reading the content throws
 */
export async function writeAtomic(
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  what: string,
): Promise<WrittenFile> {
  const unfinished = join(dirname(path), `.${basename(path)}${unfinishedEnding}`);
  const explain = (error: unknown): never => {
    throw toFileFailure(error, what, path);
  };
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const file = await open(unfinished, 'w', 0o600).catch(explain);
    try {
      for await (const chunk of content) {
        hash.update(chunk);
        bytes += chunk.length;
        await file.writeFile(chunk).catch(explain);
      }
      await file.sync().catch(explain);
    } finally {
      await file.close();
    }
    await rename(unfinished, path).catch(explain);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {}); // the first error matters, not this one
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/** The same for a text; where the file has it already nothing is written. */
export async function writeAtomicText(path: string, text: string, what: string): Promise<WrittenFile> {
  const content = Buffer.from(text);
  const present = await readFile(path).catch(() => null);
  if (present?.equals(content) !== true) return await writeAtomic(path, [content], what);
  return { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length };
}

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

/** Size and SHA-256 of a file; `what` names it for the reader. @throws Failure `file-missing`, `permission-denied`, `model-invalid` */
export function hashFileSync(path: string, what: string): { readonly bytes: number; readonly sha256: string } {
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

/** SHA-256 of a file's bytes, in hex. @throws the system's error */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
