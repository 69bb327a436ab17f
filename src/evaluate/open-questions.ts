import type { Context } from '../provider/context.ts';
import type { Quote } from '../provider/provider.ts';
import type { Store } from '../store/open-store.ts';
import { toUnanswered } from './answer-rows.ts';
import type { ModelClient } from './prompt-settings.ts';
import { quoteAnswers, toSum } from './price.ts';
import { readAnswers } from './stored-answers.ts';
import type { PredictRequest } from './to-question.ts';

/** A model and what it is asked. */
export interface Ask {
  readonly client: ModelClient;
  readonly questions: readonly PredictRequest[];
}

/** What has no answer yet: each question once, though several ask it. */
export async function findOpenQuestions(store: Store, asks: readonly Ask[]): Promise<Ask[]> {
  const seen = new Set<string>();
  const open: Ask[] = [];
  for (const { client, questions } of asks) {
    const ids = questions.map(({ id }) => id);
    const unanswered = toUnanswered(questions, await readAnswers(store, ids)).filter(({ id }) => !seen.has(id));
    for (const { id } of unanswered) seen.add(id);
    if (unanswered.length > 0) open.push({ client, questions: unanswered });
  }
  return open;
}

/** What the answers to all of them cost; null where the price of a model is not known. */
export async function quoteQuestions(asks: readonly Ask[], context: Context): Promise<Quote | null> {
  return toSum(await Promise.all(asks.map(async ({ client, questions }) => await quoteAnswers(client, questions, context))));
}
