import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPromptMessages } from '../../src/dataset/chat.ts';
import { buildJobSpec, type ImportedJob } from '../../src/import/imported-job.ts';
import { buildClassification, readClassificationRows, summarizeRows } from '../../src/import/classification.ts';
import { createScratchFolder } from '../scratch.ts';
import { toChatText } from './service-jobs.ts';

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

test('the settings of the large model are told, and not taken over', () => {
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
