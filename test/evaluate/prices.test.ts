import { expect, test } from 'vitest';
import type { ModelClient } from '../../src/evaluate/models.ts';
import { explainMissingPrice, priceAnswer, sumQuotes } from '../../src/evaluate/prices.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Prediction } from '../../src/provider/prediction.ts';
import type { Inference, Quote } from '../../src/provider/provider.ts';
import { createAnsweringService, createWorkspace, type ServiceSettings } from './answering-service.ts';

const toQuote = (high: number, asOf: string | null, source = 'a list'): Quote => ({ currency: 'USD', low: high / 2, high, source, asOf });

test('a sum has the sources and the oldest day of its prices', () => {
  const [newer, older] = [toQuote(2, '2026-03-01'), toQuote(1, '2026-01-31', 'another list')];
  const sum = { currency: 'USD', low: 1.5, high: 3, asOf: '2026-01-31' };
  expect(sumQuotes([newer, older])).toEqual({ ...sum, source: 'a list; another list' });
  expect(sumQuotes([older, newer])).toEqual({ ...sum, source: 'another list; a list' });
  expect(sumQuotes([newer, toQuote(1, null)])).toMatchObject({ asOf: '2026-03-01', source: 'a list' });
});

test('a sum of nothing is free, and one with an unknown price is unknown', () => {
  expect(sumQuotes([])).toEqual({ currency: 'USD', low: 0, high: 0, source: 'free', asOf: null });
  expect(sumQuotes([toQuote(1, null), null, toQuote(1, null)])).toBeNull();
});

/** A client of a model whose answers may have at most so many tokens. */
function createClient(maxTokens?: number, settings: Partial<ServiceSettings> = {}): { client: ModelClient; context: Context } {
  const { provider } = createAnsweringService({ say: () => 'yes', ...settings });
  const { context } = createWorkspace('/nowhere', provider);
  const prompt = { task: 'chat', prompt: null, labels: [], generation: { maxTokens }, concurrency: 1 } as const;
  const model = provider.inference!.getModel!('m', context);
  return { client: { provider, model, settings: prompt, cacheFolder: '/nowhere', undeployedRun: null }, context };
}

const request = { id: 'a', messages: [] };

test.each([
  ['counted tokens', { input: 10, output: 3 }, 0.001 + 3 * 0.0001],
  ['no tokens in the answer: it costs at least one', { input: 10, output: 0 }, 0.001 + 0.0001],
  ['tokens that the service did not count: the longest answer', null, 0.001 + 7 * 0.0001],
])('the price of an answer with %s', async (_, tokens, usd) => {
  const { client, context } = createClient(7);
  const prediction: Prediction = { id: 'a', answer: 'yes', probabilities: null, truncated: false, tokens };
  const price = await priceAnswer(client, { request, prediction }, context);
  expect(price.usd).toBeCloseTo(usd, 12);
  expect(price.quotedUsd).toBeCloseTo(0.001 + 7 * 0.0001, 12);
});

test.each<[string, Partial<Prediction>, number]>([
  ['more tokens of the question than were estimated', { tokens: { input: 900, output: 3 } }, 0.9 + 3 * 0.0001],
  ['more tokens of the answer than were allowed', { tokens: { input: 1, output: 5000 } }, 0.001 + 5000 * 0.0001],
  ['no count, and a text far beyond the limit', { tokens: null, answer: 'x'.repeat(8000) }, 0.001 + 1000 * 0.0001],
])('an answer with %s costs what the service bills', async (_, change, usd) => {
  const { client, context } = createClient(7);
  const prediction: Prediction = { id: 'a', answer: 'yes', probabilities: null, truncated: false, ...change };
  const inference: Inference = { ...client.provider.inference, price: (_model, { input, output }) => input * 0.001 + output * 0.0001 };
  const counting = { ...client, provider: { ...client.provider, inference } };
  expect((await priceAnswer(counting, { request, prediction }, context)).usd).toBeCloseTo(usd, 12);
});

test('a missing price is explained', async () => {
  const unpriced = createClient(7, { price: null });
  expect(await explainMissingPrice([{ client: unpriced.client, requests: [request] }], unpriced.context)).toMatchObject({
    message: 'no price is known for answers of m, so that no spending limit holds; nothing was sent',
    hint: `set ORCHESTRATE_PRICES='{"m": {"input": …, "output": …}}', in US dollars per 1M tokens`,
  });
});
