import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';

/** The end of temporary names: of files and folders that are being written. */
export const unfinishedEnding = '.part';

export interface WrittenFile {
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Writes a file so that readers see it whole or not at all: under a temporary name in the same folder, flushed to the disk, then
 * renamed. A file that was there is replaced; the remains of an interrupted write are overwritten. Who may read it, the umask says: models
 * and answers are given to others, and what is private is in a folder that is.
 * @param what names the file for the reader of an error
 * @throws Failure `disk-full`, `permission-denied`, `file-missing`, and what reading the content throws
 */
export async function writeAtomic(
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  what: string,
): Promise<WrittenFile> {
  return await writeThrough(getUnfinishedPath(path), { path, content, what });
}

/** The same for a text; where the file has it already nothing is written. */
export async function writeAtomicText(path: string, text: string, what: string): Promise<WrittenFile> {
  const content = Buffer.from(text);
  const present = await readFile(path).catch(() => null);
  if (present?.equals(content) !== true) return await writeAtomic(path, [content], what);
  return { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length };
}

/** The same for a JSON value, also where several processes write the file at once: the last one wins. */
export async function writeAtomicJson(path: string, value: unknown, what: string): Promise<void> {
  const content = [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)];
  await writeThrough(`${path}.${randomUUID()}${unfinishedEnding}`, { path, content, what });
}

async function writeThrough(
  unfinished: string,
  { path, content, what }: { path: string; content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>; what: string },
): Promise<WrittenFile> {
  const explain = (error: unknown): never => {
    throw toFileFailure(error, what, path);
  };
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const file = await open(unfinished, 'w').catch(explain);
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
    await rm(unfinished, { force: true }).catch(() => {}); // the first error is reported, not this one
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/**
 * Writes a folder so that readers see it whole or not at all, also after a power cut: `write` fills a folder with a temporary name, its
 * files are flushed to the disk, then it is renamed. A folder that was there is replaced; the remains of an interrupted call are
 * removed. Returns the result of `write`.
 *
 * @throws what `write` throws, or the system's error; nothing of the new folder is left then
 */
export function replaceFolder<T>(path: string, write: (folder: string) => T): T {
  const unfinished = getUnfinishedPath(path);
  rmSync(unfinished, { recursive: true, force: true });
  try {
    mkdirSync(unfinished);
    const written = write(unfinished);
    for (const name of readdirSync(unfinished)) flush(join(unfinished, name));
    flush(unfinished);
    rmSync(path, { recursive: true, force: true });
    renameSync(unfinished, path);
    flush(dirname(path));
    return written;
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** Makes the bytes of a file, or the names in a folder, outlive a power cut. */
export function flush(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Writes parts one after the other to a file, which may be larger than one write can be. Size and SHA-256 of what was written. */
export function writeParts(path: string, parts: Iterable<Uint8Array>): WrittenFile {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  try {
    let bytes = 0;
    for (const part of parts) {
      hash.update(part);
      for (let done = 0; done < part.length;) done += writeSync(file, part, done, Math.min(part.length - done, 2 ** 30));
      bytes += part.length;
    }
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    closeSync(file);
  }
}

function getUnfinishedPath(path: string): string {
  return join(dirname(path), `.${basename(path)}${unfinishedEnding}`);
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

/** The bytes of a regular file. @throws Failure as `openRegularFile`, `model-invalid` also for a file of more than `maxBytes` */
export function readBoundedFile(path: string, what: string, maxBytes: number): Buffer {
  const file = openRegularFile(path, what);
  try {
    const { size } = fstatSync(file);
    if (size > maxBytes) throw new Failure('model-invalid', `${what}: expected at most ${maxBytes} bytes, found ${size}: ${path}`);
    return readFileSync(file);
  } catch (error) {
    throw toFileFailure(error, what, path);
  } finally {
    closeSync(file);
  }
}

/** Size and SHA-256 of a file; `what` names it for the reader. @throws Failure `file-missing`, `permission-denied`, `model-invalid` */
export function hashFileSync(path: string, what: string): WrittenFile {
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
