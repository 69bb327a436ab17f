import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Failure, toFileFailure } from '../errors.ts';

/** The longest line that is read. A file with a longer one does not hold rows. */
export const maxLineBytes = 64 * 1024 * 1024;

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

interface LineSplitter {
  /** The lines that end in this chunk, each with its line end. The chunk must not be written to afterwards. */
  push(chunk: Buffer): Buffer[];
  /** The last line, where it has no end. */
  end(): Buffer[];
}

/**
 * Splits bytes into lines however they arrive. Lines end at byte 0x0A and nowhere else: U+2028 and U+0085 are legal inside a JSON
 * string. A byte order mark at the start is left out.
 */
function createLineSplitter(path: string, maxBytes: number): LineSplitter {
  let head: Buffer | null = Buffer.alloc(0); // the first bytes, as long as they may become a byte order mark
  let pieces: Buffer[] = []; // of the line that has not ended yet
  let pieceBytes = 0;
  let count = 0;
  const check = (bytes: number): void => {
    if (bytes <= maxBytes) return;
    throw new Failure('data-invalid', `${path}:${count + 1}: expected a line of at most ${maxBytes} bytes, found a longer one`, {
      hint: 'Check that the file has one row per line.',
    });
  };
  const split = (chunk: Buffer): Buffer[] => {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      const last = chunk.subarray(start, end + 1);
      check(pieceBytes + last.length);
      lines.push(pieces.length === 0 ? last : Buffer.concat([...pieces, last]));
      [pieces, pieceBytes] = [[], 0];
      count++;
      start = end + 1;
    }
    if (start < chunk.length) {
      pieces.push(chunk.subarray(start));
      pieceBytes += chunk.length - start;
      check(pieceBytes);
    }
    return lines;
  };
  return {
    push(chunk) {
      if (head === null) return split(chunk);
      head = Buffer.concat([head, chunk]);
      if (head.length < byteOrderMark.length && byteOrderMark.subarray(0, head.length).equals(head)) return [];
      const bytes = head.subarray(0, 3).equals(byteOrderMark) ? head.subarray(3) : head;
      head = null;
      return split(bytes);
    },
    end() {
      const rest = Buffer.concat([...(head === null ? [] : [head]), ...pieces]);
      return rest.length === 0 ? [] : [rest];
    },
  };
}

/** @throws Failure `data-invalid` that names `place`, where the bytes are not UTF-8: a decoder would replace them in silence */
export function checkUtf8(bytes: Buffer, place: string): void {
  if (isUtf8(bytes)) return;
  throw new Failure('data-invalid', `${place}: expected UTF-8, found other bytes`, { hint: 'Save the file as UTF-8.' });
}

/** A line as text, without its line end. @throws Failure as `checkUtf8` */
export function decodeLine(bytes: Buffer, place: string): string {
  checkUtf8(bytes, place);
  return bytes.toString('utf8', 0, bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length);
}

/**
 * The lines of a byte stream in batches, each line with its line end; no batch is empty.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` for a line above `maxBytes`.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, path: string, maxBytes = maxLineBytes): AsyncGenerator<Buffer[]> {
  const splitter = createLineSplitter(path, maxBytes);
  for await (const chunk of chunks) {
    const lines = splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last.length > 0) yield last;
}

const chunkBytes = 2 ** 16;

/**
 * The lines of a UTF-8 file with their numbers, without line ends; empty lines are left out.
 * @throws Failure `file-missing` or `permission-denied`; `data-invalid` that names a line which is too long or not UTF-8
 */
export function* readLinesSync(path: string): Generator<{ readonly line: number; readonly text: string }> {
  const splitter = createLineSplitter(path, maxLineBytes);
  let line = 0;
  const decode = (lines: readonly Buffer[]): { line: number; text: string }[] =>
    lines.map((bytes) => ({ line: ++line, text: decodeLine(bytes, `${path}:${line}`) })).filter(({ text }) => text !== '');
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const count = readSync(file, chunk);
      if (count === 0) break;
      yield* decode(splitter.push(chunk.subarray(0, count)));
    }
    yield* decode(splitter.end());
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * The lines of a stream of UTF-8 as they arrive, without line ends, in groups: all that are there at once.
 * @param name names the stream in errors.
 * @throws Failure `data-invalid` for a line that is too long or not UTF-8
 */
export async function* readStreamLines(input: Readable, name: string): AsyncGenerator<string[]> {
  let line = 0;
  for await (const lines of readLines(input as AsyncIterable<Buffer>, name)) {
    await setImmediate(); // lets what is already in the pipe arrive, so that the caller sees that there is more
    yield lines.map((bytes) => decodeLine(bytes, `${name}:${++line}`));
  }
}
