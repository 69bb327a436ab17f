import { expect, test } from 'vitest';
import { azureDialect } from '../../../providers/openai/azure.ts';
import { openaiDialect } from '../../../providers/openai/openai.ts';
import { findPrice } from '../../../providers/openai/prices.ts';
import { quote, quotePredictions } from '../../../providers/openai/quote.ts';
import type { Hyperparameters, Method, OpenAIRequest } from '../../../providers/openai/request.ts';
import type { Context, PredictionContext, QuoteContext } from '../../../src/provider/context.ts';
import type { EndpointModel } from '../../../src/provider/model.ts';
import type { Row } from '../../../src/dataset/row.ts';
import { facts } from './fixture.ts';

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
const supervised = (hyperparameters: Hyperparameters): Method => ({ type: 'supervised', supervised: { hyperparameters } });
const toRequest = (method: Method, change: Partial<OpenAIRequest> = {}): OpenAIRequest => ({
  model,
  method,
  suffix: 's',
  rows: { task: 'chat', conversion: null, prompt: null, labels: [] },
  ...change,
});

test('a training of so many epochs', async () => {
  const found = await quote(openaiDialect, toRequest(supervised({ n_epochs: 3 })), toQuoteContext());
  expect(found).toMatchObject({ currency: 'USD', asOf: '2026-11-22', trainingTokens: 15_000 });
  expect(found?.low).toBeCloseTo(0.06, 12); // 3 epochs of 4,000 tokens at $5 per million
  expect(found?.high).toBeCloseTo(0.225, 12);
});

test('epochs that the service chooses make the price wide, and it says so', async () => {
  const found = await quote(openaiDialect, toRequest(supervised({})), toQuoteContext());
  expect(found?.low).toBeCloseTo(0.02, 12);
  expect(found?.high).toBeCloseTo(3.75, 12);
  expect(found?.source).toMatch(/1 to 50 epochs$/);
});

test('the model decides the price, a tuned one by its base', async () => {
  const request = toRequest(supervised({ n_epochs: 1 }), { model: 'ft:gpt-4.1-2025-04-14:me:a:1' });
  expect((await quote(openaiDialect, request, toQuoteContext()))?.high).toBeCloseTo(0.375, 12);
});

test.each([
  ['another model', openaiDialect, toRequest(supervised({}), { model: 'gpt-4o-2024-08-06' })],
  ['preferences', openaiDialect, toRequest({ type: 'dpo', dpo: { hyperparameters: {} } })],
  ['Azure', azureDialect, toRequest(supervised({}))],
  ['a model named like a property', openaiDialect, toRequest(supervised({}), { model: 'constructor' })],
])('no price is made up for %s', async (_, dialect, request) => {
  expect(await quote(dialect, request, toQuoteContext())).toBeNull();
});

test('a price of the settings goes first', async () => {
  const method: Method = { type: 'dpo', dpo: { hyperparameters: { n_epochs: 1 } } };
  const settings = { ORCHESTRATE_PRICES: JSON.stringify({ [model]: { training: 20 } }) };
  const set = await quote(azureDialect, toRequest(method), toQuoteContext(settings));
  expect(set).toMatchObject({ source: 'ORCHESTRATE_PRICES', asOf: null });
  expect(set?.high).toBeCloseTo(0.3, 12);
});

test.each(['5', '{"a": 5}', '{"a": {"training": "5"}}', '{"a": {"train": 5}}', '{'])('a setting that is no prices: %s', (text) => {
  expect(() => findPrice(openaiDialect, { model, kind: 'input' }, context({ ORCHESTRATE_PRICES: text }))).toThrow(
    /ORCHESTRATE_PRICES: expected prices/,
  );
});

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
  const found = await quotePredictions(openaiDialect, { model: endpoint, rows }, toPredictionContext(prices, 16));
  expect(found).toMatchObject({ source: 'ORCHESTRATE_PRICES', asOf: null });
  expect(found?.low).toBeCloseTo(0.002 + 0.004, 12);
  expect(found?.high).toBeCloseTo(0.009 + 0.064, 12);
});

test('without a price, or a longest answer, nobody knows', async () => {
  expect(await quotePredictions(openaiDialect, { model: endpoint, rows }, toPredictionContext({}, 16))).toBeNull();
  expect(await quotePredictions(openaiDialect, { model: endpoint, rows }, toPredictionContext(prices))).toBeNull();
});
