import { closeSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Failure, toFileFailure } from '../errors.ts';

/** The longest line that is read. Above it a file is taken for something else than rows. */
export const maxLineBytes = 64 * 1024 * 1024;

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The lines of a byte stream, in batches, each with its line end; empty batches are left out. Lines end at byte 0x0A and nowhere
 * else: U+2028 and U+0085 are legal inside a JSON string. A byte order mark at the start is taken off.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` for a line above `maxBytes`.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, path: string, maxBytes = maxLineBytes): AsyncGenerator<Buffer[]> {
  let open: Buffer[] = []; // the pieces of the line whose end has not come yet
  let openBytes = 0;
  let read = 0;
  const close = (last: Buffer): Buffer => {
    const line = open.length === 0 ? last : Buffer.concat([...open, last]);
    open = [];
    openBytes = 0;
    return line;
  };
  const check = (bytes: number): void => {
    if (bytes <= maxBytes) return;
    throw new Failure('data-invalid', `${path}:${read + 1}: expected a line of at most ${maxBytes} bytes, found a longer one`, {
      hint: 'Check that the file has one row a line.',
    });
  };

  for await (const chunk of withoutByteOrderMark(chunks)) {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      check(openBytes + end + 1 - start);
      lines.push(close(chunk.subarray(start, end + 1)));
      read++;
      start = end + 1;
    }
    if (lines.length > 0) yield lines;
    if (start < chunk.length) {
      open.push(chunk.subarray(start));
      openBytes += chunk.length - start;
      check(openBytes);
    }
  }
  if (openBytes > 0) yield [close(Buffer.alloc(0))];
}

/** The mark may be spread over the first chunks, so that nothing is passed on before three bytes are there. */
async function* withoutByteOrderMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < byteOrderMark.length) continue;
    yield head.subarray(0, 3).equals(byteOrderMark) ? head.subarray(3) : head;
    head = null;
  }
  if (head !== null && head.length > 0) yield head;
}

const chunkBytes = 2 ** 16;

/**
 * The lines of a UTF-8 file, split at \n only (U+0085 and U+2028 belong to the text), empty ones left out.
 *
 * @throws Failure `file-missing` or `permission-denied`; `data-invalid` naming the line when it is too long or not UTF-8
 */
export function* readLinesSync(path: string): Generator<{ readonly line: number; readonly text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes: Uint8Array, line: number): string => {
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new Failure('data-invalid', `${path}:${line}: not valid UTF-8`, { error });
    }
  };
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const chunk = Buffer.alloc(chunkBytes);
    let rest = Buffer.alloc(0);
    let line = 1;
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
      let bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        if (end > 0) yield { line, text: decode(bytes.subarray(0, end), line) };
        bytes = bytes.subarray(end + 1);
        line++;
      }
      if (bytes.length > maxLineBytes) throw new Failure('data-invalid', `${path}:${line}: a line may have at most ${maxLineBytes} bytes`);
      rest = bytes;
    }
    if (rest.length > 0) yield { line, text: decode(rest, line) };
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The lines of a stream as they arrive, in groups: all that are there at once, split at \n only. */
export async function* readStreamLines(input: Readable): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    await setImmediate(); // lets what is already in the pipe arrive, so that the caller sees that there is more
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}
