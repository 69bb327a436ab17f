import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeTrainingRows, type TrainingRows } from '../../src/evaluate/training-rows.ts';
import { createScratchFolder } from '../scratch.ts';

interface Written {
  readonly counts: TrainingRows;
  readonly rows: unknown[];
}

function write(lines: readonly object[]): { path: string; out: string } {
  const folder = createScratchFolder();
  const path = join(folder, 'old.jsonl');
  writeFileSync(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  return { path, out: join(folder, 'train.jsonl') };
}

async function make(lines: readonly object[], task?: TrainingRows['task']): Promise<Written> {
  const { path, out } = write(lines);
  const counts = await writeTrainingRows(path, { out, ...(task && { task }) });
  const rows = readFileSync(out, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return { counts, rows };
}

const texts = [
  { text: 'good', answer: ' yes\n', expected: 'no' },
  { text: 'bad', text2: 'worse', answer: 'no' },
  { text: 'filtered', answer: null },
  { text: 'blank', answer: ' ' },
  { text: 'cut', answer: 'ye', truncated: true },
  { text: 'good', answer: ' yes\n' },
];

test('answers to texts become labels; lines that cannot be learned are left out and counted', async () => {
  expect(await make(texts)).toEqual({
    counts: { task: 'classification', rows: 2, labels: { yes: 1, no: 1 }, leftOut: { unanswered: 2, truncated: 1, repeated: 1 } },
    rows: [
      { text: 'good', label: 'yes' },
      { text: 'bad', text2: 'worse', label: 'no' },
    ],
  });
});

test('lists of labels become labels of their rows, none too', async () => {
  const lines = [
    { text: 'a', answer: ' ["late", "bill"]' },
    { text: 'b', answer: '[]' },
    { text: 'c', text2: 'd', answer: '["late", "late"]' },
    { text: 'e', answer: null },
  ];
  const expected = {
    counts: { task: 'multi-label', rows: 3, labels: { late: 2, bill: 1 }, leftOut: { unanswered: 1, truncated: 0, repeated: 0 } },
    rows: [
      { text: 'a', labels: ['late', 'bill'] },
      { text: 'b', labels: [] },
      { text: 'c', text2: 'd', labels: ['late', 'late'] },
    ],
  };
  expect(await make(lines)).toEqual(expected);
  expect(await make(lines, 'multi-label')).toEqual(expected);
  expect((await make(lines, 'classification')).rows[1]).toEqual({ text: 'b', label: '[]' });
});

test('answers become numbers with --task regression', async () => {
  const { counts, rows } = await make([{ text: 'a', answer: ' 3.50' }, { text: 'b', answer: '-2e1' }], 'regression'); // prettier-ignore
  expect(counts).toMatchObject({ task: 'regression', rows: 2, labels: {} });
  expect(rows).toEqual([{ text: 'a', label: 3.5 }, { text: 'b', label: -20 }]); // prettier-ignore
});

test.each([
  ['regression', 'many', 'expected a number as the answer for the task "regression", found "many"'],
  ['multi-label', 'late', 'expected a JSON list of labels as the answer for the task "multi-label", found "late"'],
  ['multi-label', '[1]', 'expected a JSON list of labels'],
] as const)('--task %s: %s is refused', async (task, answer, message) => {
  const { path, out } = write([
    { text: 'a', answer: task === 'regression' ? '1' : '[]' },
    { text: 'b', answer },
  ]);
  await expect(writeTrainingRows(path, { out, task })).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining(`${path}:2: ${message}`) as string,
  });
  expect(existsSync(out)).toBe(false);
});

test('answers to texts become conversations with --task chat, word for word', async () => {
  const { counts, rows } = await make(texts, 'chat');
  expect(counts).toMatchObject({ task: 'chat', rows: 2, labels: {} });
  expect(rows).toEqual([
    {
      messages: [
        { role: 'user', content: 'good' },
        { role: 'assistant', content: ' yes\n' },
      ],
    },
    {
      messages: [
        { role: 'user', content: 'bad\n\nworse' },
        { role: 'assistant', content: 'no' },
      ],
    },
  ]);
});

test('answers end their conversations; calls of tools are calls again', async () => {
  const asked = [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'hi' },
  ];
  const tools = [{ type: 'function', function: { name: 'greet' } }];
  const calls = [{ id: 'call_1', type: 'function', function: { name: 'greet', arguments: '{}' } }];
  const again = [...asked, { role: 'user', content: 'again' }];
  const { counts, rows } = await make([
    { messages: asked, answer: 'hello' },
    { messages: asked, tools, answer: JSON.stringify(calls) },
    { messages: again, answer: JSON.stringify(calls) },
  ]);
  expect(counts).toMatchObject({ task: 'chat', rows: 3 });
  expect(rows).toEqual([
    { messages: [...asked, { role: 'assistant', content: 'hello' }] },
    { messages: [...asked, { role: 'assistant', tool_calls: calls }], tools },
    { messages: [...again, { role: 'assistant', content: JSON.stringify(calls) }] },
  ]);
});

test.each([
  [
    'a conversation among texts',
    [texts[0]!, { messages: [{ role: 'user', content: 'hi' }], answer: 'x' }],
    /:2: expected a text for the task/,
  ],
  ['two answers to one input', [texts[0]!, { text: 'good', answer: 'no' }], /:2: expected the answer " yes\\n" of line 1/],
  ['nothing to learn', texts.slice(2, 5), /: expected answers to train on, found 2 lines without one and 1 whose answer was cut short$/],
])('refused, and nothing is written: %s', async (_, lines, message) => {
  const { path, out } = write(lines);
  const refusal = { code: 'data-invalid', message: expect.stringMatching(message) as string };
  await expect(writeTrainingRows(path, { out })).rejects.toMatchObject(refusal);
  expect(existsSync(out)).toBe(false);
});

test('an existing file is not overwritten', async () => {
  const { path } = write(texts);
  const before = readFileSync(path);
  await expect(writeTrainingRows(path, { out: path })).rejects.toMatchObject({ code: 'usage' });
  expect(readFileSync(path)).toEqual(before);
});
