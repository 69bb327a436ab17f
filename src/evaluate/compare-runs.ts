import type { Context, Provider } from '../contract/provider.ts';
import type { ClassificationRow } from '../dataset/map-row.ts';
import { Failure } from '../failure.ts';
import type { RunPlan } from '../run/event.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunId } from '../run/run-view.ts';
import type { Store } from '../store/open-store.ts';
import { compareModels, type Contender } from './compare-models.ts';
import type { Comparison } from './compare.ts';

export interface ComparisonWorld {
  readonly store: Store;
  readonly context: Context;
  provider(id: string, target: string): Provider;
  readPart(plan: RunPlan, part: { readonly test: string }): AsyncIterable<ClassificationRow>;
}

/**
 * Compares the finished of these runs, newest first, on each held-out set of the newest one; a run with other held-out rows is left
 * out and named. `limit` takes only the first rows.
 * @throws Failure `run-not-found` where none has a model
 */
export async function compareRuns(world: ComparisonWorld, runs: readonly StoredRun[], limit = Infinity): Promise<Comparison[]> {
  const canAnswer = ({ record: { plan } }: StoredRun): boolean =>
    world.provider(plan.spec.provider, plan.spec.target).predict !== undefined;
  const ended = runs.filter(({ record }) => record.artifacts.length > 0);
  const finished = ended.filter(canAnswer);
  const [newest] = finished;
  if (newest === undefined && ended.length > 0) return [];
  if (newest === undefined) {
    throw new Failure('run-not-found', 'none of these runs has a tuned model yet', { hint: '`orchestrate wait` waits for it' });
  }
  const { plan } = newest.record;
  const { spec, facts } = plan;
  const comparisons: Comparison[] = [];
  for (const [set, part] of Object.entries(facts.test)) {
    const isAlike = ({ record }: StoredRun): boolean => record.plan.facts.test[set]?.sha256 === part.sha256;
    const rows = (await Array.fromAsync(world.readPart(plan, { test: set }))).slice(0, limit);
    const heldOut = { job: spec.job, set, rows, labels: facts.labels, majority: facts.majority, margin: spec.evaluation.margin };
    const contenders = finished.filter(isAlike).map((run) => toContender(world, run));
    const comparison = await compareModels(world, heldOut, contenders);
    const left = finished.filter((run) => !isAlike(run)).map(({ record }) => `${toRunId(record)} has other held-out rows and is left out`);
    const cut = rows.length < part.rows ? [`only the first ${rows.length} of ${part.rows} rows were answered`] : [];
    comparisons.push({ ...comparison, notes: [...comparison.notes, ...left, ...cut] });
  }
  return comparisons;
}

function toContender(world: ComparisonWorld, { record }: StoredRun): Contender {
  const { spec, request } = record.plan;
  const provider = world.provider(spec.provider, spec.target);
  return {
    name: spec.target,
    run: toRunId(record),
    provider,
    untrained: provider.baseModel?.(request) ?? null,
    tuned: record.artifacts[0]!.model,
  };
}
