import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { sampleTable } from '../../src/prepare/guess-columns.ts';
import { draftJob, formatNewJob, toJobName } from '../../src/prepare/new-job.ts';
import { createDataFolder } from '../dataset/data-folder.ts';

const rows = (count: number, toRow: (i: number) => string): string => Array.from({ length: count }, (_, i) => `${toRow(i)}\n`).join('');
const long = (i: number): string => `The parcel number ${i} came late and I want to know why.`;

test.each<[name: string, table: string, expected: object]>([
  [
    'texts by their length, labels by their name; numbers and days of rows are neither',
    `id,created_at,priority,team,body\n${rows(60, (i) => `${i},2026-01-0${1 + (i % 9)},${i % 2},${['billing', 'shipping', 'returns'][i % 3]},${long(i)}`)}`,
    {
      task: 'classification',
      columns: { text: 'body', label: 'team' },
      otherLabels: ['priority'],
      labels: ['billing', 'returns', 'shipping'],
    },
  ],
  [
    'labels by their few values, whatever their name is',
    `ticket_text;queue\n${rows(60, (i) => `${long(i)};q${i % 4}`)}`,
    { task: 'classification', columns: { text: 'ticket_text', label: 'queue' } },
  ],
  [
    'the usual names as the file writes them',
    `Text,LABEL\n${rows(20, (i) => `${long(i)},${i % 2}`)}`,
    { columns: { text: 'Text', label: 'LABEL' } },
  ],
  [
    'pairs by their names, and numbers with digits after the point as a regression',
    `sentence1,sentence2,score\n${rows(30, (i) => `A man plays ${i}.,Somebody plays ${i}.,${i / 7}`)}`,
    { task: 'regression', columns: { text: 'sentence1', text2: 'sentence2', label: 'score' }, labels: [] },
  ],
  [
    'columns that are swapped',
    `text,label\n${rows(40, (i) => `${i % 2 === 0 ? 'good' : 'bad'},${long(i)}`)}`,
    { columns: { text: 'label', label: 'text' }, labels: ['bad', 'good'] },
  ],
])('%s', async (_, table, expected) => {
  const path = createDataFolder()('tickets.csv', table);
  expect(await draftJob({ path, columns: {} })).toMatchObject(expected);
});

test('what the user names counts', async () => {
  const path = createDataFolder()('t.csv', `a,b,c\n${rows(40, (i) => `${long(i)},${i % 2},${i % 3}`)}`);
  const draft = await draftJob({ path, columns: { label: 'c' } });
  expect(draft).toMatchObject({ columns: { text: 'a', label: 'c' }, reasons: { label: 'named by --columns' }, labels: ['0', '1', '2'] });
});

test.each([
  [
    'questions and answers are no labels',
    `question,answer\n${rows(20, (i) => `How do I do ${i}?,Press the button ${i}.`)}`,
    '--to chat --columns text=question,label=answer',
  ],
  ['a table without a header', rows(20, (i) => `${long(i)},${i % 2 === 0 ? 'yes' : 'no'}`), 'Write the line text,label before the rows'],
  ['no column of labels', `id,body\n${rows(20, (i) => `${i},${long(i)}`)}`, '--columns text=NAME,label=NAME'],
])('%s: refused with what to do', async (_, table, hint) => {
  const path = createDataFolder()('t.csv', table);
  const failure = await draftJob({ path, columns: {} }).catch((error: unknown) => error);
  expect(isFailure(failure, 'data-invalid') && failure.hint).toContain(hint);
});

const chat = JSON.stringify({
  messages: [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
  ],
});
const pair = JSON.stringify({ prompt: 'a', chosen: 'b', rejected: 'c' });
const files = { source: 't', name: 'tickets', train: './t.csv', test: null, validation: null, model: null };

