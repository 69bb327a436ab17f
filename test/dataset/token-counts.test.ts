import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { local } from '../../providers/local/index.ts';
import { openai } from '../../providers/openai/index.ts';
import { checkDataset } from '../../src/dataset/check.ts';
import { findLearned } from '../../src/dataset/chat-mask.ts';
import type { ChatMessage } from '../../src/dataset/row.ts';
import type { RowTokenizer } from '../../src/dataset/token-counts.ts';
import type { Context } from '../../src/provider/context.ts';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../scratch.ts';

const llama = 'fixtures/models/tiny-llama';

/** Neither a folder nor a service asks for anything. */
const context = {} as Context;

/** tiny-llama with a chat template of its own, and room for so many tokens. */
async function makeTokenizer(template: string | null, limit: number): Promise<RowTokenizer> {
  const folder = join(createScratchFolder(), 'model');
  cpSync(llama, folder, { recursive: true });
  const config = { eos_token: { content: '</s>' }, model_max_length: limit };
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ ...config, ...(template !== null && { chat_template: template }) }),
  );
  return (await local.loadTokenizer!({ kind: 'folder', path: folder }, context))!;
}

const template =
  '{% for m in messages %}{{ m.role }} : {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant : {% endif %}';

/** Tokens of a text without that which every text begins with. */
function count(text: string): number {
  return readTokenizer(llama).locate(text).length;
}

const messages: readonly ChatMessage[] = [
  { role: 'user', content: 'is the food good' },
  { role: 'assistant', content: 'yes it is' },
  { role: 'user', content: 'and the service' },
  { role: 'assistant', content: 'it took an hour' },
];

test('a folder counts a conversation by its template, and what is learned of it by the mask', async () => {
  const tokenizer = await makeTokenizer(template, 512);
  const all = count('user : is the food good</s>assistant : yes it is</s>user : and the service</s>assistant : it took an hour</s>');
  const answers = [count('yes it is</s>'), count('it took an hour</s>')];
  const learned = answers[0]! + answers[1]!;
  expect(tokenizer.count({ messages }, { answers: 'all', labels: [] })).toEqual({ all, learned, learnedWithin: learned });
  expect(tokenizer.count({ messages }, { answers: 'last', labels: [] })).toMatchObject({ all, learned: answers[1] });
  expect(tokenizer.getNote('chat')).toBeNull();
});

test('a limit cuts the end, and answers are learned as far as they are left', async () => {
  const whole = await makeTokenizer(template, 512);
  const { all, learned } = whole.count({ messages }, { answers: 'all', labels: [] });
  const cut = await makeTokenizer(template, all - 2);
  expect(cut.count({ messages }, { answers: 'all', labels: [] })).toEqual({ all, learned, learnedWithin: learned! - 2 });
  const none = await makeTokenizer(template, 3);
  expect(none.count({ messages }, { answers: 'all', labels: [] })).toEqual({ all, learned, learnedWithin: 0 });
});

test('OpenAI models count messages by their tokenizer', async () => {
  const tokenizer = (await openai.loadTokenizer!({ kind: 'service', name: 'gpt-4.1-mini-2025-04-14' }, context))!;
  const { all, learned } = tokenizer.count({ messages }, { answers: 'all', labels: [] });
  // Four tokens a message with its role, three for the next answer; each word here is one.
  expect({ all, learned }).toEqual({ all: 4 * 4 + 3 + 4 + 3 + 3 + 4, learned: 3 + 4 });
  const weighed = messages.with(1, { ...messages[1]!, weight: 0 });
  expect(tokenizer.count({ messages: weighed }, { answers: 'all', labels: [] }).learned).toBe(4);
  const long = messages.with(0, { role: 'user', content: 'word '.repeat(70_000) });
  expect(tokenizer.count({ messages: long }, { answers: 'all', labels: [] }).learnedWithin).toBe(0);
  expect(await openai.loadTokenizer!({ kind: 'service', name: 'gpt-3.5-turbo' }, context)).toBeNull();
  expect(await openai.loadTokenizer!({ kind: 'folder', path: llama }, context)).toBeNull();
});

test('the report has tokens in all, learned and cut off, and names the rows without a learned token', async () => {
  const path = join(createScratchFolder(), 'train.jsonl');
  const rows = ['one', 'two words', 'word '.repeat(80)].map((content) => ({
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: 'fine' },
    ],
  }));
  const refused = { messages: [{ role: 'user', content: 'refuse me' }, rows[0]!.messages[1]] };
  writeFileSync(path, [...rows, refused].map((row) => `${JSON.stringify(row)}\n`).join(''));
  const strict = `${template}{% if messages[0].content == "refuse me" %}{{ raise_exception("not so") }}{% endif %}`;
  const tokenizer = await makeTokenizer(strict, 64);
  const longest = count(`user : ${'word '.repeat(80)}</s>assistant : fine</s>`);
  const report = await checkDataset({ train: [path], validation: null, test: {}, columns: {}, services: [], tokenizer });
  expect(report.parts[0]!.tokens).toMatchObject({
    longest,
    limit: 64,
    cutRows: 1,
    cutTokens: longest - 64,
    learned: 3 * count('fine</s>'),
  });
  expect(report.findings.filter(({ severity }) => severity === 'error').map(({ code, lines }) => [code, lines])).toEqual([
    ['tokens-none', [3]],
    ['chat-template', [4]],
  ]);
});

test('which messages are learned', () => {
  expect(findLearned(messages)).toEqual([1, 3]);
  expect(findLearned(messages, 'last')).toEqual([3]);
  expect(findLearned(messages.with(3, { ...messages[3]!, weight: 0 }), 'last')).toEqual([1]);
});
