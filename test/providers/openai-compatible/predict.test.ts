import { expect, test } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openai } from '../../../providers/openai/index.ts';
import type { PredictionContext } from '../../../src/provider/context.ts';
import type { EndpointModel, ModelRef } from '../../../src/provider/model.ts';
import type { Prediction, PredictionRow } from '../../../src/provider/prediction.ts';
import { canaryKey, configs, createSandboxFixture } from './fixture.ts';
import { startService, type Answer, type ReceivedRequest, type Service } from './service.ts';

type Change = Partial<PredictionContext>;

const toRow = (id: string): PredictionRow => ({ id, messages: [{ role: 'user', content: id, weight: 1 }] });
const rows = ['a', 'b', 'c', 'd', 'e'].map(toRow);

const toCompletion = (content: unknown, change: object = {}, message: object = {}): Answer => ({
  body: {
    choices: [{ index: 0, message: { role: 'assistant', content, ...message }, finish_reason: 'stop', ...change }],
    usage: { prompt_tokens: 9, completion_tokens: 2 },
  },
});
const toError = (status: number, error: object, headers: Record<string, string> = {}): Answer => ({ status, headers, body: { error } });

/** The text of the row that is asked. */
const toText = ({ json }: ReceivedRequest): string => (json as unknown as { messages: { content: string }[] }).messages[0]!.content;

function toModel(service: Service): EndpointModel {
  const baseUrl = service.getBaseUrl('openai');
  return { kind: 'endpoint', identity: `${baseUrl} ft:x`, location: baseUrl, name: 'ft:x', base: 'x' };
}

function toPredictionContext(service: Service, change: Change = {}): PredictionContext {
  return { ...service.createContext(), generation: {}, concurrency: 2, ...change };
}

async function answer(service: Service, asked: readonly PredictionRow[], change: Change = {}): Promise<Prediction[]> {
  return await Array.fromAsync(openai.inference!.predict!(toModel(service), asked, toPredictionContext(service, change)));
}

test('a request and its answer', async () => {
  const logprobs = {
    content: [
      { token: 'y', logprob: -0.5 },
      { token: 'es', logprob: -0.25 },
    ],
    refusal: null,
  };
  let nowMs = 0;
  await using service = await startService(() => {
    nowMs += 250;
    return toCompletion('yes', { logprobs });
  });
  const generation = { temperature: 0, maxTokens: 16, seed: 3 };
  const found = await answer(service, [toRow('a')], { generation, now: () => new Date(nowMs) });
  expect(service.requests[0]).toMatchObject({ method: 'POST', path: '/v1/chat/completions' });
  expect(service.requests[0]?.json).toEqual({
    model: 'ft:x',
    messages: [{ role: 'user', content: 'a' }],
    temperature: 0,
    max_completion_tokens: 16,
    seed: 3,
    logprobs: true,
  });
  expect(found).toEqual([
    {
      id: 'a',
      answer: 'yes',
      probabilities: null,
      logProbability: -0.75,
      truncated: false,
      latencyMs: 250,
      tokens: { input: 9, output: 2 },
    },
  ]);
});

test.each([
  [{ type: 'json_object' }, { type: 'json_object' }],
  [{ type: 'object', properties: { a: {} }, required: ['a'], additionalProperties: false }, { strict: true }],
  [{ type: 'array', items: { $ref: '#/$defs/a' }, $defs: { a: { type: ['string', 'number'] } } }, { strict: true }],
  [{ type: 'object', properties: { a: {} }, additionalProperties: false }, {}],
  [{ type: 'object', properties: { a: {} }, required: ['a'] }, {}],
  [{ anyOf: [{ type: 'string' }, { type: ['object', 'null'] }] }, {}],
  [{ type: 'array', items: { $ref: '#/$defs/a' }, $defs: { a: { type: 'object' } } }, {}],
])('answers are asked for by their schema, strictly where a service can: %j', async (schema, wanted) => {
  await using service = await startService(() => toCompletion('{}'));
  await answer(service, [toRow('a')], { generation: { schema } });
  const format = 'type' in wanted ? wanted : { type: 'json_schema', json_schema: { name: 'answer', schema, ...wanted } };
  expect(service.requests[0]?.json).toMatchObject({ response_format: format });
  const [sent] = service.requests.map(({ json }) => json as unknown as { response_format: { json_schema?: object } });
  expect('strict' in (sent!.response_format.json_schema ?? {})).toBe('strict' in wanted);
});

test('settings that are left out are not sent', async () => {
  await using service = await startService(() => toCompletion('yes'));
  await answer(service, [toRow('a')]);
  expect(Object.keys(service.requests[0]?.json ?? {})).toEqual(['model', 'messages', 'logprobs']);
});

test('Azure is asked by the name of the deployment', async () => {
  await using service = await startService(() => toCompletion('yes'));
  const setting = (name: string): string | null =>
    name === 'OPENAI_API_VERSION' ? '2025-04-01-preview' : service.createContext().setting(name);
  const context = toPredictionContext(service, { setting });
  const model = { ...toModel(service), location: configs.azure.baseUrl(context), name: 'my-deployment' };
  await Array.fromAsync(azure.inference!.predict!(model, [toRow('a')], context));
  expect(service.requests[0]).toMatchObject({
    path: '/openai/deployments/my-deployment/chat/completions',
    json: { model: 'my-deployment' },
  });
});

