import { Failure } from '../errors.ts';
import type { Context } from '../provider/context.ts';
import { toModelName } from '../provider/model-name.ts';
import type { Prediction, PredictionRow } from '../provider/prediction.ts';
import type { Quote } from '../provider/provider.ts';
import { formatPriceSetting } from '../run/budget.ts';
import { checkQuote, isAmount } from '../run/figures.ts';
import type { ModelClient } from './models.ts';
import { toPredictionContext, type RequestBatch } from './requests.ts';

const free: Quote = { currency: 'USD', low: 0, high: 0, source: 'free', asOf: null };

/** What the answers to these requests cost; null where the price is not known. */
export async function quoteBatch({ client, requests }: RequestBatch, context: Context): Promise<Quote | null> {
  const { inference } = client.provider;
  if (inference?.quote === undefined || requests.length === 0) return free;
  return checkQuote(await inference.quote(client.model, requests, toPredictionContext(context, client.settings)));
}

/** The sum of prices; null where one of them is not known. */
export function sumQuotes(quotes: readonly (Quote | null)[]): Quote | null {
  return quotes.reduce<Quote | null>((sum, quote) => {
    if (sum === null || quote === null) return null;
    const sources = [sum, quote].filter(({ high }) => high > 0).map(({ source }) => source);
    const days = [sum.asOf, quote.asOf].filter((day) => day !== null).sort();
    return {
      currency: 'USD',
      low: sum.low + quote.low,
      high: sum.high + quote.high,
      source: [...new Set(sources)].join('; ') || free.source,
      asOf: days[0] ?? null, // the oldest day: no price is as new as it seems otherwise
    };
  }, free);
}

/** Dollars; null where a price is not known. */
export interface AnswerPrice {
  /** What the answer has cost. */
  readonly usd: number | null;
  /** The most that it was to cost. */
  readonly quotedUsd: number | null;
}

/**
 * What an answer has cost. The provider knows the prices: its upper estimate of a request whose answer may have n tokens is the price of an
 * answer that has n. Where the service has counted more than was estimated, that is the price; where the tokens were not counted it is that
 * of the longest answer, so that the sum is never below what was paid.
 */
export async function priceAnswer(
  client: ModelClient,
  { request, prediction }: { readonly request: PredictionRow; readonly prediction: Prediction },
  context: Context,
): Promise<AnswerPrice> {
  const batch: RequestBatch = { client, requests: [request] };
  const { tokens } = prediction;
  const quotedUsd = (await quoteBatch(batch, context))?.high ?? null;
  const output = tokens == null ? guessTokens(prediction, client) : Math.max(1, tokens.output);
  const estimate = (await quoteBatch(withMaxTokens(batch, output), context))?.high ?? null;
  if (tokens == null) return { usd: estimate, quotedUsd };
  const counted = client.provider.inference?.price?.(client.model, tokens, context) ?? null;
  return { usd: estimate === null ? null : Math.max(estimate, isAmount(counted) ? counted : 0), quotedUsd };
}

/** A token of ordinary text has four bytes; a text with so many for each token that was allowed is surely longer than that. */
const mostTokenBytes = 8;

/** The most tokens that an uncounted answer may have: those that were allowed, or what its length shows where the limit was ignored. */
function guessTokens({ answer }: Prediction, { settings: { generation } }: ModelClient): number | undefined {
  const { maxTokens } = generation;
  return maxTokens === undefined ? undefined : Math.max(maxTokens, Math.ceil(Buffer.byteLength(answer ?? '') / mostTokenBytes));
}

function withMaxTokens({ client, requests }: RequestBatch, maxTokens: number | undefined): RequestBatch {
  const { settings } = client;
  return { client: { ...client, settings: { ...settings, generation: { ...settings.generation, maxTokens } } }, requests };
}

/** Which answers have no price, and how to give it. */
export async function explainMissingPrice(batches: readonly RequestBatch[], context: Context): Promise<Failure> {
  const names = new Set<string>();
  for (const batch of batches) {
    const { model } = batch.client;
    if ((await quoteBatch(batch, context)) === null) names.add(model.kind === 'endpoint' ? model.base : toModelName(model));
  }
  const message = `no price is known for answers of ${[...names].join(', ')}, so that no spending limit holds; nothing was sent`;
  return new Failure('budget-exceeded', message, { hint: formatPriceSetting([...names], ['input', 'output']) });
}
