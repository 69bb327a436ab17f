import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { ChatRow, PreferenceRow, Row } from '../../src/dataset/row.ts';
import { hashText } from '../../src/dataset/split.ts';
import type { Bringer } from '../../src/run/bring-data.ts';
import { inspectJobData } from '../../src/run/plan.ts';
import { readPart } from '../../src/run/run-data.ts';
import { JobSpec } from '../../src/job/job-spec.ts';
import { createDataFolder } from '../dataset/data-folder.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';

/** Brings nothing from elsewhere. */
const here: Bringer = {
  context: {
    signal: new AbortController().signal,
    now: () => new Date(0),
    wait: async () => await Promise.resolve(),
    setting: () => null,
    credential: () => null,
  },
};

function toSpec(task: string, change: object = {}): RunSpec {
  const folder = task === 'classification' ? 'sentiment' : task;
  const job = {
    version: 1,
    name: 'job',
    task,
    data: { train: `./${folder}/train.jsonl`, validation: { fraction: 0.25 }, test: `./${folder}/test.jsonl` },
    targets: { hosted: { model: 'model' } },
  };
  return resolveTarget(JobSpec.parse({ ...job, ...change }), 'hosted', resolve('fixtures'));
}

test.each([
  ['classification', null],
  ['chat', ['messages']],
  ['preference', ['prompt', 'chosen', 'rejected']],
])('the parts of a run of the task %s are its rows, each once', async (task, fields) => {
  const spec = toSpec(task);
  const facts = await inspectJobData(spec, here);
  const read = (part: 'train' | 'validation' | { test: string }): Promise<Row[]> =>
    Array.fromAsync(readPart('/none', { facts, spec }, part));
  const [train, validation, held] = [await read('train'), await read('validation'), await read({ test: 'test' })];
  expect([train.length, validation.length, held.length]).toEqual([facts.train.rows, facts.validation!.rows, facts.test['test']!.rows]);
  const written = readFileSync(spec.data.train[0]!, 'utf8').trim().split('\n');
  const lines = [...train, ...validation].map((row) => (row as Row & { line: number }).line);
  expect(lines.sort((a, b) => a - b)).toEqual(written.map((_, i) => i + 1));
  for (const row of [...train, ...validation, ...held])
    expect(Object.keys(row)).toEqual(expect.arrayContaining(fields ?? ['text', 'label']));
});

test.each(['classification', 'chat'])('of the task %s a share of the training rows is held out, each row on one side', async (task) => {
  const { data } = toSpec(task);
  const own = `./${task === 'classification' ? 'sentiment' : task}/train.jsonl`;
  const spec = toSpec(task, { data: { train: own, validation: { fraction: 0.25 }, test: { fraction: 0.2 } } });
  const facts = await inspectJobData(spec, here);
  const parts = await Promise.all(
    (['train', 'validation', { test: 'test' }] as const).map((part) => Array.fromAsync(readPart('/none', { facts, spec }, part))),
  );
  expect(parts.map((rows) => rows.length)).toEqual([facts.train.rows, facts.validation!.rows, facts.test['test']!.rows]);
  const lines = parts.flat().map((row) => (row as Row & { line: number }).line);
  expect(lines.sort((a, b) => a - b)).toEqual(
    readFileSync(data.train[0]!, 'utf8')
      .trim()
      .split('\n')
      .map((_, i) => i + 1),
  );
  const [trained, , held] = parts.map((rows) => new Set(rows.map((row) => hashText(row).toString('hex'))));
  expect([...held!].filter((text) => trained!.has(text))).toEqual([]);
  expect(facts.test['test']!.rows / lines.length).toBeCloseTo(0.2, 1);
});

test.each(['train', 'validation', 'test'])('a dataset of the Hub as data.%s is read from where it was brought', async (part) => {
  const data = { train: './sentiment/train.jsonl', validation: './sentiment/train.jsonl', [part]: 'hub:owner/rows@main#a/b' };
  const spec = toSpec('classification', { data });
  const path = resolve('fixtures/sentiment/train.jsonl');
  const origin = 'hub:owner/rows@0123:b.jsonl';
  const asked: string[] = [];
  const facts = await inspectJobData(spec, {
    ...here,
    bringData: async (source) => {
      asked.push(source);
      return await Promise.resolve({ files: [{ path, origin }], warning: 'the Hub does not answer' });
    },
  });
  expect(asked).toEqual(['hub:owner/rows@main#a/b']);
  const found = part === 'train' ? facts.train : part === 'validation' ? facts.validation! : facts.test['test']!;
  expect(found.sources).toEqual([expect.objectContaining({ path, origin })]);
  expect(facts.warnings[0]).toEqual({
    type: 'reading',
    part: part === 'test' ? 'test/test' : part,
    code: 'hub-cached',
    message: 'the Hub does not answer',
  });
  await expect(inspectJobData(spec, here)).rejects.toMatchObject({ code: 'job-file-invalid' });
});

