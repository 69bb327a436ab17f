import { expect, test } from 'vitest';
import { createNearRows, type NearRows } from '../../src/dataset/near.ts';
import { foldText } from '../../src/dataset/near-sketch.ts';
import { toStreamKey, toUint32 } from '../../src/lib/random.ts';

/** Numbers below `count`, the same ones in each run. */
function createDraw(name: string): (count: number) => number {
  const key = toStreamKey(11, 'row', name.length);
  let drawn = 0;
  return (count) => toUint32(key, drawn++) % count;
}

/** Texts of drawn words, of which a third are earlier ones with some other words. */
function makeTexts(count: number): string[] {
  const draw = createDraw('texts');
  const word = (): string => Array.from({ length: 3 + draw(7) }, () => String.fromCharCode(97 + draw(26))).join('');
  const words = Array.from({ length: 2000 }, word);
  const texts: string[] = [];
  while (texts.length < count) {
    const isOther = texts.length > 100 && draw(3) === 0;
    const text = isOther ? texts[draw(texts.length)]!.split(' ') : Array.from({ length: 4 + draw(40) }, () => words[draw(words.length)]!);
    const changes = isOther ? 1 + draw(Math.max(1, text.length >> 2)) : 0;
    for (let i = 0; i < changes; i++) text[draw(text.length)] = words[draw(words.length)]!;
    texts.push(text.join(' '));
  }
  return texts;
}

function toParts(text: string): Set<number> {
  const { parts, count } = foldText(text);
  return new Set(parts.subarray(0, count));
}

/** For each text the largest Jaccard index with an earlier one: all pairs that share a part are counted. */
function compareAll(texts: readonly string[]): number[] {
  const withPart = new Map<number, number[]>();
  const sizes: number[] = [];
  return texts.map((text, row) => {
    const parts = toParts(text);
    const common = new Map<number, number>();
    for (const part of parts) {
      const others = withPart.get(part) ?? [];
      for (const other of others) common.set(other, (common.get(other) ?? 0) + 1);
      withPart.set(part, [...others, row]);
    }
    sizes.push(parts.size);
    return Math.max(0, ...[...common].map(([other, count]) => count / (parts.size + sizes[other]! - count)));
  });
}

function addTo(near: NearRows, texts: readonly string[], part = 'train'): void {
  for (const [i, text] of texts.entries()) near.add({ text, label: 'x', source: `${part}.jsonl`, line: i + 1 }, part);
}

test('of 5,000 rows those with 0.8 of their parts in common are found, and hardly one with 0.6', () => {
  const texts = makeTexts(5000);
  const likeness = compareAll(texts);
  const near = createNearRows();
  addTo(near, texts);
  const found = new Set<number>();
  near.find((_, { line }) => found.add(line - 1));
  const share = (from: number, to: number): number => {
    const rows = likeness.flatMap((value, row) => (value >= from && value < to ? [row] : []));
    expect(rows.length).toBeGreaterThan(80);
    return rows.filter((row) => found.has(row)).length / rows.length;
  };
  expect(share(0.8, 2)).toBeGreaterThanOrEqual(0.95);
  expect(share(0.8, 0.84)).toBeGreaterThanOrEqual(0.95);
  expect(share(0.4, 0.62)).toBeLessThan(0.02);
}, 60_000);

test('training rows that are held out after folding, or nearly, are two kinds', () => {
  const train = [
    'The delivery of my order took three weeks, and nobody told me a word about it.',
    'Crème brûlée was the best dessert I had all year',
    'ok',
    'Nothing else.',
  ];
  const held = [
    'the delivery of my order took THREE weeks and nobody told me a word about it',
    'Cre\u0300me bru\u0302le\u0301e was the best dessert, I had all  year!',
    'The delivery of my order took three weeks, and nobody told me a word about this.',
    'OK!',
    'Another thing altogether, that nobody said before',
  ];
  const near = createNearRows();
  addTo(near, train);
  addTo(near, held, 'test/test');
  const rows: [string, number][] = [];
  const found = near.find((kind, { line }) => rows.push([kind, line]))!.get('test/test')!;
  expect(rows.filter(([kind]) => kind === 'leakedFolded').map(([, line]) => line)).toEqual([1, 2, 4]);
  expect(rows.filter(([kind]) => kind === 'leakedNear').map(([, line]) => line)).toEqual([3]);
  expect(found.leakedFolded).toEqual({
    rows: 3,
    lines: [1, 2, 4],
    example: { source: 'test/test.jsonl', line: 1, otherSource: 'train.jsonl', otherLine: 1 },
  });
});

test('what all inputs have in common counts for nothing', () => {
  const texts = Array.from({ length: 400 }, (_, i) => {
    const draw = createDraw('x'.repeat(i));
    const own = Array.from({ length: 30 }, () => String.fromCharCode(97 + draw(26))).join('');
    return `You are given a review of a customer, and have to tell whether it is a positive or a negative one: ${own}`;
  });
  const near = createNearRows();
  addTo(near, texts);
  expect(near.find()!.size).toBe(0);
});

test('rules before a conversation are not its input', () => {
  const near = createNearRows();
  for (const [line, content] of ['How do I reset my password?', 'Where is the invoice of March?'].entries()) {
    const messages = [
      { role: 'system', content: 'You are a helpful assistant of a shop that sells shoes, and answer in one sentence only.' },
      { role: 'user', content },
      { role: 'assistant', content: 'So.' },
    ];
    near.add({ messages, source: 'a.jsonl', line }, 'train');
  }
  expect(near.find()!.size).toBe(0);
});
