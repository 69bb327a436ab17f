import type { Quote } from '../provider/provider.ts';
import { isFailure } from '../errors.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { ReferenceSpec } from '../job/run-spec.ts';
import { answerRows, type AnswerWorkspace, type SpendMeter } from './answer-rows.ts';
import { askCommand } from './ask-command.ts';
import { checkDeployed } from './check-deployed.ts';
import type { Comparison } from './compare.ts';
import type { Candidate_ } from './candidates.ts';
import { findReferences, type ReferencesToFind } from './find-references.ts';
import { findHeldOut, type EvaluationWorkspace } from './held-out.ts';
import { isCached } from './model-cache.ts';
import { findOpenQuestions, quoteQuestions, type Ask } from './open-questions.ts';
import { payForAnswers, type SpendLimit } from './pay-for-answers.ts';
import { scoreHeldOut, type EvaluationSet_, type Unfit } from './score-held-out.ts';

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
export async function evaluateRuns(workspace: EvaluationWorkspace, scope: Scope, limit: SpendLimit): Promise<Comparison[]> {
  const contests = await findContests(workspace, scope, { isLenient: false });
  const asks = contests.flatMap(toAsks);
  await checkDeployed(workspace, scope.runs, asks);
  const unfit = await payForAnswers(workspace, { limit, asks }, async (meter) => {
    // Before anything is paid.
    for (const command of contests.flatMap(({ references }) => references.commands)) await askCommand(workspace, command);
    return await answerAll(workspace, asks, meter);
  });
  return await Promise.all(contests.map(async (contest) => await scoreHeldOut(workspace, contest, unfit)));
}

/**
 * The same from what is there: only models on this machine are asked, no service, no command, and nothing that may cost; a model whose
 * answers are not all kept is left out and named.
 * @throws Failure as `findHeldOut`, `answerRows` and `chooseReference`
 */
export async function compareRuns(workspace: EvaluationWorkspace, scope: Scope): Promise<Comparison[]> {
  const contests = await findContests(workspace, scope, { isLenient: true });
  const unfit = await answerAll(workspace, contests.flatMap(toAsks).filter(isAtHand));
  return await Promise.all(contests.map(async (contest) => await scoreHeldOut(workspace, contest, unfit)));
}

/** What `evaluateRuns` will cost; null where a price is not known. Asks nothing. What a command costs nobody knows: it is not in it. */
export async function estimateRuns(workspace: EvaluationWorkspace, scope: Scope): Promise<Quote | null> {
  const contests = await findContests(workspace, scope, { isLenient: true });
  return await quoteQuestions(await findOpenQuestions(workspace.store, contests.flatMap(toAsks)), workspace.context);
}

async function findContests(
  workspace: EvaluationWorkspace,
  { address, runs, references: specs, wanted, margin, limit }: Scope,
  { isLenient }: Pick<ReferencesToFind, 'isLenient'>,
): Promise<EvaluationSet_[]> {
  const contests: EvaluationSet_[] = [];
  for (const set of await findHeldOut(workspace, runs, limit)) {
    const references = await findReferences(workspace, { specs, isLenient, wanted }, set);
    contests.push({ heldOut: margin === undefined ? set : { ...set, margin }, references, wanted, address });
  }
  return contests;
}

function toAsks({ heldOut, references }: EvaluationSet_): Candidate_[] {
  return [...heldOut.entrants, ...references.models];
}

function isOfThisMachine({ client: { provider, model } }: Ask): boolean {
  return model.kind !== 'endpoint' && provider.inference?.quote === undefined;
}

/** A model in a repository counts once it has been brought here. */
function isAtHand(ask: Ask): boolean {
  const { model, cache } = ask.client;
  return isOfThisMachine(ask) && (model.kind !== 'repository' || (cache !== undefined && isCached(cache)));
}

/**
 * Models on this machine first, two at once: each is a process of its own, and one that fails does so before anything is paid. Says why
 * of models from repositories that this machine cannot answer with: the others have nothing to do with it.
 */
async function answerAll(workspace: AnswerWorkspace, asks: readonly Ask[], meter?: SpendMeter): Promise<Unfit> {
  const unfit = new Map<Ask, string>();
  const folders = asks.filter(isOfThisMachine);
  const services = asks.filter((ask) => !isOfThisMachine(ask));
  const pairs = folders.flatMap((_, i) => (i % 2 === 0 ? [folders.slice(i, i + 2)] : []));
  for (const together of [...pairs, ...services.map((ask) => [ask])]) {
    const ends = await Promise.allSettled(
      together.map(async ({ client, questions }) => await answerRows(workspace, client, { questions, meter })),
    );
    for (const [i, end] of ends.entries()) {
      if (end.status === 'fulfilled') continue;
      const ask = together[i]!;
      if (ask.client.model.kind !== 'repository' || !isFailure(end.reason, 'model-invalid')) throw end.reason;
      unfit.set(ask, end.reason.message);
    }
  }
  return unfit;
}
