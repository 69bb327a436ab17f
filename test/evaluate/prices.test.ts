import { expect, test } from 'vitest';
import type { ModelClient } from '../../src/evaluate/models.ts';
import { priceAnswer, sumQuotes } from '../../src/evaluate/prices.ts';
import type { Prediction } from '../../src/provider/prediction.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { createAnsweringService, createWorkspace } from './answering-service.ts';

const quote = (high: number, asOf: string | null, source = 'a list'): Quote => ({ currency: 'USD', low: high / 2, high, source, asOf });

test('a sum has the sources and the oldest day of its prices', () => {
  const [newer, older] = [quote(2, '2026-03-01'), quote(1, '2026-01-31', 'another list')];
  const sum = { currency: 'USD', low: 1.5, high: 3, asOf: '2026-01-31' };
  expect(sumQuotes([newer, older])).toEqual({ ...sum, source: 'a list; another list' });
  expect(sumQuotes([older, newer])).toEqual({ ...sum, source: 'another list; a list' });
  expect(sumQuotes([newer, quote(1, null)])).toMatchObject({ asOf: '2026-03-01', source: 'a list' });
});

test('a sum of nothing is free, and one with an unknown price is unknown', () => {
  expect(sumQuotes([])).toEqual({ currency: 'USD', low: 0, high: 0, source: 'free', asOf: null });
  expect(sumQuotes([quote(1, null), null, quote(1, null)])).toBeNull();
});

test.each([
  ['counted tokens', { input: 10, output: 3 }, 0.001 + 3 * 0.0001],
  ['no tokens in the answer: it costs at least one', { input: 10, output: 0 }, 0.001 + 0.0001],
  ['tokens that the service did not count: the longest answer', null, 0.001 + 7 * 0.0001],
])('the price of an answer with %s', async (_, tokens, usd) => {
  const { provider } = createAnsweringService({ say: () => 'yes' });
  const { context } = createWorkspace('/nowhere', provider);
  const settings = { task: 'chat', prompt: null, labels: [], generation: { maxTokens: 7 }, concurrency: 1 } as const;
  const model = provider.inference!.getModel!('m', context);
  const client: ModelClient = { provider, model, settings, cacheFolder: '/nowhere', undeployedRun: null };
  const prediction: Prediction = { id: 'a', answer: 'yes', probabilities: null, truncated: false, tokens };
  expect(await priceAnswer(client, { request: { id: 'a', messages: [] }, prediction }, context)).toBeCloseTo(usd, 12);
});