test('rows without a system message and rows that call tools are complete', async () => {
  const spec = toSpec('chat');
  const facts = await inspectJobData({ ...spec, data: { ...spec.data, validation: null } }, here);
  const rows = (await Array.fromAsync(
    readPart('/none', { facts, spec: { ...spec, data: { ...spec.data, validation: null } } }, 'train'),
  )) as ChatRow[];
  const written = readFileSync(spec.data.train[0]!, 'utf8').trim().split('\n');
  expect(rows.map(({ messages, tools }) => ({ messages, tools }))).toEqual(
    written.map((line) => JSON.parse(line) as ChatRow).map(({ messages, tools }) => ({ messages, tools })),
  );
  expect(rows.filter(({ messages }) => messages[0]!.role === 'user').length).toBeGreaterThan(2);
  expect(rows.filter(({ tools }) => tools !== undefined).length).toBeGreaterThan(1);
});

test('each way of writing preferences gives the same shape', async () => {
  const spec = toSpec('preference');
  const rows = (await Array.fromAsync(readPart('/none', { facts: await inspectJobData(spec, here), spec }, 'train'))) as PreferenceRow[];
  for (const { prompt, chosen, rejected } of rows) {
    expect([prompt.at(-1)!.role, chosen.map(({ role }) => role), rejected.map(({ role }) => role)]).toEqual([
      'user',
      ['assistant'],
      ['assistant'],
    ]);
  }
});

test.each([
  [
    'text',
    {},
    'task: expected "classification", "multi-label", "regression", "chat" or "preference", which this version can train, found "text"',
  ],
  [
    'classification',
    { evaluation: { measure: 'exact_match' } },
    'evaluation.measure: expected accuracy for the task "classification", found "exact_match"',
  ],
  [
    'chat',
    { evaluation: { measure: 'accuracy' } },
    'evaluation.measure: expected exact_match or field_f1 or valid_json for the task "chat", found "accuracy"',
  ],
  ['preference', { evaluation: { measure: 'accuracy' } }, 'evaluation.measure: expected none for the task "preference", found "accuracy"'],
  [
    'chat',
    { data: { train: './chat/train.jsonl', columns: { text: 'messages' } } },
    'data.columns: expected only messages for the task "chat", found "text"',
  ],
  [
    'classification',
    { data: { train: './sentiment/train.jsonl', columns: { labels: ['good', 'bad'] } } },
    'data.columns: expected only text, text2, label for the task "classification", found "labels"',
  ],
  ['chat', { prompt: { system: 'Be kind.' } }, 'prompt: expected none for the task "chat", whose rows are messages already'],
  ['classification', { prompt: { template: 'Read: {txt}' } }, 'prompt.template: expected {text}, found {txt}'],
])('a job of the task %s with %j is refused', async (task, change, message) => {
  await expect(inspectJobData(toSpec(task, change), here)).rejects.toMatchObject({ code: 'job-file-invalid', message });
});

test('a template of two texts goes with data of two texts', async () => {
  const data = { train: './sentiment/train.jsonl', columns: { text2: 'source' } };
  const spec = toSpec('classification', { data, prompt: { template: '{text}\n{text2}' } });
  expect((await inspectJobData(spec, here)).columns).toEqual({ text: 'text', text2: 'source', label: 'label' });
});

test('quotes of tables are read as the job says, wherever its rows are read', async () => {
  const path = createDataFolder()('a.csv', 'text,label\n"so" he said,a\nthe 5" screen,b\n"q",a\nr,b\n');
  const data = { train: path, test: { of: path }, quote: 'none' };
  const spec = toSpec('classification', { data });
  const facts = await inspectJobData(spec, here);
  for (const part of ['train', { test: 'of' }] as const) {
    const rows = await Array.fromAsync(readPart('/none', { facts, spec }, part));
    expect(rows.map((row) => 'text' in row && row.text)).toEqual(['"so" he said', 'the 5" screen', '"q"', 'r']);
  }
  const without = toSpec('classification', { data: { train: path } });
  await expect(inspectJobData(without, here)).rejects.toMatchObject({ finding: 'table-invalid' });
});
