import type { Answer } from '../answer.ts';

interface Content {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Bytes, or the part of them that a `Range` header asks for. */
export function toRangeAnswer(range: string | undefined, { bytes, headers }: Content): Answer {
  const all = { 'accept-ranges': 'bytes', ...headers };
  const found = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (found === null || (found[1] === '' && found[2] === '')) return { status: 200, body: bytes, headers: all };
  const { length } = bytes;
  const begin = found[1] === '' ? Math.max(0, length - Number(found[2])) : Number(found[1]);
  const end = found[1] === '' || found[2] === '' ? length - 1 : Math.min(Number(found[2]), length - 1);
  if (begin > end) return { status: 416, body: Buffer.alloc(0), headers: { ...all, 'content-range': `bytes */${length}` } };
  return { status: 206, body: bytes.subarray(begin, end + 1), headers: { ...all, 'content-range': `bytes ${begin}-${end}/${length}` } };
}
