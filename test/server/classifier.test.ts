/** Classifiers answer a chat as the chat model did that they replace: with the label alone. */
import type { ChatPrompt } from '../../src/dataset/chat.ts';
import { buildPromptMessages, readQuestion } from '../../src/dataset/chat.ts';
import { expect, test } from 'vitest';
import { createModel, end, start } from './fixture.ts';

const log = { yes: -0.1, no: -2.4 };

/** Says `yes`, and keeps what it was asked. */
function createYes(gives: 'label' | 'labels' | 'number' = 'label', truncated = false) {
  const inputs: unknown[] = [];
  const model = createModel(async function* ({ input, alternatives }) {
    inputs.push(input);
    const known = Object.entries(log).map(([text, logProbability]) => ({ text, logProbability }));
    const probabilities = alternatives === null ? [] : known.slice(0, alternatives);
    const logProbability = alternatives === null ? null : log.yes;
    yield await Promise.resolve({ type: 'text', text: 'yes', logProbability, alternatives: probabilities });
    yield { ...end, truncated };
  }, gives);
  return { model, inputs };
}

const ask = (content: string, more: object = {}) => ({
  model: 'ft:old',
  messages: [
    { role: 'system' as const, content: 'Classify.' },
    { role: 'user' as const, content: 'an example' },
    { role: 'assistant' as const, content: 'no' },
    { role: 'user' as const, content },
  ],
  ...more,
});

test('the label is the answer to what the user has said last', async () => {
  const { model, inputs } = createYes();
  const { client } = await start(model);
  // Its answer is one label, whatever a program asks for that once read tokens.
  const { choices } = await client.chat.completions.create(ask('a text', { max_tokens: 1000, temperature: 0, stop: ['y'] }));
  expect(choices[0]).toMatchObject({ message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop', logprobs: null });
  const chunks = await Array.fromAsync(await client.chat.completions.create({ ...ask('a text'), stream: true }));
  expect(chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('')).toBe('yes');
  expect(inputs).toEqual([{ text: 'a text' }, { text: 'a text' }]);
});

test('the labels have their probabilities where they are asked for', async () => {
  const { client } = await start(createYes().model);
  const { choices } = await client.chat.completions.create(ask('a text', { logprobs: true, top_logprobs: 5 }));
  expect(choices[0]!.logprobs!.content).toMatchObject([
    {
      token: 'yes',
      logprob: log.yes,
      top_logprobs: [
        { token: 'yes', logprob: log.yes },
        { token: 'no', logprob: log.no },
      ],
    },
  ]);
});

test('a text is a prompt, too', async () => {
  const { model, inputs } = createYes();
  const { client } = await start(model);
  expect((await client.completions.create({ model: 'ft:old', prompt: 'a text' })).choices[0]!.text).toBe('yes');
  expect(inputs).toEqual([{ text: 'a text' }]);
});

test('what the job put around a text is taken off again', async () => {
  const { model, inputs } = createYes();
  const { client } = await start(model, { question: { prompt: { template: 'Mail: {text}\nTeam?' }, isPair: false } });
  await client.chat.completions.create(ask('Mail: the bill\nis wrong\nTeam?'));
  await client.chat.completions.create(ask('the bill is wrong'));
  expect(inputs).toEqual([{ text: 'the bill\nis wrong' }, { text: 'the bill is wrong' }]);
});

test.each<[ChatPrompt | null, { text: string; text2?: string }]>([
  [null, { text: 'a {text} (of $& [it])' }],
  [null, { text: 'first', text2: 'second\n\nthird' }],
  [{ template: '{text2} [{text}]. ' }, { text: 'a\nb', text2: 'c' }],
  [{ template: 'a.*{text}|{text}' }, { text: 'xy' }],
  [{ template: '{text}' }, { text: '' }],
])('a question with the prompt %j gives its texts back', (prompt, row) => {
  const question = buildPromptMessages(row, prompt, ['yes', 'no']).at(-1)!;
  expect(readQuestion(question.content as string, { prompt, isPair: 'text2' in row })).toEqual(row);
});

test('a text of which the model reads the beginning alone is answered, and a header says so', async () => {
  const { client } = await start(createYes('label', true).model);
  const { response } = await client.chat.completions.create(ask('long')).withResponse();
  expect(response.headers.get('x-truncated')).toBe('true');
  const { response: whole } = await (await start(createYes().model)).client.chat.completions.create(ask('short')).withResponse();
  expect(whole.headers.get('x-truncated')).toBeNull();
});

test.each([
  ['JSON', 'label', { response_format: { type: 'json_object' } }, 'response_format'],
  ['a schema', 'labels', { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: {} } } }, 'response_format'],
  ['the probability of a number', 'number', { logprobs: true }, 'logprobs'],
  ['nothing of the user', 'label', { messages: [{ role: 'system', content: 'a' }] }, 'messages'],
] as const)('%s is refused with 400', async (_what, gives, more, param) => {
  const { model, inputs } = createYes(gives);
  const { client } = await start(model);
  await expect(client.chat.completions.create(ask('a', more))).rejects.toMatchObject({ status: 400, param });
  expect(inputs).toEqual([]);
});
