import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTokenizer } from '../../src/model-files/tokenizer.ts';
import { createScratchFolder } from '../scratch.ts';

const tinyBert = join(import.meta.dirname, '../../fixtures/models/tiny-bert');
const tokenizer = readTokenizer(tinyBert);
const [cls, sep] = [2, 3];

test('special tokens stay when a text is cut', () => {
  const whole = tokenizer.encode('one two three four five', undefined, 64);
  expect(whole.truncated).toBe(false);
  expect([whole.ids[0], whole.ids.at(-1)]).toEqual([cls, sep]);
  const cut = tokenizer.encode('one two three four five', undefined, 4);
  expect(cut).toEqual({ ids: [cls, whole.ids[1], whole.ids[2], sep], typeIds: [0, 0, 0, 0], truncated: true });
  expect(tokenizer.encode('one two', undefined, 4).truncated).toBe(false);
  expect(() => tokenizer.encode('one', undefined, 1)).toThrow('maxLength 1 leaves no room');
});

test.each([
  [3, 5, 9, 3, 3],
  [5, 3, 9, 3, 3],
  [5, 1, 8, 4, 1],
  [5, 5, 8, 2, 3],
  [6, 5, 8, 3, 2],
  [2, 2, 64, 2, 2],
])('of a pair with %i and %i words, cut to %i tokens, %i and %i stay', (first, second, maxLength, firstKept, secondKept) => {
  const toText = (count: number): string => new Array<string>(count).fill('one').join(' ');
  const { ids, typeIds, truncated } = tokenizer.encode(toText(first), toText(second), maxLength);
  const kept = (type: number): number => typeIds.filter((id) => id === type).length;
  expect([kept(0) - 2, kept(1) - 1]).toEqual([firstKept, secondKept]);
  expect(ids.filter((id) => id === sep)).toHaveLength(2);
  expect(truncated).toBe(first + second > firstKept + secondKept);
});

test('an empty second text is still a pair', () => {
  expect(tokenizer.encode('one', '', 64).typeIds).toEqual([0, 0, 0, 1]);
});

test('ideographs beyond U+FFFF are words, and a capital sigma is small everywhere', () => {
  expect(tokenizer.toIds('\u{20000}\u{2a6d6}')).toEqual(tokenizer.toIds('\u{20000} \u{2a6d6}'));
  expect(tokenizer.toIds('\u03a3\u03a3')).toEqual(tokenizer.toIds('\u03c3\u03c3'));
});

test('a folder without tokenizer.json, or with a broken one, is refused', () => {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  const definition = JSON.parse(readFileSync(join(tinyBert, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
  for (const [broken, message] of [
    [{}, 'model: expected an object, found nothing'],
    [{ ...definition, model: { type: 'Odd' } }, 'model.type: expected one of WordPiece, BPE, Unigram, found "Odd"'],
    [{ ...definition, normalizer: { type: 'Odd' } }, 'normalizer: expected steps of the types'],
    [{ ...definition, added_tokens: 3 }, 'added_tokens: expected a list, found 3'],
  ] as const) {
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(broken));
    expect(() => readTokenizer(folder)).toThrow(
      expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(message) as string }),
    );
  }
  rmSync(join(folder, 'tokenizer.json'));
  expect(() => readTokenizer(folder)).toThrow('has no tokenizer.json');
});
