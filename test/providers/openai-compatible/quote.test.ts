import { expect, test } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openai } from '../../../providers/openai/index.ts';
import type { Price } from '../../../providers/openai-compatible/config.ts';
import { createOpenAICompatible } from '../../../providers/openai-compatible/index.ts';
import { countMessageTokens, countRowTokens, loadTokenizer } from '../../../providers/openai-compatible/tokens.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { Context, PredictionContext, QuoteContext } from '../../../src/provider/context.ts';
import type { EndpointModel } from '../../../src/provider/model.ts';
import { configs, facts } from './fixture.ts';

const count = await loadTokenizer();
const labels = { prompt: null, labels: ['no', 'yes'] };

// The pieces of the sentence, read by hand: t|ikt|oken| is| great|!
test.each([
  ['tiktoken is great!', 6],
  ['Answer with exactly one of these labels: "no", "yes".', 14],
  ['Grüße aus Köln 👋', 7],
  ['<|endoftext|>', 7],
  ['東京の天気', 4],
  ['{"a": 1}', 6],
  ['tomorrow', 2],
  ['', 0],
])('%s has %i tokens', (text, tokens) => {
  expect(count(text)).toBe(tokens);
});

test('a conversation: texts, and 3 beside the role of each message, 3 for the answer, 1 for a name', () => {
  const messages = [
    { role: 'system', content: 'hello world' },
    { role: 'user', content: 'tomorrow', name: 'positive' },
  ];
  // 2 + 2; 3 + (3 + 1 + 2) + (3 + 1 + 2 + 1 + 1)
  expect(countMessageTokens(messages, undefined, count)).toEqual({ least: 4, most: 17 });
});

test('parts, tools and calls of tools', () => {
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  const parts = [{ role: 'user', content: [{ type: 'text', text: 'hello world' }, image] }];
  expect(countMessageTokens(parts, undefined, count)).toEqual({ least: 2, most: 3 + 3 + 1 + 2 });
  expect(countMessageTokens(parts, [{ a: 1 }], count).most).toBe(9 + count('[{"a":1}]'));
  const calls = [{ id: 'c' }];
  const calling = [{ role: 'assistant', content: null, tool_calls: calls, weight: 1 }];
  expect(countMessageTokens(calling, [], count)).toEqual({ least: 0, most: 3 + 3 + 1 + count(JSON.stringify({ tool_calls: calls })) });
});

test('a row of each task', () => {
  const chat = [
    { role: 'user', content: 'hello world' },
    { role: 'assistant', content: 'tomorrow' },
  ];
  expect(countRowTokens({ messages: chat }, labels, count)).toEqual({ least: 4, most: 15 });
  const pair = { prompt: chat.slice(0, 1), chosen: chat.slice(1), rejected: [{ role: 'assistant', content: 'positive' }] };
  // The prompt once, and with each end: 2 + 2 + 1, and (3 + 6 + 6) + (3 + 6 + 5).
  expect(countRowTokens(pair, labels, count)).toEqual({ least: 5, most: 29 });
  // Classify the text. (4) + a blank line (1 of its own, or with the stop) + 14, "hello world" 2, "yes" 1
  const texts = count('Classify the text.\n\nAnswer with exactly one of these labels: "no", "yes".') + 3;
  expect(countRowTokens({ text: 'hello world', label: 'yes' }, labels, count)).toEqual({ least: texts, most: texts + 3 + 3 * 4 });
});

test('of a long example only what the service reads', () => {
  const messages = [{ role: 'user', content: 'hello world'.repeat(70_000) }];
  expect(countRowTokens({ messages }, labels, count)).toEqual({ least: 65_536, most: 65_536 });
});

const baseUrl = 'https://api.openai.com/v1';
const model = 'gpt-4.1-mini-2025-04-14';
const context = (settings: Readonly<Record<string, string>> = {}): Context => ({
  signal: new AbortController().signal,
  now: () => new Date(0),
  wait: async () => await Promise.resolve(),
  setting: (name) => settings[name] ?? null,
  credential: () => null,
});

// 4 tokens of text, 15 with those around them, as the tests of the count have it; a thousand such rows.
const chat: Row = {
  messages: [
    { role: 'user', content: 'hello world' },
    { role: 'assistant', content: 'tomorrow' },
  ],
};
const toQuoteContext = (settings = {}, rows: readonly Row[] = Array.from({ length: 1000 }, () => chat)): QuoteContext => ({
  ...context(settings),
  facts,
  async *readRows(part) {
    if (part === 'train') yield* await Promise.resolve(rows);
  },
});
const supervised = (hyperparameters: object): object => ({ type: 'supervised', supervised: { hyperparameters } });
const toRequest = (method: object, change: object = {}): object => ({
  model,
  method,
  suffix: 's',
  rows: { task: 'chat', conversion: null, prompt: null, labels: [] },
  ...change,
});

