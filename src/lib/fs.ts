import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { toFileFailure } from '../errors.ts';

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
export async function writeWhole(
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
    await rm(unfinished, { force: true }).catch(() => {}); // what went wrong is told, not this
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/** The same for a text; where the file has it already nothing is written. */
export async function writeWholeText(path: string, text: string, what: string): Promise<WrittenFile> {
  const content = Buffer.from(text);
  const present = await readFile(path).catch(() => null);
  if (present?.equals(content) !== true) return await writeWhole(path, [content], what);
  return { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length };
}
