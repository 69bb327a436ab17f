/** The official client of OpenAI, as it is, with a model that writes. */
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { createModel, openWriter, start } from './fixture.ts';

type Chat = OpenAI.ChatCompletionCreateParamsNonStreaming;

const say = (content: string): Pick<Chat, 'model' | 'messages'> => ({ model: 'chat/laptop', messages: [{ role: 'user', content }] });

async function startWriter(): ReturnType<typeof start> {
  return await start((await openWriter()).model);
}

/** A model that is not asked. */
async function startSilent(): ReturnType<typeof start> {
  return await start(createModel(() => expect.fail('the model was asked')));
}

test('a chat, whole', async () => {
  const { client } = await startWriter();
  expect(await client.chat.completions.create(say('count 3'))).toEqual({
    id: expect.stringMatching(/^chatcmpl-\w{32}$/) as string,
    object: 'chat.completion',
    created: 1795348800,
    model: 'chat/laptop',
    choices: [{ index: 0, message: { role: 'assistant', content: '0 1 2 ', refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 },
  });
});

test('a chat, as it comes', async () => {
  const { client } = await startWriter();
  const stream = await client.chat.completions.create({ ...say('count 3'), stream: true, stream_options: { include_usage: true } });
  const chunks = await Array.fromAsync(stream);
  expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
    { role: 'assistant', content: '' },
    { content: '0 ' },
    { content: '1 ' },
    { content: '2 ' },
    {},
    undefined,
  ]);
  expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([null, null, null, null, 'stop', undefined]);
  expect(chunks.map(({ usage }) => usage?.total_tokens)).toEqual([undefined, undefined, undefined, undefined, undefined, 7]);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
});

test('the client puts a stream together, with the helper that checks its order', async () => {
  const { client } = await startWriter();
  const runner = client.chat.completions.stream(say('count 2'));
  expect((await runner.finalChatCompletion()).choices[0]?.message.content).toBe('0 1 ');
});

test('probabilities of the tokens, whole and as they come', async () => {
  const { client } = await startWriter();
  const asked = { ...say('count 2'), logprobs: true, top_logprobs: 2 };
  const expected = ['0 ', '1 '].map((token) => ({
    token,
    logprob: -0.5,
    bytes: [...Buffer.from(token)],
    top_logprobs: [
      { token, logprob: -0.5, bytes: [...Buffer.from(token)] },
      { token: 'other', logprob: -1.5, bytes: [...Buffer.from('other')] },
    ],
  }));
  expect((await client.chat.completions.create(asked)).choices[0]!.logprobs?.content).toEqual(expected);
  const chunks = await Array.fromAsync(await client.chat.completions.create({ ...asked, stream: true }));
  expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toEqual(expected);
});

test('the longest answer is cut, and says so', async () => {
  const { client } = await startWriter();
  for (const most of [{ max_tokens: 2 }, { max_completion_tokens: 2 }]) {
    const { choices, usage } = await client.chat.completions.create({ ...say('count 5'), ...most });
    expect(choices[0]).toMatchObject({ message: { content: '0 1 ' }, finish_reason: 'length' });
    expect(usage?.completion_tokens).toBe(2);
  }
});

test('a text that goes on, whole and as it comes', async () => {
  const { client } = await startWriter();
  const asked = { model: 'ft:old', prompt: 'count 2', logprobs: 1 };
  expect(await client.completions.create(asked)).toMatchObject({
    object: 'text_completion',
    model: 'ft:old',
    choices: [
      {
        text: '0 1 ',
        finish_reason: 'stop',
        logprobs: {
          tokens: ['0 ', '1 '],
          token_logprobs: [-0.5, -0.5],
          top_logprobs: [{ '0 ': -0.5 }, { '1 ': -0.5 }],
          text_offset: [0, 2],
        },
      },
    ],
    usage: { prompt_tokens: 2, completion_tokens: 2 },
  });
  const chunks = await Array.fromAsync(await client.completions.create({ ...asked, stream: true }));
  expect(chunks.map(({ choices }) => choices[0]?.text)).toEqual(['0 ', '1 ', '']);
  expect(chunks.map(({ choices }) => choices[0]?.logprobs?.text_offset?.[0])).toEqual([0, 2, undefined]);
});

test('the models, of which one has a slash in its name', async () => {
  const { client } = await startWriter();
  expect((await Array.fromAsync(client.models.list())).map(({ id }) => id)).toEqual(['chat/laptop', 'ft:old']);
  expect(await client.models.retrieve('chat/laptop')).toMatchObject({ id: 'chat/laptop', object: 'model' });
  await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
});

