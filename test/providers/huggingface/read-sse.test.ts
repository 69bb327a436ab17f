import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSse, sseBegins } from '../../../providers/huggingface/read-sse.ts';

function readChunks(chunks: readonly Uint8Array[]): string[] {
  let state = sseBegins;
  return chunks.flatMap((chunk) => {
    const read = readSse(state, chunk);
    state = read.state;
    return read.events;
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('comments and other fields are skipped, lines of data are joined, what the end cuts off is none', () => {
  expect(
    readChunks([bytes('\uFEFFdata: a\n\n: keep-alive\n\nevent: x\nid: 1\ndata:b\ndata:  c\n\ndata\n\ndatax: 1\n\ndata: cut\n')]),
  ).toEqual(['a', 'b\n c', '']);
});

test.each(['\n', '\r', '\r\n'])('lines may end with %j, and chunks anywhere', (end) => {
  const whole = bytes(['data: naïve 🤗', 'data: x', '', ': c', '', 'data: z', '', ''].join(end));
  for (let size = 1; size < whole.length; size += 1) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.subarray(i * size, (i + 1) * size));
    expect(readChunks(chunks)).toEqual(['naïve 🤗\nx', 'z']);
  }
});

test('bytes give the same events however they are parted', () => {
  const part = fc.oneof(fc.uint8Array({ maxLength: 5 }), fc.constantFrom('data: ', '\n', '\r', '\n\n', ':', 'é').map(bytes));
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      expect(readChunks(parts)).toEqual(readChunks([Uint8Array.from(parts.flatMap((one) => [...one]))]));
    }),
  );
});

// A reader that copies a line anew for each chunk would not end before the test's time is up.
test('a long line, byte by byte', { timeout: 15_000 }, () => {
  const line = bytes(`data: ${'x'.repeat(500_000)}\n\n`);
  let state = sseBegins;
  let events: string[] = [];
  for (let at = 0; at < line.length; at += 1) {
    const read = readSse(state, line.subarray(at, at + 1));
    state = read.state;
    if (read.events.length > 0) events = [...events, ...read.events];
  }
  expect(events.map(({ length }) => length)).toEqual([500_000]);
});
