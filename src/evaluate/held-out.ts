import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { getExpectedAnswer } from '../dataset/chat.ts';
import type { ChatRow, ClassificationRow, Row } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import type { RunPlan } from '../run/event.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunId, toRunView } from '../run/run-view.ts';
import type { Store } from '../store/open-store.ts';
import { getPromptSettings, type PromptSettings } from './prompt-settings.ts';
import { toTunedModel } from './check-deployed.ts';
import type { ComparisonInput, Measure } from './compare.ts';
import { findPredictProblem, getCacheFolder } from './model-cache.ts';
import { toEntrants, type Contender_, type Candidate_ } from './candidates.ts';
import type { AskedRow } from './to-question.ts';

export interface EvaluationWorkspace {
  readonly store: Store;
  readonly context: Context;
  /** The state folder. */
  readonly dir: string;
  provider(id: string, target: string): Provider;
  readPart(plan: RunPlan, part: { readonly test: string }): AsyncIterable<Row>;
}

/** One held-out set with the models that are to be scored on it. */
export interface HeldOut extends Omit<ComparisonInput, 'candidates' | 'referenceAmong'> {
  /** The most frequent training label; null where the task has none. */
  readonly majority: string | null;
  readonly rows: readonly AskedRow[];
  /** How models are asked that no run has made. */
  readonly settings: PromptSettings;
  readonly entrants: readonly Candidate_[];
  /** The addresses of finished runs that cannot be asked. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

type ScoredRow = ClassificationRow | ChatRow;

/** The tasks whose held-out rows have one right answer, and how that is measured. */
const measures: Readonly<Partial<Record<RunPlan['spec']['task'], Measure>>> = { classification: 'accuracy', chat: 'exact_match' };

/**
 * The held-out sets of the newest finished of these runs (newest first), with the models of all that have the same rows, by the names of
 * their targets; what is left out is named. None where the task is not scored so. `limit` takes only the first rows.
 * @throws Failure `run-not-found` where none has a model
 */
export async function findHeldOut(workspace: EvaluationWorkspace, runs: readonly StoredRun[], limit = Infinity): Promise<HeldOut[]> {
  const ended = runs.filter(({ record }) => record.artifacts.length > 0);
  if (ended.length === 0) {
    throw new Failure('run-not-found', 'none of these runs has a tuned model yet', { hint: '`orchestrate wait` waits for it' });
  }
  const getPredictProblem = ({ record: { plan, artifacts } }: StoredRun): string | null =>
    findPredictProblem(workspace.provider(plan.spec.provider, plan.spec.target), artifacts[0]!.model);
  const finished = ended.filter((run) => getPredictProblem(run) === null);
  // Runs of one submission were accepted at the same moment: their order must not depend on chance.
  const ordered = finished.toSorted((a, b) => toRunId(a.record).localeCompare(toRunId(b.record), 'en'));
  const newest = finished[0] ?? ended[0]!;
  const measure = measures[newest.record.plan.spec.task];
  if (measure === undefined) return [];
  const { plan } = newest.record;
  const { spec, facts } = plan;
  const mute = ended.filter((run) => !finished.includes(run));
  const muteNotes = mute.map((run) => `${toRunId(run.record)} is left out: ${getPredictProblem(run)}`);
  const heldOut: HeldOut[] = [];
  for (const [set, part] of Object.entries(facts.test)) {
    const isAlike = ({ record }: StoredRun): boolean => record.plan.facts.test[set]?.sha256 === part.sha256;
    const read = ((await Array.fromAsync(workspace.readPart(plan, { test: set }))) as ScoredRow[]).slice(0, limit);
    const rows = read.filter((row) => getExpectedAnswer(row) !== null);
    if (rows.length === 0) continue;
    const unlike = ordered.filter((run) => !isAlike(run)).map(({ record }) => toRunId(record));
    const others = unlike.map((id) => `${id} has other held-out rows and is left out`);
    const cut = read.length < part.rows ? [`only the first ${read.length} of ${part.rows} rows were answered`] : [];
    const textless = read.length - rows.length;
    heldOut.push({
      job: spec.job,
      set,
      measure,
      margin: spec.evaluation.margin,
      labels: facts.labels,
      expected: rows.map((row) => getExpectedAnswer(row)!),
      majority: facts.majority,
      rows,
      settings: getPromptSettings(plan),
      entrants: toEntrants(
        ordered.filter(isAlike).map((run) => toContender(workspace, run)),
        rows,
      ),
      leftOut: [...unlike, ...mute.map(({ record }) => toRunId(record))],
      notes: [
        ...others,
        ...muteNotes,
        ...cut,
        ...(textless === 0 ? [] : [`${textless} of the rows expect no text as their answer and are left out`]),
      ],
    });
  }
  return heldOut;
}

function toContender(workspace: EvaluationWorkspace, run: StoredRun): Contender_ {
  const { plan } = run.record;
  const provider = workspace.provider(plan.spec.provider, plan.spec.target);
  return {
    name: plan.spec.target,
    run: toRunId(run.record),
    provider,
    settings: getPromptSettings(plan),
    untrained: provider.training.baseModel?.(plan.request, workspace.context) ?? null,
    tuned: toTunedModel(run),
    caches: { tuned: getCacheFolder(workspace, run.key, 'model'), untrained: getCacheFolder(workspace, run.key, 'base') },
    trainingUsd: toRunView(run, workspace.context.now()).cost.actual,
  };
}
