import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLines } from '../../src/lib/lines.ts';

async function read(bytes: Buffer, cuts: readonly number[], maxBytes?: number): Promise<string[]> {
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const [i, edge] of edges.entries()) if (i > 0) yield bytes.subarray(edges[i - 1], edge);
  }
  const lines: string[] = [];
  for await (const batch of readLines(chunks(), 'x.jsonl', maxBytes)) lines.push(...batch.map((line) => line.toString('utf8')));
  return lines;
}

test('the lines are the same however the bytes are cut into chunks', async () => {
  const piece = fc.constantFrom('a', '\n', '\r', '\u2028', '\u0085', 'é', '😀', '\uFEFF', '{"x":1}');
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 12 }), async (pieces, cuts) => {
      const text = pieces.join('');
      const expected = text.replace(/^\uFEFF/, '').match(/[^\n]*\n|[^\n]+$/g) ?? [];
      expect(await read(Buffer.from(text), cuts)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('only the first byte order mark is taken off, whole', async () => {
  expect(await read(Buffer.from('\uFEFFa\n\uFEFFb'), [1, 2, 3])).toEqual(['a\n', '\uFEFFb']);
  expect(await read(Buffer.from([0xef, 0xbb]), [1])).toHaveLength(1);
});

test('a line above the limit names its place, with or without its end', async () => {
  expect(await read(Buffer.from('12345\n12345\n'), [3], 6)).toHaveLength(2);
  for (const text of ['ok\n123456\n', 'ok\n1234567']) {
    await expect(read(Buffer.from(text), [4, 6], 6)).rejects.toMatchObject({
      code: 'data-invalid',
      message: expect.stringContaining('x.jsonl:2'),
    });
  }
});
