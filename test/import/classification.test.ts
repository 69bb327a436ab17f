import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { summarizeRows, type RowsSummary } from '../../src/import/classification.ts';
import { createScratchFolder } from '../scratch.ts';
import { toChatText, toPreferenceText } from './service-jobs.ts';

async function look(text: string): Promise<RowsSummary | null> {
  const path = join(createScratchFolder(), 'train.jsonl');
  writeFileSync(path, text);
  return await summarizeRows(path);
}

const chat = { task: 'chat', classes: null };

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
  ['two system messages', abab.replace('Answer.', 'Say it.'), chat],
  ['tools', abab.replace('{"messages"', '{"tools":[],"messages"'), chat],
  ['an answer that is not learned', abab.replace('"role":"assistant"', '"weight":0,"role":"assistant"'), chat],
  ['a line separator in a question', abab.replace('question 1', 'question\u20281'), toClasses('a', 'b')],
  ['labels with Windows line ends and a mark', `\uFEFF${abab.replaceAll('\n', '\r\n')}`, toClasses('a', 'b')],
  ['as many answers as half the rows', toChatText(8, (i) => `label ${i % 4}`), toClasses(...[0, 1, 2, 3].map((i) => `label ${i}`))],
  ['more answers than half the rows', toChatText(8, (i) => `label ${i % 5}`), chat],
  ['one answer', toChatText(8, () => 'yes'), chat],
  ['50 answers', toChatText(200, (i) => `label ${i % 50}`), { task: 'chat', classes: expect.any(Object) as unknown }],
  ['51 answers', toChatText(200, (i) => `label ${i % 51}`), chat],
  ['a long answer', toChatText(8, (i) => (i === 7 ? 'x'.repeat(61) : 'yes')), chat],
  ['an answer over two lines', toChatText(8, (i) => (i % 2 === 0 ? 'a\nb' : 'yes')), chat],
  [
    'two turns',
    `${toChatText(8, (i) => ['b', 'a'][i % 2]!)}{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"a"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n`,
    chat,
  ],
  ['nothing', '\n\n', null],
  ['something else', '{"text":"a"}\n', null],
  ['no JSON', 'text\n', null],
])('rows with %s', async (_, text, expected) => {
  expect(await look(text)).toEqual(expected);
});