const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }];

test.each([
  ['cut', toCompletion('ye', { finish_reason: 'length' }), 'ye', true],
  ['filtered', toCompletion('ye', { finish_reason: 'content_filter' }), null, false],
  ['refused', toCompletion(null, {}, { refusal: 'I cannot' }), null, false],
  ['empty', toCompletion(''), '', false],
  ['none', toCompletion(null), null, false],
  ['a call of tools', toCompletion(null, { finish_reason: 'tool_calls' }, { tool_calls: calls }), JSON.stringify(calls), false],
  ['a prompt that is filtered', toError(400, { code: 'content_filter', message: 'the prompt is filtered' }), null, false],
] as const)('an answer that is %s', async (_, given, text, truncated) => {
  await using service = await startService(() => given);
  expect(await answer(service, [toRow('a')])).toMatchObject([{ id: 'a', answer: text, truncated, logProbability: null }]);
});

test('where no more may be asked, requests under way come to their end and no other is sent', async () => {
  let answers = 0;
  await using service = await startService(() => toCompletion('yes'));
  const found: Prediction[] = [];
  const context = toPredictionContext(service, { mayAsk: () => answers === 0 });
  for await (const prediction of openai.inference!.predict!(toModel(service), rows, context)) {
    answers += 1;
    found.push(prediction);
  }
  expect(found).toHaveLength(2); // as many as may be under way
  expect(service.requests).toHaveLength(2);
});

test.each<[string, Answer, number]>([
  ['the page of a proxy', { status: 502, body: '<html>Bad gateway</html>' }, 1],
  ['an answer that cannot be read', { body: 'nonsense' }, 1],
  ['its own word that it failed', toError(500, { message: 'sorry' }), 0],
  ['its own word that it was asked too often', toError(429, { message: 'slowly' }), 0],
])('%s: whether the answer may be billed', async (_, given, lost) => {
  const ids: string[] = [];
  let requests = 0;
  await using service = await startService(() => (requests++ === 0 ? given : toCompletion('yes')));
  await answer(service, [toRow('a')], { onLost: (id) => void ids.push(id), wait: async () => await Promise.resolve() }).catch(() => {});
  expect(ids).toHaveLength(lost);
});

test('answers come as they are there, no more at once than are allowed', async () => {
  let open = 0;
  let most = 0;
  const held: (() => void)[] = [];
  await using service = await startService(async (asked) => {
    most = Math.max(most, ++open);
    // The first row is answered last.
    if (toText(asked) === 'a') await new Promise<void>((resolve) => held.push(resolve));
    if (toText(asked) === 'e') held[0]?.();
    open--;
    return toCompletion(toText(asked));
  });
  const found = await answer(service, rows);
  expect(found.map(({ id }) => id)).toEqual(expect.arrayContaining(['a', 'b', 'c', 'd', 'e']));
  expect(found.map(({ id }) => id).slice(0, 3)).toEqual(['b', 'c', 'd']);
  expect(found.every(({ id, answer: text }) => id === text)).toBe(true);
  expect(most).toBe(2);
});

test('log probabilities are asked for until they are refused once', async () => {
  const refusal = toError(400, { message: "Unsupported parameter: 'logprobs'", param: 'logprobs', code: 'unsupported_parameter' });
  await using service = await startService(({ json }) => (json?.['logprobs'] === undefined ? toCompletion('yes') : refusal));
  const found = await answer(service, rows, { concurrency: 1 });
  expect(found).toHaveLength(5);
  expect(service.requests.map(({ json }) => json?.['logprobs'] ?? false)).toEqual([true, false, false, false, false, false]);
});

const limited = toError(429, { message: 'slow down' }, { 'retry-after': '7' });
const broken = toError(503, { message: 'overloaded' });

test.each([
  ['a limit', limited, 7000],
  ['an overload', broken, 1000],
  ['a lost connection', null, 1000],
  ['the page of a proxy', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }, 1000],
])('after %s the row is asked again', async (_, given, pauseMs) => {
  let times = 0;
  await using service = await startService(() => (times++ === 0 ? given : toCompletion('yes')));
  expect(await answer(service, rows, { concurrency: 1 })).toHaveLength(5);
  expect(service.requests).toHaveLength(6);
  expect(service.waits).toEqual([pauseMs]);
});

test('a row is asked three times at most, and the others are not asked meanwhile', async () => {
  await using service = await startService(() => limited);
  const end = await answer(service, rows, { concurrency: 1 }).catch((error: unknown) => error);
  expect(end).toMatchObject({ code: 'rate-limited' });
  expect(service.requests.map(toText)).toEqual(['a', 'a', 'a']);
  expect(service.waits).toEqual([7000, 7000]);
});

