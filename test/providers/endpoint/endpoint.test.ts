import { expect, onTestFinished, test } from 'vitest';
import { endpoint } from '../../../providers/endpoint/index.ts';
import type { Context, PredictionContext } from '../../../src/provider/context.ts';
import type { EndpointModel } from '../../../src/provider/model.ts';
import type { Prediction } from '../../../src/provider/prediction.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { startSandbox, type Sandbox } from '../../../src/sandbox/main.ts';

const key = 'sk-sandbox-endpoint';
const served = 'gpt-4.1-mini-2025-04-14';
const rows = [{ id: 'a', messages: [{ role: 'user', content: 'Is it good or bad?' }] }];

function toContext(
  values: Readonly<Record<string, string>> = {},
  secrets: Readonly<Record<string, string>> = { GPU_KEY: key },
): PredictionContext {
  const context: Context = {
    signal: AbortSignal.timeout(20_000),
    now: () => new Date(),
    wait: async () => await Promise.resolve(),
    setting: (name) => values[name] ?? null,
    credential: (name) => (secrets[name] === undefined ? null : new Secret(secrets[name])),
  };
  return { ...context, generation: { maxTokens: 5 }, concurrency: 1 };
}

async function open(): Promise<Sandbox & { readonly baseUrl: string }> {
  const sandbox = await startSandbox();
  onTestFinished(sandbox.close);
  return Object.assign(sandbox, { baseUrl: sandbox.env.OPENAI_BASE_URL });
}

const getModel = (name: string, context: Context, options: object): EndpointModel =>
  endpoint.inference!.getModel!(name, context, options as Record<string, unknown>) as EndpointModel;

async function ask(model: EndpointModel, context: PredictionContext): Promise<Prediction[]> {
  return await Array.fromAsync(endpoint.inference!.predict!(model, rows, context));
}

test('a served model answers, with the key that the options name', async () => {
  const { baseUrl } = await open();
  const model = getModel(served, toContext(), { baseUrl: `${baseUrl}/`, key: 'GPU_KEY' });
  expect(model).toMatchObject({ identity: `${baseUrl} ${served}`, location: baseUrl, credential: 'GPU_KEY' });
  const [answer] = await ask(model, toContext());
  expect(answer).toMatchObject({ id: 'a', answer: expect.any(String) as string });
});

test('the key of the settings goes to the address of the settings, and to no other one', async () => {
  const { baseUrl } = await open();
  const values = { ENDPOINT_BASE_URL: baseUrl };
  const context = toContext(values, { ENDPOINT_API_KEY: key });
  expect(await ask(getModel(served, context, {}), context)).toHaveLength(1);
  const elsewhere = toContext({ ENDPOINT_BASE_URL: 'http://127.0.0.1:9/v1' }, { ENDPOINT_API_KEY: key });
  const other = getModel(served, elsewhere, { baseUrl });
  await expect(ask(other, elsewhere)).rejects.toMatchObject({ code: 'credentials-invalid' });
});

test('a server that serves another model, or is not there, is said in one line', async () => {
  const { baseUrl, close } = await open();
  const options = { baseUrl, key: 'GPU_KEY' };
  await expect(ask(getModel('my-model', toContext(), options), toContext())).rejects.toMatchObject({
    code: 'model-unavailable',
    message: expect.stringContaining(`expected it to serve "my-model", found `) as string,
  });
  const quote = endpoint.inference!.quote!(getModel('my-model', toContext(), options), rows, toContext());
  await expect(quote).rejects.toMatchObject({ code: 'model-unavailable' });
  await close();
  await expect(ask(getModel(served, toContext(), options), toContext())).rejects.toMatchObject({
    code: 'service-unreachable',
    message: expect.stringContaining(`nothing answers at ${baseUrl}`) as string,
  });
});

test.each([
  [{ baseUrl: 'gpu-box' }, 'options.baseUrl: expected an address'],
  [{ key: 'sk-this is a key' }, 'options.key: expected the name of a variable'],
  [{ url: 'http://gpu-box' }, 'Unrecognized key'],
  [{}, 'expected the address where the model is served, found none'],
])('%j is refused', (options, message) => {
  expect(() => getModel(served, toContext(), options)).toThrow(message);
});

test('answers cost what the user says, and nobody knows it otherwise', () => {
  const tokens = { input: 1_000_000, output: 1_000_000 };
  const price = (values: Readonly<Record<string, string>>): number | null => {
    const context = toContext(values);
    return endpoint.inference!.price!(getModel('my-model', context, { baseUrl: 'http://gpu-box/v1' }), tokens, context);
  };
  expect(price({})).toBeNull();
  const own = getModel('my-model', toContext(), { baseUrl: 'http://gpu-box/v1', price: { input: 0, output: 0.5 } });
  expect(endpoint.inference!.price!(own, tokens, toContext())).toBe(0.5);
  expect(price({ ORCHESTRATE_PRICES: '{"my-model": {"input": 1, "output": 2}}' })).toBe(3);
});

test('nothing is trained', () => {
  expect(() => endpoint.training.translate({} as never)).toThrow('the provider "endpoint" trains nothing');
});
