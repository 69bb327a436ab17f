import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspectDataset, type DataFacts } from '../../src/dataset/inspect.ts';
import { getPart } from '../../src/dataset/split.ts';
import { readTaskRows } from '../../src/dataset/task-rows.ts';
import { createScratchFolder } from '../scratch.ts';

function write(name: string, text: string): string {
  const path = join(createScratchFolder(), name);
  writeFileSync(path, text);
  return path;
}

const columns = { text: 'text', label: 'stars' };
const shape = { task: 'regression', columns } as const;
const inspect = async (train: string, more: object = {}): Promise<DataFacts> =>
  await inspectDataset({ task: 'regression', train: [train], validation: null, test: {}, columns, ...more });

test('a row has a number, as JSON or as the text of a table', async () => {
  const lines = ['{"text": "a", "stars": -1.5}', '{"text": "b", "stars": "2e1"}', '{"text": "c", "stars": 0}'].join('\n');
  const rows = await Array.fromAsync(readTaskRows([write('a.jsonl', lines), write('a.csv', 'text,stars\nd, 4.25 \n')], shape));
  expect(rows.map((row) => ('value' in row ? row.value : null))).toEqual([-1.5, 20, 0, 4.25]);
});

test.each(['"good"', '""', '"0x10"', '"1,5"', 'true', 'null', '1e999', '"Infinity"'])('%s is no number', async (value) => {
  const path = write('a.jsonl', `{"text": "a", "stars": ${value}}`);
  await expect(Array.fromAsync(readTaskRows([path], shape))).rejects.toMatchObject({ code: 'data-invalid' });
});

const numbered = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `text ${i}`, stars: i })).join('\n');

test('the facts have no labels, and the median as what a rule would answer', async () => {
  const facts = await inspect(write('train.jsonl', numbered));
  expect(facts).toMatchObject({ labels: [], majority: '19.5', warnings: [], train: { rows: 40, labels: {} } });
  expect((await inspect(write('odd.jsonl', numbered.split('\n').slice(0, 3).join('\n')))).majority).toBe('1');
});

test('shares of the rows validate and are held out, each row in one part', async () => {
  const path = write('train.jsonl', numbered);
  const facts = await inspect(path, { validation: { fraction: 0.2 }, testFraction: 0.25 });
  expect(facts.test['test']!.rows).toBe(10);
  expect(facts.train.rows + facts.validation!.rows).toBe(30);
  const parts = (await Array.fromAsync(readTaskRows([path], shape))).map((row) => getPart(row, facts.heldOut!, 0.2));
  expect(parts.filter((part) => part === 'test')).toHaveLength(10);
});

test('rows with the same text and other numbers are of one text', async () => {
  const facts = await inspect(write('train.jsonl', `${numbered}\n${numbered.replaceAll('"stars":', '"stars":1')}`), { testFraction: 0.5 });
  expect(facts.test['test']!.rows).toBe(40);
});