test('while one row waits, no other one is asked', async () => {
  const order: string[] = [];
  await using service = await startService((request) => {
    if (request.method === 'GET') return { body: {} };
    order.push(`asked ${toText(request)}`);
    return toText(request) === 'a' && order.filter((entry) => entry === 'asked a').length === 1 ? limited : toCompletion('yes');
  });
  const answered: string[] = [];
  const wait = async (): Promise<void> => {
    await expect.poll(() => answered).toEqual(['b']); // then a place is free, and 'c' is next
    for (let i = 0; i < 3; i++) await fetch(service.url);
    order.push('pause over');
  };
  const context = toPredictionContext(service, { wait });
  for await (const { id } of openai.inference!.predict!(toModel(service), rows.slice(0, 3), context)) answered.push(id);
  expect(order.slice(0, 2).sort()).toEqual(['asked a', 'asked b']);
  expect(order[2]).toBe('pause over');
  expect(order.slice(3).sort()).toEqual(['asked a', 'asked c']);
});

test.each([
  [
    'an empty account',
    toError(429, { message: `none left, ${canaryKey}`, code: 'insufficient_quota', type: 'insufficient_quota' }),
    'quota-exhausted',
  ],
  ['a refusal', toError(400, { message: 'too long' }), 'request-refused'],
  ['a key that is wrong', toError(401, { message: `wrong key ${canaryKey}` }), 'credentials-invalid'],
  ['a model that is gone', toError(404, { message: 'no such model', code: 'model_not_found' }), 'model-unavailable'],
  ['a page instead of an answer', { body: '<html>', headers: { 'content-type': 'text/html' } }, 'response-invalid'],
  ['an answer without choices', { body: { choices: [] } }, 'response-invalid'],
])('%s ends it at once', async (_, given, code) => {
  await using service = await startService(() => given);
  const end = await answer(service, rows, { concurrency: 1 }).catch((error: unknown) => error);
  expect(end).toMatchObject({ code });
  expect(service.requests).toHaveLength(1);
  expect(service.waits).toEqual([]);
  expect(`${String(end)} ${JSON.stringify(end)}`).not.toContain(canaryKey);
});

test('an abort ends it at once, with the rows that are under way', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  await using service = await startService(async (asked) => {
    if (toText(asked) === 'a') return toCompletion('yes');
    controller.abort(reason);
    return await new Promise<never>(() => {});
  });
  const found: string[] = [];
  const reading = async (): Promise<void> => {
    const context = toPredictionContext(service, { signal: controller.signal, concurrency: 1 });
    for await (const { id } of openai.inference!.predict!(toModel(service), rows, context)) found.push(id);
  };
  await expect(reading()).rejects.toBe(reason);
  expect(found).toEqual(['a']);
  expect(service.requests).toHaveLength(2);
});

test('a reader who stops ends the rows that are under way', async () => {
  await using service = await startService(async (asked) =>
    toText(asked) === 'a' ? toCompletion('yes') : await new Promise<never>(() => {}),
  );
  for await (const { id } of openai.inference!.predict!(toModel(service), rows, toPredictionContext(service))) {
    expect(id).toBe('a');
    break;
  }
  expect(service.requests.length).toBeLessThanOrEqual(2);
});

test('rows that this service cannot answer are refused before anything is asked', async () => {
  await using service = await startService(() => toCompletion('yes'));
  const model = toModel(service);
  const folder = { kind: 'folder', identity: 'i', path: '/m', labels: [], seed: 1, maxLength: 1 } as const;
  const context = toPredictionContext(service);
  const ask = async (asked: ModelRef, about: readonly PredictionRow[] = rows): Promise<unknown> =>
    await Array.fromAsync(openai.inference!.predict!(asked, about, context));
  await expect(ask(folder)).rejects.toMatchObject({ code: 'model-invalid' });
  await expect(ask(model, [...rows, { id: 't', text: 'x' }])).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining('row t') as string,
  });
  await expect(ask({ ...model, location: 'https://other.example/v1' })).rejects.toMatchObject({ code: 'configuration-invalid' });
  expect(await ask(model, [])).toEqual([]);
  expect(service.requests).toEqual([]);
});

test('the stand-in of the service answers, each row for one price', async () => {
  await using fixture = await createSandboxFixture();
  const context = { ...fixture.toAttempt(), generation: { temperature: 0, maxTokens: 16 }, concurrency: 2 };
  const baseUrl = configs.openai.baseUrl(context);
  const base = 'gpt-4.1-mini-2025-04-14';
  const model = { kind: 'endpoint', identity: `${baseUrl} ${base}`, location: baseUrl, name: base, base } as const;
  const found = await Array.fromAsync(openai.inference!.predict!(model, rows, context));
  expect(found.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  for (const { answer: text, logProbability, tokens } of found) {
    expect([typeof text, typeof logProbability, typeof tokens?.input]).toEqual(['string', 'number', 'number']);
  }
  const { bill, violations } = fixture.sandbox.account(canaryKey);
  expect(bill.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'chat'));
  expect(violations).toEqual([]);
});
