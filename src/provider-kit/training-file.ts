import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Row } from '../dataset/row.ts';
import { toFileFailure } from '../errors.ts';
import type { WrittenFile } from '../lib/fs.ts';

/** Text is written when it has this many characters. */
const bufferCharacters = 65_536;

export interface TrainingFile extends WrittenFile {
  readonly path: string;
  readonly rows: number;
}

/**
 * Writes rows for a service, a line of JSON each. The same rows give the same bytes.
 * @param toLine a row as the service reads it: an object, or the whole line
 * @throws Failure `disk-full`, `permission-denied`, and what reading the rows throws
 */
export async function writeTrainingFile(
  path: string,
  rows: AsyncIterable<Row>,
  toLine: (row: Row) => object | string,
): Promise<TrainingFile> {
  const explain = (error: unknown): never => {
    throw toFileFailure(error, 'rows of the run', path);
  };
  const hash = createHash('sha256');
  let bytes = 0;
  let count = 0;
  let lines = '';
  await using file = await open(path, 'w', 0o600).catch(explain);
  const flush = async (): Promise<void> => {
    hash.update(lines);
    bytes += Buffer.byteLength(lines);
    await file.writeFile(lines).catch(explain);
    lines = '';
  };
  for await (const row of rows) {
    const line = toLine(row);
    lines += `${typeof line === 'string' ? line : JSON.stringify(line)}\n`;
    count += 1;
    if (lines.length > bufferCharacters) await flush();
  }
  await flush();
  return { path, bytes, rows: count, sha256: hash.digest('hex') };
}

/**
 * The same lines, with white space at the end of the first one that no other rows have. A service that answers equal bytes with the file
 * that it has already would let two runs on the same rows share it, and to delete it for one would break the other.
 * @param of what the white space is made from
 */
export function markFirst(toLine: (row: Row) => string, of: unknown): (row: Row) => string {
  const hash = createHash('sha256').update(JSON.stringify(of)).digest().subarray(0, 16);
  let mark = [...hash].map((byte) => byte.toString(2).padStart(8, '0').replaceAll('0', ' ').replaceAll('1', '\t')).join('');
  return (row) => {
    const line = toLine(row) + mark;
    mark = '';
    return line;
  };
}
