import { expect, test } from 'vitest';
import { measureRows, type RowStats } from '../../src/prepare/stats.ts';
import { local } from '../../providers/local/index.ts';
import { openai } from '../../providers/openai/index.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { formatStats } from '../../src/cli/views/stats-view.ts';
import { createDataFolder } from '../dataset/data-folder.ts';
import type { Context } from '../../src/provider/context.ts';

const gpt: ModelName = { kind: 'service', name: 'gpt-4.1-mini' };
const bert: ModelName = { kind: 'folder', path: 'fixtures/models/tiny-bert' };

async function measure(rows: readonly object[], model: ModelName | null = null): Promise<RowStats> {
  const path = createDataFolder()('rows.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const provider = model?.kind === 'folder' ? local : openai;
  const tokenizer = model === null ? null : await provider.loadTokenizer!(model, {} as Context);
  return await measureRows({ paths: [path], columns: {} }, tokenizer);
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
  const stats = await measure([{ messages }, { messages: messages.slice(1) }], gpt);
  expect(stats.messages).toMatchObject({ least: 2, most: 3, total: 5, roles: { system: 1, user: 2, assistant: 2 } });
  expect(stats.tokens).toMatchObject({ tokenizer: 'gpt-4.1-mini', learned: 4, note: expect.stringContaining('estimated') as string });
  expect(stats.tokens!.rows.total).toBeGreaterThan(9); // the texts alone
});

test('several labels: each is counted, how many rows have, and the rows without one', async () => {
  const rows = [
    { text: 'a', labels: ['x', 'y'] },
    { text: 'b', labels: [] },
    { text: 'c', labels: ['y'] },
  ];
  const stats = await measure(rows, gpt);
  expect(stats).toMatchObject({ kind: 'multi-label', labels: { y: 2, x: 1 }, labelsOfRow: { total: 3, most: 2, histogram: [1, 1, 1] } });
  expect(stats.tokens!.learned).toBeGreaterThan(6);
  expect(formatStats(stats)).toContain('rows without a label: 1\n');
  expect((await measure([{ text: 'a', label: 'x' }])).labelsOfRow).toBeNull();
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

test('a folder counts the special tokens of an input, and none of a text alone', async () => {
  const one = (await measure([{ text: 'hello' }], bert)).tokens!;
  const input = (await measure([{ text: 'hello', label: 'a' }], bert)).tokens!;
  expect(one.rows.total).toBeGreaterThan(0);
  expect(input).toMatchObject({ rows: { total: one.rows.total + 2 }, learned: null, note: null });
});
