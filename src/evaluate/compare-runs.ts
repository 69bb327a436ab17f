import type { Quote } from '../provider/provider.ts';
import { isFailure } from '../errors.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { ReferenceSpec } from '../job/run-spec.ts';
import { answerRows, type AnswerWorld, type Till } from './answer-rows.ts';
import { askCommand } from './ask-command.ts';
import { checkDeployed } from './check-deployed.ts';
import type { Comparison } from './compare.ts';
import type { Entrant } from './candidates.ts';
import { findReferences, type ReferencesToFind } from './find-references.ts';
import { findHeldOut, type EvaluationWorld } from './held-out.ts';
import { isHome } from './model-cache.ts';
import { findOpenQuestions, quoteQuestions, type Ask } from './open-questions.ts';
import { payForAnswers, type Bill } from './pay-for-answers.ts';
import { scoreHeldOut, type Contest, type Unfit } from './score-held-out.ts';

/** What is compared. */
export interface Scope {
  /** Of the runs, for messages. */
  readonly address: string;
  /** Newest first. */
  readonly runs: readonly StoredRun[];
  /** Models that are only scored, by name. */
  readonly references: Readonly<Record<string, ReferenceSpec>>;
  /** Who is to be the reference, as `chooseReference` reads it. */
  readonly wanted?: string | undefined;
  /** In the place of the job's. */
  readonly margin?: number | undefined;
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/**
 * Has the models of the finished runs, before and after training, and the references answer the held-out rows, and compares them: one
 * comparison a set.
 * @throws Failure as `findHeldOut`, `findReferences`, `payForAnswers`, `askCommand`, `answerRows` and `chooseReference`
 */
export async function evaluateRuns(world: EvaluationWorld, scope: Scope, bill: Bill): Promise<Comparison[]> {
  const contests = await findContests(world, scope, { isLenient: false });
  const asks = contests.flatMap(toAsks);
  await checkDeployed(world, scope.runs, asks);
  const unfit = await payForAnswers(world, { bill, asks }, async (till) => {
    // Before anything is paid.
    for (const command of contests.flatMap(({ references }) => references.commands)) await askCommand(world, command);
    return await answerAll(world, asks, till);
  });
  return await Promise.all(contests.map(async (contest) => await scoreHeldOut(world, contest, unfit)));
}

/**
 * The same from what is there: only models on this machine are asked, no service, no command, and nothing that may cost; a model whose
 * answers are not all kept is left out and named.
 * @throws Failure as `findHeldOut`, `answerRows` and `chooseReference`
 */
export async function compareRuns(world: EvaluationWorld, scope: Scope): Promise<Comparison[]> {
  const contests = await findContests(world, scope, { isLenient: true });
  const unfit = await answerAll(world, contests.flatMap(toAsks).filter(isAtHand));
  return await Promise.all(contests.map(async (contest) => await scoreHeldOut(world, contest, unfit)));
}

/** What `evaluateRuns` will cost; null where a price is not known. Asks nothing. What a command costs nobody knows: it is not in it. */
export async function estimateRuns(world: EvaluationWorld, scope: Scope): Promise<Quote | null> {
  const contests = await findContests(world, scope, { isLenient: true });
  return await quoteQuestions(await findOpenQuestions(world.store, contests.flatMap(toAsks)), world.context);
}

async function findContests(
  world: EvaluationWorld,
  { address, runs, references: specs, wanted, margin, limit }: Scope,
  { isLenient }: Pick<ReferencesToFind, 'isLenient'>,
): Promise<Contest[]> {
  const contests: Contest[] = [];
  for (const set of await findHeldOut(world, runs, limit)) {
    const references = await findReferences(world, { specs, isLenient, wanted }, set);
    contests.push({ heldOut: margin === undefined ? set : { ...set, margin }, references, wanted, address });
  }
  return contests;
}

function toAsks({ heldOut, references }: Contest): Entrant[] {
  return [...heldOut.entrants, ...references.models];
}

function isOfThisMachine({ answerer: { provider, model } }: Ask): boolean {
  return model.kind !== 'endpoint' && provider.quotePredictions === undefined;
}

/** A model in a repository counts once it has been brought here. */
function isAtHand(ask: Ask): boolean {
  const { model, home } = ask.answerer;
  return isOfThisMachine(ask) && (model.kind !== 'repository' || (home !== undefined && isHome(home)));
}

/**
 * Models on this machine first, two at once: each is a process of its own, and one that fails does so before anything is paid. Says why
 * of models from repositories that this machine cannot answer with: the others have nothing to do with it.
 */
async function answerAll(world: AnswerWorld, asks: readonly Ask[], till?: Till): Promise<Unfit> {
  const unfit = new Map<Ask, string>();
  const folders = asks.filter(isOfThisMachine);
  const services = asks.filter((ask) => !isOfThisMachine(ask));
  const pairs = folders.flatMap((_, i) => (i % 2 === 0 ? [folders.slice(i, i + 2)] : []));
  for (const together of [...pairs, ...services.map((ask) => [ask])]) {
    const ends = await Promise.allSettled(
      together.map(async ({ answerer, questions }) => await answerRows(world, answerer, { questions, till })),
    );
    for (const [i, end] of ends.entries()) {
      if (end.status === 'fulfilled') continue;
      const ask = together[i]!;
      if (ask.answerer.model.kind !== 'repository' || !isFailure(end.reason, 'model-invalid')) throw end.reason;
      unfit.set(ask, end.reason.message);
    }
  }
  return unfit;
}
