import type { Context } from '../provider/context.ts';
import type { Prediction } from '../provider/prediction.ts';
import type { Quote } from '../provider/provider.ts';
import { toPredictionContext } from './answer-rows.ts';
import type { ModelClient } from './prompt-settings.ts';
import type { PredictRequest } from './to-question.ts';

const free: Quote = { currency: 'USD', low: 0, high: 0, source: 'free', asOf: null };

/** What it costs to have these questions answered; null where the price is not known. */
export async function quoteAnswers(
  { provider, model, settings }: ModelClient,
  questions: readonly PredictRequest[],
  context: Context,
): Promise<Quote | null> {
  if (provider.inference?.quote === undefined || questions.length === 0) return free;
  return await provider.inference.quote(model, questions, toPredictionContext(context, settings));
}

/** The sum of prices; null where one of them is not known. */
export function toSum(quotes: readonly (Quote | null)[]): Quote | null {
  return quotes.reduce<Quote | null>((sum, quote) => {
    if (sum === null || quote === null) return null;
    const sources = [sum, quote].filter(({ high }) => high > 0).map(({ source }) => source);
    const days = [sum.asOf, quote.asOf].filter((day) => day !== null).sort();
    return {
      currency: 'USD',
      low: sum.low + quote.low,
      high: sum.high + quote.high,
      source: [...new Set(sources)].join('; ') || free.source,
      asOf: days[0] ?? null, // the oldest: no price is newer than it seems
    };
  }, free);
}

/**
 * What an answer has cost, in dollars; null where the price is not known. The provider knows the prices, and its upper estimate of a
 * question whose answer may have n tokens is the price of an answer that has n. Where the tokens were not counted it is that of the
 * longest answer, so that never less is reckoned than was paid.
 */
export async function priceAnswer(
  client: ModelClient,
  { question, prediction }: { readonly question: PredictRequest; readonly prediction: Prediction },
  context: Context,
): Promise<number | null> {
  const { generation } = client.settings;
  const maxTokens = prediction.tokens == null ? generation.maxTokens : Math.max(1, prediction.tokens.output);
  const settings = { ...client.settings, generation: { ...generation, maxTokens } };
  return (await quoteAnswers({ ...client, settings }, [question], context))?.high ?? null;
}