test.each<[name: string, content: string, file: string, given: Partial<typeof files> | { test: string; model: string }, target: object]>([
  ['a table', `body,team\n${rows(20, (i) => `${long(i)},t${i % 2}`)}`, 't.csv', {}, { local: { provider: 'local' } }],
  [
    'a table with files of its own',
    `body,team\n${rows(20, (i) => `${long(i)},t${i % 2}`)}`,
    't.csv',
    { test: './t.test.csv', model: 'gpt-4.1' },
    { openai: { model: 'gpt-4.1' } },
  ],
  ['chats', `${chat}\n`, 't.jsonl', {}, { openai: { provider: 'openai' } }],
  ['preference', `${pair}\n`, 't.jsonl', {}, { openai: { provider: 'openai' } }],
  [
    'names that a terminal and a comment must not take as they are',
    `"bo\u2028dy\u202e","te""am // */"\n${rows(20, (i) => `${long(i)},t${i % 2}`)}`,
    't.csv',
    {},
    { local: {} },
  ],
])('the job file of %s can be read, also with its comments as they are', async (_, content, file, given, target) => {
  const path = createDataFolder()(file, content);
  const draft = await draftJob({ path, columns: {} });
  const text = formatNewJob(draft, { ...files, ...given });
  const job = join(dirname(path), 'job.jsonc');
  writeFileSync(job, text);
  const { spec } = await readJobFile(job);
  expect(spec).toMatchObject({ name: 'tickets', task: draft.task, targets: target });
  expect(spec.data.columns ?? {}).toEqual(draft.columns);
  expect(text).not.toMatch(/[\u2028\u202e]/);
  // Each line of other targets can be taken in by removing its comment marks.
  writeFileSync(job, text.replaceAll(/^(\s+)\/\/ (, "|"validation)/gm, '$1$2'));
  const more = await readJobFile(job);
  expect(Object.keys(more.spec.targets).length).toBeGreaterThan(1);
  expect(more.spec.data.validation).toEqual(text.includes('// "validation"') ? { fraction: 0.1 } : undefined);
});

test.each([
  ['Support Tickets (2026).csv.gz', 'support-tickets-2026'],
  ['Übung.jsonl', 'ubung'],
  ['日本.csv', 'job'],
  [`${'a'.repeat(40)}.csv`, 'a'.repeat(32)],
])('the job of %s is called %s', (file, name) => {
  expect(toJobName(file)).toBe(name);
});

test.each([
  ['lists', 't.jsonl', '{"text":"a","labels":["x","y"]}\n{"text":"b","labels":[]}\n', 'multi-label', ['x', 'y']],
  ['a sign between labels', 't.csv', 'Text,labels\na,x|y\nb,\n', 'multi-label', ['x', 'y']],
  ['one label in each row', 't.csv', 'text,labels\na,x\nb,y\n', 'classification', ['x', 'y']],
  ['numbers', 't.jsonl', '{"text":"a","labels":3}\n{"text":"b","labels":1}\n', 'classification', ['1', '3']],
])('a column of labels that holds %s', async (_, file, content, task, labels) => {
  const path = createDataFolder()(file, content);
  const draft = await draftJob({ path, columns: {} });
  expect(draft).toMatchObject({ task, labels });
  const ours = task === 'classification' ? 'label' : 'labels';
  expect(draft.columns).toEqual({ text: file === 't.csv' && content.startsWith('T') ? 'Text' : 'text', [ours]: 'labels' });
  expect(Object.keys(draft.reasons)).toEqual(['text', ours]);
  expect(formatNewJob(draft, files)).toContain(task === 'multi-label' ? 'of each combination of labels' : 'of each label is held out');
});

test('a table whose quotes are text: the job file says so', async () => {
  const path = createDataFolder()('t.csv', `text,label\n"so" he said,a\n${rows(20, (i) => `${long(i)} 5",t${i % 2}`)}`);
  await expect(draftJob({ path, columns: {} })).rejects.toThrow('text after the closing quote');
  const draft = await draftJob({ path, columns: {}, quote: 'none' });
  writeFileSync(join(dirname(path), 'job.jsonc'), formatNewJob(draft, { ...files, quote: 'none' }));
  expect((await readJobFile(join(dirname(path), 'job.jsonc'))).spec.data.quote).toBe('none');
});

test('a guess looks at the first rows only', async () => {
  const path = createDataFolder()('t.csv', `body,team\n${rows(20_000, (i) => `${long(i)},t${i % 2}`)}`);
  expect((await sampleTable(path)).rows).toBeLessThan(10_000);
});