test('a training of so many epochs', async () => {
  const found = await openai.training.quote!(toRequest(supervised({ n_epochs: 3 })), toQuoteContext());
  expect(found).toMatchObject({ currency: 'USD', asOf: '2026-11-22', trainingTokens: 15_000 });
  expect(found?.low).toBeCloseTo(0.06, 12); // 3 epochs of 4,000 tokens at $5 per million
  expect(found?.high).toBeCloseTo(0.225, 12);
});

test('epochs that the service chooses make the price wide, and it says so', async () => {
  const found = await openai.training.quote!(toRequest(supervised({})), toQuoteContext());
  expect(found?.low).toBeCloseTo(0.02, 12);
  expect(found?.high).toBeCloseTo(3.75, 12);
  expect(found?.source).toMatch(/1 to 50 epochs$/);
});

test('the model decides the price, a tuned one by its base', async () => {
  const request = toRequest(supervised({ n_epochs: 1 }), { model: 'ft:gpt-4.1-2025-04-14:me:a:1' });
  expect((await openai.training.quote!(request, toQuoteContext()))?.high).toBeCloseTo(0.375, 12);
});

test.each([
  ['another model', openai, toRequest(supervised({}), { model: 'gpt-4o-2024-08-06' })],
  ['preferences', openai, toRequest({ type: 'dpo', dpo: { hyperparameters: {} } })],
  ['Azure', azure, toRequest(supervised({}))],
  ['a model named like a property', openai, toRequest(supervised({}), { model: 'constructor' })],
])('no price is made up for %s', async (_, provider, request) => {
  expect(await provider.training.quote!(request, toQuoteContext())).toBeNull();
});

test('a price of the settings goes first', async () => {
  const method = { type: 'dpo', dpo: { hyperparameters: { n_epochs: 1 } } };
  const settings = { ORCHESTRATE_PRICES: JSON.stringify({ [model]: { training: 20 } }) };
  const set = await azure.training.quote!(toRequest(method), toQuoteContext(settings));
  expect(set).toMatchObject({ source: 'ORCHESTRATE_PRICES', asOf: null });
  expect(set?.high).toBeCloseTo(0.3, 12);
  const undated = { 'gpt-4.1-mini': { training: 20 } };
  const ofAll = await azure.training.quote!(toRequest(method), toQuoteContext({ ORCHESTRATE_PRICES: JSON.stringify(undated) }));
  expect(ofAll?.high).toBeCloseTo(0.3, 12);
  const both = { ...undated, [model]: { training: 40 } };
  const own = await azure.training.quote!(toRequest(method), toQuoteContext({ ORCHESTRATE_PRICES: JSON.stringify(both) }));
  expect(own?.high).toBeCloseTo(0.6, 12);
});

test.each(['5', '{"a": 5}', '{"a": {"training": "5"}}', '{"a": {"train": 5}}', '{'])(
  'a setting without prices is refused: %s',
  async (text) => {
    await expect(openai.training.quote!(toRequest(supervised({})), toQuoteContext({ ORCHESTRATE_PRICES: text }))).rejects.toThrow(
      /ORCHESTRATE_PRICES: expected prices/,
    );
  },
);

const endpoint: EndpointModel = { kind: 'endpoint', identity: 'i', location: baseUrl, name: 'ft:x', base: model };
const question = { id: 'a', messages: [{ role: 'user', content: 'hello world' }] }; // 2 tokens, 9 with those around them
const rows = Array.from({ length: 1000 }, () => question);
const prices = { ORCHESTRATE_PRICES: JSON.stringify({ [model]: { input: 1, output: 4 } }) };
const toPredictionContext = (settings: Readonly<Record<string, string>>, maxTokens?: number): PredictionContext => ({
  ...context(settings),
  generation: { maxTokens },
  concurrency: 1,
});

test('answers cost their prompts, and from one token to the longest allowed', async () => {
  const found = await openai.inference!.quote!(endpoint, rows, toPredictionContext(prices, 16));
  expect(found).toMatchObject({ source: 'ORCHESTRATE_PRICES', asOf: null });
  expect(found?.low).toBeCloseTo(0.002 + 0.004, 12);
  expect(found?.high).toBeCloseTo(0.009 + 0.064, 12);
});

test('without a price, or a longest answer, nobody knows', async () => {
  expect(await openai.inference!.quote!(endpoint, rows, toPredictionContext({}, 16))).toBeNull();
  expect(await openai.inference!.quote!(endpoint, rows, toPredictionContext(prices))).toBeNull();
});

test('the price of answers is as old as the older of its two prices', async () => {
  const price = (asOf: string): Price => ({ usd: 1, asOf, source: asOf });
  const known = { [model]: { input: price('2026-02-01'), output: price('2026-01-31') } };
  const { inference } = createOpenAICompatible({ ...configs.openai, prices: known });
  expect(await inference!.quote!(endpoint, rows, toPredictionContext({}, 16))).toMatchObject({
    asOf: '2026-01-31',
    source: '2026-02-01; 2026-01-31',
  });
});
