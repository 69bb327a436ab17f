/** The bytes of a data file as UTF-8 with LF, whatever encoding and line ends it has. */
import { isAscii, isUtf8 } from 'node:buffer';
import { findFileKind } from '../lib/file-kinds.ts';
import { createDataFailure, type ReadNote } from './findings.ts';

/** How much of a file decides how it is read. */
const peekBytes = 64 * 1024;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

type OnNote = (note: ReadNote) => void;

/**
 * UTF-16 becomes UTF-8; lines that end in CR alone become lines that end in LF; everything else stays as it is, also where it is no UTF-8.
 * @throws Failure `data-invalid` for a file that is a known other thing than text, and for UTF-16 that is not valid.
 */
export async function* decodeText(chunks: AsyncGenerator<Buffer, void>, path: string, onNote: OnNote): AsyncGenerator<Buffer, void> {
  try {
    yield* decode(chunks, path, onNote);
  } finally {
    await chunks.return(undefined); // where the first bytes were refused, nothing else closes the file
  }
}

async function* decode(chunks: AsyncGenerator<Buffer, void>, path: string, onNote: OnNote): AsyncGenerator<Buffer, void> {
  const head = await readHead(chunks, peekBytes);
  const encoding = findEncoding(head, path);
  const rest = withHead(head, chunks);
  const text = encoding === null ? rest : decodeUtf16(rest, encoding, path);
  if (encoding !== null) onNote({ code: 'utf-16', source: path, line: null, message: 'the file is UTF-16, and was read as such' });
  const begin = await readHead(text, peekBytes);
  const whole = withHead(begin, text);
  if (begin.includes(lineFeed) || !begin.includes(carriageReturn)) return yield* whole;
  onNote({ code: 'line-ends', source: path, line: null, message: 'the lines of the file end in CR alone, and were read as such' });
  yield* withLineFeeds(whole);
}

/** The first bytes, at least so many where there are. */
async function readHead(chunks: AsyncGenerator<Buffer, void>, bytes: number): Promise<Buffer> {
  const head: Buffer[] = [];
  let count = 0;
  while (count < bytes) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    head.push(value);
    count += value.length;
  }
  return head.length === 1 ? head[0]! : Buffer.concat(head);
}

async function* withHead(head: Buffer, rest: AsyncGenerator<Buffer, void>): AsyncGenerator<Buffer, void> {
  if (head.length > 0) yield head;
  yield* rest;
}

type Encoding = 'utf-16le' | 'utf-16be';

/** Null: UTF-8, or bytes that will be refused with their line. @throws Failure for a file that holds no text */
function findEncoding(head: Buffer, path: string): Encoding | null {
  const kind = findFileKind(head);
  if (kind !== null) throw createDataFailure('file-kind', `${path}: expected rows, found ${kind.name}`, { hint: kind.remedy });
  const mark = head.length < 2 ? 0 : head.readUInt16BE(0);
  const isWide = head.length >= 4 && (head.readUInt32BE(0) === 0x0000feff || head.readUInt32BE(0) === 0xfffe0000);
  if (mark === 0xfffe && !isWide) return 'utf-16le';
  if (mark === 0xfeff) return 'utf-16be';
  if (isAscii(head) && !head.includes(0)) return null;
  // Without a mark: of Latin letters, quotes and delimiters every other byte is 0, which text in UTF-8 never has; rows begin with one.
  const [even, odd] = countZeros(head);
  if (even + odd === 0) return null;
  if (!isWide && head[0] !== 0 && head[1] === 0 && odd > 8 * even) return 'utf-16le';
  if (!isWide && head[0] === 0 && head[1] !== 0 && even > 8 * odd) return 'utf-16be';
  if (isUtf8(head) && even + odd <= 1 + head.length / 100) {
    const line = head.subarray(0, head.indexOf(0)).filter((byte) => byte === lineFeed).length + 1;
    throw createDataFailure('encoding', `${path}:${line}: expected text, found a character of code 0`, {
      hint: "Remove it, such as with `tr -d '\\0'`.",
    });
  }
  const found = isWide || even + odd > head.length / 3 ? 'UTF-32, or a file that is no text' : 'bytes that are no text';
  throw createDataFailure('encoding', `${path}: expected text in UTF-8, found ${found}`, {
    hint: 'Save the rows as text in UTF-8.',
  });
}

function countZeros(bytes: Buffer): [even: number, odd: number] {
  const counts: [number, number] = [0, 0];
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) counts[at % 2]!++;
  return counts;
}

async function* decodeUtf16(chunks: AsyncIterable<Buffer>, encoding: Encoding, path: string): AsyncGenerator<Buffer, void> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  let line = 1;
  const toUtf8 = (bytes?: Buffer): Buffer => {
    try {
      return Buffer.from(decoder.decode(bytes, { stream: bytes !== undefined }));
    } catch (error) {
      const [before] = new TextDecoder(encoding).decode(bytes).split('\ufffd', 1); // where the first of what is no character stands
      const place = line + before!.split('\n').length - 1;
      throw createDataFailure('encoding', `${path}:${place}: expected UTF-16, as the file begins, found other bytes here or later`, {
        hint: 'Save the file as UTF-8.',
        error,
      });
    }
  };
  for await (const chunk of chunks) {
    const text = toUtf8(chunk);
    yield text;
    for (let at = text.indexOf(lineFeed); at >= 0; at = text.indexOf(lineFeed, at + 1)) line++;
  }
  yield toUtf8();
}

/** CR becomes LF, but in a CRLF, which the end of such a file may have. */
async function* withLineFeeds(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let isAfterReturn = false;
  for await (const chunk of chunks) {
    const bytes = Buffer.alloc(chunk.length);
    let length = 0;
    for (const byte of chunk) {
      const isSecond = byte === lineFeed && isAfterReturn;
      isAfterReturn = byte === carriageReturn;
      if (!isSecond) bytes[length++] = isAfterReturn ? lineFeed : byte;
    }
    yield bytes.subarray(0, length);
  }
}
