import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import { expect, test } from 'vitest';
import { inspectDataset } from '../../src/dataset/inspect.ts';
import { isValidationRow, toRowHash } from '../../src/dataset/split.ts';
import type { Row } from '../../src/dataset/row.ts';
import { createDataFolder } from './data-folder.ts';

function toLine(...contents: readonly string[]): string {
  const messages = contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
  return `${JSON.stringify({ messages })}\n`;
}

test('facts of chats: no labels, all text, rows that stand twice, prompts that are in two parts', async () => {
  const write = createDataFolder();
  const tools = `{"tools":[{"type":"function"}],"messages":[{"role":"user","content":[{"type":"text","text":"abc"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"fn","arguments":"{}"}}]}]}`.replaceAll(
    '\n',
    '',
  );
  const content = `${toLine('one', 'two')}${toLine('one', 'two')}${tools}\n`;
  const train = write('a.jsonl', content);
  // The first has a known prompt and another answer; the second has the first as the beginning of its prompt.
  const held = write('b.jsonl', toLine('one', '2') + toLine('one', 'two', 'three', 'four'));
  const columns = { messages: 'messages' };
  const facts = await inspectDataset({ task: 'chat', train: [train], validation: null, test: { main: [held] }, columns });
  expect(facts).toEqual({
    columns,
    train: {
      sources: [{ path: train, sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length }],
      sha256: createHash('sha256').update(content).digest('hex'),
      rows: 3,
      labels: {},
      longestCharacters: 'abc'.length + 'fn{}'.length + '[{"type":"function"}]'.length,
      duplicates: 1,
    },
    validation: null,
    test: { main: expect.objectContaining({ rows: 2, longestCharacters: 15, duplicates: 0, labels: {} }) },
    labels: [],
    majority: null,
    warnings: [
      { type: 'duplicate-rows', part: 'train', rows: 1 },
      { type: 'texts-in-training', part: 'test/main', rows: 1 },
    ],
  });
  expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
});

test('facts of preferences: the prompt is what is known', async () => {
  const write = createDataFolder();
  const train = write('a.csv', 'prompt,chosen,rejected\nq,good,bad\nr,fine,poor\n');
  const held = write('b.jsonl', '{"prompt":[{"role":"user","content":"q"}],"chosen":"other","rejected":"x"}\n');
  const facts = await inspectDataset({ task: 'preference', train: [train], validation: [held], test: {}, columns: {} });
  expect(facts).toMatchObject({ train: { rows: 2, longestCharacters: 9, labels: {} }, labels: [], majority: null });
  expect(facts.warnings).toEqual([{ type: 'texts-in-training', part: 'validation', rows: 1 }]);
});

test.each([
  ['chat', 26],
  ['preference', 24],
] as const)('of the sample data of %s every row is on one side', async (task, rows) => {
  const train = [`fixtures/${task}/train.jsonl`];
  const sources = { task, train, test: { test: [`fixtures/${task}/test.jsonl`] }, columns: {} };
  const facts = await inspectDataset({ ...sources, validation: { fraction: 0.25 } });
  expect(facts.train.rows + facts.validation!.rows).toBe(rows);
  expect(facts.validation).toMatchObject({ sources: [], sha256: facts.train.sha256 });
  expect(facts.test['test']!.rows).toBe(24);
  expect(facts.warnings).toEqual([]);
});

test('wrong rows of all files are told at once, and a file without rows is refused', async () => {
  const write = createDataFolder();
  const train = write('a.jsonl', `${toLine('one')}${toLine('one', 'two')}`);
  const held = write('b.jsonl', '{}\n');
  const both = inspectDataset({ task: 'chat', train: [train], validation: null, test: { main: [held] }, columns: {} });
  await expect(both).rejects.toThrow(/^2 rows cannot be used:\n.*a\.jsonl:1: messages\[0\]\.role: .*\n.*b\.jsonl:1: expected a column/);
  const empty = inspectDataset({ task: 'chat', train: [write('c.jsonl', '')], validation: null, test: {}, columns: {} });
  await expect(empty).rejects.toThrow('expected rows in the train data, found none in ');
});

test('the hash is over the canonical JSON of the mapped columns, and of nothing else', () => {
  const lines = ['fixtures/chat/train.jsonl', 'fixtures/preference/train.jsonl'].flatMap((path) =>
    readFileSync(path, 'utf8').trim().split('\n'),
  );
  const rows = lines.map((line) => JSON.parse(line) as Row).filter((row) => 'messages' in row || 'prompt' in row);
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const expected = createHash('sha256').update(canonicalize(row)!).digest();
    expect(toRowHash(row)).toEqual(expected);
    const located = { line: 1, source: 'x', ...Object.fromEntries(Object.entries(row).reverse()) } as unknown as Row;
    expect(toRowHash(located)).toEqual(expected);
  }
});

// Computed with Python's hashlib over json.dumps(sort_keys=True, ensure_ascii=False, separators=(',', ':')).
test.each([
  [
    {
      messages: [
        { role: 'user', content: 'é' },
        { role: 'assistant', content: 'b' },
      ],
      parallel_tool_calls: false,
    },
    0.3195854304358363,
  ],
  [
    {
      prompt: [{ role: 'user', content: 'q' }],
      chosen: [{ role: 'assistant', content: 'a' }],
      rejected: [{ role: 'assistant', content: 'b' }],
    },
    0.1438871887512505,
  ],
])('the share of %j', (row, share) => {
  expect(isValidationRow(row, share)).toBe(false); // strictly below
  expect(isValidationRow(row, share + 2 ** -32)).toBe(true);
});