test('the model gets the conversation as its template writes it, and all settings', async () => {
  const { client } = await startWriter();
  const messages: Chat['messages'] = [
    { role: 'developer', content: 'be brief' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'say ' },
        { type: 'text', text: 'prompt' },
      ],
    },
    { role: 'assistant', content: 'prompt' },
    { role: 'user', content: 'prompt' },
  ];
  const { choices } = await client.chat.completions.create({ model: 'ft:old', messages });
  expect(choices[0]!.message.content).toBe('system: be brief\nuser: say prompt\nassistant: prompt\nuser: prompt\nassistant:');

  const schema = { type: 'object', properties: { a: { type: 'string' } } };
  const old = { seed: 7, max_tokens: 9 }; // names that OpenAI means to give up, and that programs send
  const asked: Chat = {
    ...say('settings'),
    ...old,
    temperature: 0.3,
    top_p: 0.9,
    stop: ['END', ''],
    logprobs: true,
    top_logprobs: 3,
    response_format: { type: 'json_schema', json_schema: { name: 'a', strict: true, schema } },
  };
  const seen = JSON.parse((await client.chat.completions.create(asked)).choices[0]!.message.content!) as object;
  expect(seen).toMatchObject({
    text: 'user: settings\nassistant:',
    temperature: 0.3,
    topP: 0.9,
    topK: null,
    seed: 7,
    stop: ['END'],
    maxTokens: 9,
    logprobs: 3,
    schema,
  });
});

test('what a request does not say is what the service of OpenAI takes; each answer has a seed of its own', async () => {
  const { client } = await startWriter();
  const ask = async (more: object = {}): Promise<{ seed: number }> =>
    JSON.parse((await client.chat.completions.create({ ...say('settings'), ...more })).choices[0]!.message.content!) as { seed: number };
  const seen = await ask({
    user: 'me',
    store: false,
    metadata: { a: 'b' },
    n: 1,
    logit_bias: {},
    frequency_penalty: 0,
    tools: [],
    stop: null,
  });
  expect(seen).toMatchObject({ temperature: 1, topP: 1, topK: null, stop: [], maxTokens: 512 });
  expect(Object.keys(seen)).not.toContain('schema');
  expect(Object.keys(seen)).not.toContain('logprobs');
  expect((await ask()).seed).not.toBe((await ask()).seed);
});

test.each<[string, object, object]>([
  ['several answers', { n: 2 }, { param: 'n', code: 'unsupported_value' }],
  ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }, { param: 'tools' }],
  ['a bias', { logit_bias: { '5': 100 } }, { param: 'logit_bias' }],
  ['sound', { modalities: ['text', 'audio'], audio: { voice: 'a', format: 'wav' } }, { param: 'modalities' }],
  ['a penalty', { frequency_penalty: 0.5 }, { param: 'frequency_penalty' }],
  ['a field that nobody knows', { temprature: 0 }, { param: 'temprature', code: 'unknown_parameter' }],
  ['a wrong temperature', { temperature: 3 }, { param: 'temperature' }],
  ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }, { param: 'stop' }],
  ['more tokens than there is room', { max_tokens: 513 }, { param: 'max_tokens', code: 'context_length_exceeded' }],
  ['alternatives without probabilities', { top_logprobs: 2 }, { param: 'top_logprobs' }],
  [
    'a format without a schema',
    { response_format: { type: 'json_schema', json_schema: { name: 'a' } } },
    { param: 'response_format.json_schema.schema' },
  ],
  ['no messages', { messages: [] }, { param: 'messages' }],
  ['a picture', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }, { param: 'messages' }],
  ['a role that nobody knows', { messages: [{ role: 'robot', content: 'x' }] }, { param: 'messages' }],
])('%s: refused with 400', async (_what, more, expected) => {
  const { client, faults } = await startSilent();
  for (const stream of [false, true]) {
    const asked = { ...say('count 1'), ...more, stream } as Chat;
    await expect(client.chat.completions.create(asked)).rejects.toMatchObject({ status: 400, type: 'invalid_request_error', ...expected });
  }
  expect(faults).toEqual([]);
});

test.each([{ echo: true }, { suffix: 'x' }, { best_of: 2 }, { prompt: ['a', 'b'] }, { prompt: [1, 2] }])(
  'a completion with %j is refused with 400',
  async (more) => {
    const { client } = await startSilent();
    const asked = { model: 'ft:old', prompt: 'count 1', ...more } as OpenAI.CompletionCreateParamsNonStreaming;
    await expect(client.completions.create(asked)).rejects.toMatchObject({ status: 400, param: Object.keys(more)[0] });
  },
);

test('another model is refused with 404, and the names that there are', async () => {
  const { client } = await startWriter();
  const error: unknown = await client.chat.completions.create({ ...say('count 1'), model: 'gpt-4o' }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect(error).toMatchObject({
    code: 'model_not_found',
    param: 'model',
    message: expect.stringContaining('`chat/laptop`, `ft:old`') as string,
  });
});

test('a conversation that is too long for the model is refused with 400', async () => {
  const { client, faults } = await startWriter();
  for (const stream of [false, true]) {
    const asked = { ...say('long'), stream } as Chat;
    await expect(client.chat.completions.create(asked)).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
  }
  expect(faults).toEqual([]);
});
