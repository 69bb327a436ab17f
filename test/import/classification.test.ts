import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPromptMessages } from '../../src/dataset/chat.ts';
import { buildClassification, readClassificationRows, summarizeRows, type RowsSummary } from '../../src/import/classification.ts';
import { buildJobSpec, type ImportedJob } from '../../src/import/imported-job.ts';
import { createScratchFolder } from '../scratch.ts';
import { toChatText, toPreferenceText } from './service-jobs.ts';

async function summarize(text: string): Promise<RowsSummary | null> {
  const path = join(createScratchFolder(), 'train.jsonl');
  writeFileSync(path, text);
  return await summarizeRows(path);
}

const noClasses = { task: 'chat', classes: null };

function toClasses(...labels: readonly string[]): RowsSummary {
  return { task: 'chat', classes: { labels, system: 'Answer.' } };
}

const abab = toChatText(9, (i) => ['b', 'a'][i % 2]!);

test.each([
  ['pairs', toPreferenceText(3), { task: 'preference', classes: null }],
  ['labels', abab, toClasses('a', 'b')],
  ['labels with white space around them', toChatText(9, (i) => [' b', 'b\n', 'a '][i % 3]!), toClasses('a', 'b')],
  [
    'labels without a system message',
    abab.replaceAll(/\{"role":"system".*?\},/g, ''),
    { task: 'chat', classes: { labels: ['a', 'b'], system: null } },
  ],
  ['two system messages', abab.replace('Answer.', 'Say it.'), noClasses],
  ['tools', abab.replace('{"messages"', '{"tools":[],"messages"'), noClasses],
  ['an answer that is not learned', abab.replace('"role":"assistant"', '"weight":0,"role":"assistant"'), noClasses],
  ['a line separator in a question', abab.replace('question 1', 'question\u20281'), toClasses('a', 'b')],
  ['labels with Windows line ends and a mark', `\uFEFF${abab.replaceAll('\n', '\r\n')}`, toClasses('a', 'b')],
  ['as many answers as half the rows', toChatText(8, (i) => `label ${i % 4}`), toClasses(...[0, 1, 2, 3].map((i) => `label ${i}`))],
  ['more answers than half the rows', toChatText(8, (i) => `label ${i % 5}`), noClasses],
  ['one answer', toChatText(8, () => 'yes'), noClasses],
  ['50 answers', toChatText(200, (i) => `label ${i % 50}`), { task: 'chat', classes: expect.any(Object) as unknown }],
  ['51 answers', toChatText(200, (i) => `label ${i % 51}`), noClasses],
  ['a long answer', toChatText(8, (i) => (i === 7 ? 'x'.repeat(61) : 'yes')), noClasses],
  ['an answer over two lines', toChatText(8, (i) => (i % 2 === 0 ? 'a\nb' : 'yes')), noClasses],
  [
    'two turns',
    `${toChatText(8, (i) => ['b', 'a'][i % 2]!)}{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"a"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n`,
    noClasses,
  ],
  ['nothing', '\n\n', null],
  ['something else', '{"text":"a"}\n', null],
  ['no JSON', 'text\n', null],
])('rows with %s', async (_, text, expected) => {
  expect(await summarize(text)).toEqual(expected);
});

const chat: ImportedJob = {
  source: 'the job ftjob-1 of openai',
  name: 'mine',
  task: 'chat',
  data: { train: './train.jsonl' },
  training: { method: 'sft', epochs: 3, learningRate: { multiplier: 2 } },
  target: { name: 'openai', provider: 'openai', model: 'gpt-4.1-mini-2025-04-14' },
  notes: [],
};
const labels = ['no', 'yes'];

test('the settings of the large model are noted, and not taken over', () => {
  const job = buildClassification(chat, { labels, system: null }, false);
  expect(buildJobSpec(job)).toEqual({
    version: 1,
    name: 'mine-classifier',
    task: 'classification',
    data: { train: './train.classification.jsonl' },
    evaluation: { generation: { temperature: 0, maxTokens: 16 } },
    targets: { local: { provider: 'local', model: './model' } },
  });
  expect(job.notes).toContainEqual(expect.objectContaining({ path: 'training', kind: 'unmatched', value: chat.training }));
});

test.each([
  ['', ''],
  ['Is it good?', 'Is it good?'],
  ['Classify the text.', undefined],
])('the system message %j that this program made of a prompt is that prompt again', (system, prompt) => {
  const [made] = buildPromptMessages({ text: 'a' }, { system }, labels);
  const job = buildClassification(chat, { labels, system: String(made!.content) }, false);
  expect(job.prompt?.system).toBe(prompt);
  expect(buildPromptMessages({ text: 'a' }, job.prompt, labels)[0]).toEqual(made);
});

test('an answer has room for the longest label, whatever its letters', () => {
  const job = buildClassification(chat, { labels: ['no', '\u9078'.repeat(20)], system: null }, false);
  expect(job.evaluation?.generation?.maxTokens).toBe(60);
});

test('any other system message stays whole', () => {
  expect(buildClassification(chat, { labels, system: 'Say yes or no. ' }, false).prompt).toEqual({ system: 'Say yes or no. ' });
});

test.each([
  ['mine', 'mine-classifier'],
  ['a'.repeat(32), `${'a'.repeat(21)}-classifier`],
  [`${'a'.repeat(20)}-bbb`, `${'a'.repeat(20)}-classifier`],
])('the classification of %s is called %s', (name, expected) => {
  expect(buildClassification({ ...chat, name }, { labels, system: null }, false).name).toBe(expected);
});

test('rows keep their order and their text; one that is another question is refused with its line', async () => {
  const path = join(createScratchFolder(), 'train.jsonl');
  const read = async (classes: { labels: readonly string[]; system: string | null }): Promise<string> =>
    Buffer.concat(await Array.fromAsync(readClassificationRows(path, classes))).toString();
  writeFileSync(path, toChatText(4, (i) => [' yes', 'no\n'][i % 2]!).replace('question 1', 'question\\u20281 \\"'));
  const classes = (await summarizeRows(path))!.classes!;
  expect(await read(classes)).toBe(
    '{"text":"question 0","label":"yes"}\n{"text":"question\u20281 \\"","label":"no"}\n{"text":"question 2","label":"yes"}\n{"text":"question 3","label":"no"}\n',
  );
  await expect(read({ ...classes, labels: ['yes'] })).rejects.toThrow('train.jsonl:2: expected a question as in the training rows');
  await expect(read({ ...classes, system: null })).rejects.toThrow('train.jsonl:1: ');
});
