import { Failure } from '../errors.ts';

/** The longest line that is read. A file with a longer one does not hold rows. */
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
      hint: 'Check that the file has one row per line.',
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
