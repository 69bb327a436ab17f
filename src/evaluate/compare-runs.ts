import type { Quote } from '../contract/provider.ts';
import type { StoredRun } from '../run/run-store.ts';
import { answerRows, type AnswerWorld, type Stamp } from './answer-rows.ts';
import type { Comparison } from './compare.ts';
import { findHeldOut, type EvaluationWorld } from './held-out.ts';
import { findOpenQuestions, quoteQuestions, type Ask } from './open-questions.ts';
import { payForAnswers, type Bill } from './pay-for-answers.ts';
import { scoreHeldOut } from './score-held-out.ts';

export interface RunsToEvaluate {
  /** Newest first. */
  readonly runs: readonly StoredRun[];
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/**
 * Has the models of the finished runs, before and after training, answer the held-out rows, and compares them: one comparison a set.
 * @throws Failure as `findHeldOut`, `payForAnswers` and `answerRows`
 */
export async function evaluateRuns(world: EvaluationWorld, { runs, limit }: RunsToEvaluate, bill: Bill): Promise<Comparison[]> {
  const sets = await findHeldOut(world, runs, limit);
  const asks = sets.flatMap(({ entrants }) => entrants);
  await payForAnswers(world, { bill, asks }, async (stamp) => {
    await answerAll(world, asks, stamp);
  });
  return await Promise.all(sets.map(async (set) => await scoreHeldOut(world.store, set)));
}

/**
 * The same from what is there: only models on this machine are asked, and nothing that may cost; a model whose answers are not all
 * kept is left out and named.
 * @throws Failure as `findHeldOut` and `answerRows`
 */
export async function compareRuns(world: EvaluationWorld, runs: readonly StoredRun[]): Promise<Comparison[]> {
  const sets = await findHeldOut(world, runs);
  const asks = sets.flatMap(({ entrants }) => entrants);
  await answerAll(world, asks.filter(isOfThisMachine));
  return await Promise.all(sets.map(async (set) => await scoreHeldOut(world.store, set)));
}

/** What `evaluateRuns` will cost; null where a price is not known. Asks nothing. */
export async function estimateRuns(world: EvaluationWorld, { runs, limit }: RunsToEvaluate): Promise<Quote | null> {
  const sets = await findHeldOut(world, runs, limit);
  const open = await findOpenQuestions(
    world.store,
    sets.flatMap(({ entrants }) => entrants),
  );
  return await quoteQuestions(open, world.context);
}

function isOfThisMachine({ answerer: { provider, model } }: Ask): boolean {
  return model.kind === 'folder' && provider.quotePredictions === undefined;
}

/** Models on this machine first, two at once: each is a process of its own, and one that fails does so before anything is paid. */
async function answerAll(world: AnswerWorld, asks: readonly Ask[], stamp?: Stamp): Promise<void> {
  const folders = asks.filter(isOfThisMachine);
  const services = asks.filter((ask) => !isOfThisMachine(ask));
  const pairs = folders.flatMap((_, i) => (i % 2 === 0 ? [folders.slice(i, i + 2)] : []));
  for (const together of [...pairs, ...services.map((ask) => [ask])]) {
    const ends = await Promise.allSettled(
      together.map(async ({ answerer, questions }) => await answerRows(world, answerer, { questions, stamp })),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}
