import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { readLines, readLinesSync, readStreamLines } from '../../src/lib/lines.ts';

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

test('a file read at once gives the same lines as text with their numbers, without those that are empty', () => {
  const path = join(createScratchFolder(), 'x.jsonl');
  const long = 'é'.repeat(100_000); // over the edges of chunks
  writeFileSync(path, `\uFEFFa\u2028\n\n${long}\nb`);
  expect([...readLinesSync(path)]).toEqual([
    { line: 1, text: 'a\u2028' },
    { line: 3, text: long },
    { line: 4, text: 'b' },
  ]);
  writeFileSync(path, Buffer.from('a\n\xe9\n', 'latin1'));
  expect(() => [...readLinesSync(path)]).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(':2: ') }),
  );
  expect(() => [...readLinesSync(`${path}.none`)]).toThrow(expect.objectContaining({ code: 'file-missing' }));
});

test('a stream gives each line as soon as its end arrives, however short', async () => {
  const input = new PassThrough();
  const lines = readStreamLines(input, 'standard input');
  input.write('1\n');
  expect(await lines.next()).toEqual({ done: false, value: ['1'] });
  input.write(Buffer.from('é', 'utf8').subarray(0, 1));
  input.end(Buffer.concat([Buffer.from('é', 'utf8').subarray(1), Buffer.from('\n\nend')]));
  expect(await Array.fromAsync(lines)).toEqual([['é', ''], ['end']]);
});

test('a stream that is not text is refused with its line', async () => {
  const lines = readStreamLines(Readable.from([Buffer.from('a\n'), Buffer.from([0xff, 0x0a])]), 'standard input');
  await expect(Array.fromAsync(lines)).rejects.toMatchObject({
    code: 'data-invalid',
    message: 'standard input:2: expected UTF-8, found other bytes',
  });
});
