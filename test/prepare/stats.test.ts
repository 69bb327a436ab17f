import { expect, test } from 'vitest';
import { countTokens } from '../../src/dataset/token-counter.ts';
import { measureRows, type RowStats } from '../../src/prepare/stats.ts';
import { openServiceTokenizer } from '../../providers/openai-compatible/tokens.ts';
import { openTokenizer } from '../../providers/local/open-tokenizer.ts';
import { createDataFolder } from '../dataset/data-folder.ts';
import type { Context } from '../../src/provider/context.ts';

async function measure(rows: readonly object[], model: string | null = null): Promise<RowStats> {
  const path = createDataFolder()('rows.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return await measureRows({ paths: [path], columns: {} }, model === null ? null : await openServiceTokenizer(model));
}

test('rows, labels from the most frequent on, exact lengths, and duplicates', async () => {
  const stats = await measure([
    { text: 'one two', label: 'a' },
    { text: 'one two', label: 'a' },
    { text: 'one two', label: 'b' },
    { text: 'three', label: 'a' },
  ]);
  expect(stats).toMatchObject({ kind: 'classification', rows: 4, labels: { a: 3, b: 1 }, tokens: null, messages: null, skipped: [] });
  expect(Object.keys(stats.labels)).toEqual(['a', 'b']);
  expect(stats.characters).toEqual({ least: 5, median: 7, p90: 7, p99: 7, most: 7, total: 26, histogram: [0, 0, 0, 4] });
  expect(stats.words).toMatchObject({ least: 1, median: 2, total: 7, histogram: [0, 1, 3] });
  expect(stats.duplicates).toEqual({ rows: 1, inputs: 2 });
});

test('chats: messages by role, and the tokens of their answers', async () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'hello world' },
  ];
  const stats = await measure([{ messages }, { messages: messages.slice(1) }], 'gpt-4.1-mini');
  expect(stats.messages).toMatchObject({ least: 2, most: 3, total: 5, roles: { system: 1, user: 2, assistant: 2 } });
  expect(stats.tokens).toMatchObject({ tokenizer: 'o200k_base of gpt-4.1-mini', answers: 4 });
  expect(stats.tokens!.rows).toMatchObject({ least: 3, most: 6, total: 9 });
});

test('rows that cannot be used are counted apart', async () => {
  const { rows, skipped } = await measure([
    { text: 'a', label: 'b' },
    { text: '', label: 'b' },
  ]);
  expect(rows).toBe(1);
  expect(skipped).toMatchObject([{ rows: 1, places: [{ line: 2 }] }]);
  await expect(measure([{ text: '', label: 'b' }])).rejects.toThrow('is blank');
  await expect(measure([{ body: 'a' }])).rejects.toThrow('expected columns of a known form, found "body"');
});

test('texts alone, preference, and both texts of a pair', async () => {
  expect(await measure([{ text: 'a' }, { text: 'a' }])).toMatchObject({ kind: 'text', labels: {}, duplicates: { rows: 1, inputs: 1 } });
  expect(await measure([{ prompt: 'a', chosen: 'bb', rejected: 'ccc' }])).toMatchObject({ kind: 'preference', characters: { total: 6 } });
});

test.each([
  ['gpt-4.1-mini', 'o200k_base'],
  ['gpt-4o-mini-2024-07-18', 'o200k_base'],
  ['gpt-3.5-turbo-0125', 'cl100k_base'],
  ['gpt-4-0613', 'cl100k_base'],
  ['gpt-6', null],
  ['x', null],
])('the encoding of %s is %s', async (model, encoding) => {
  const tokens = await openServiceTokenizer(model);
  expect(tokens?.name ?? null).toBe(encoding === null ? null : `${encoding} of ${model}`);
  const count = tokens === null ? null : countTokens(tokens, ['hello world', '<|endoftext|>']); // text, no special token
  expect(count ?? 9).toBeGreaterThan(3);
});

test('the tokenizer of a folder counts the special tokens of an input, and none of a text alone', async () => {
  const path = new URL('../../fixtures/models/tiny-bert', import.meta.url).pathname;
  const tokens = (await openTokenizer({ kind: 'folder', path }, {} as Context))!;
  const one = tokens.countText('hello');
  expect(one).toBeGreaterThan(0);
  expect([tokens.countInput('hello', undefined), tokens.countInput('hello', 'hello')]).toEqual([one + 2, 2 * one + 3]);
  expect(tokens.countText('')).toBe(0);
  expect(await openTokenizer({ kind: 'service', name: 'gpt-4.1-mini' }, {} as Context)).toBeNull();
});
