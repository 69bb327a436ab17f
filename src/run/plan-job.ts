import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import type { Store } from '../store/open-store.ts';
import type { RunPlan } from './event.ts';
import { inspectJobData, planRun } from './plan.ts';
import { readPart } from './read-part.ts';
import { listRuns } from './run-store.ts';
import { hashJson } from '../lib/json.ts';

export interface PlanJobOptions {
  /** The targets to plan; all when absent. */
  readonly targets?: readonly string[] | undefined;
  /** A new run although the same job has been run before. */
  readonly again?: boolean | undefined;
}

export interface PlanWorkspace {
  readonly store: Store;
  readonly dir: string;
  readonly context: Context;
  provider(id: string, target: string): Provider;
}

/** Plans each target of a job; the data is read once. */
export async function planJob(
  { store, dir, context, provider: findProvider }: PlanWorkspace,
  job: JobFile,
  { targets, again }: PlanJobOptions,
): Promise<RunPlan[]> {
  const asked = (targets ?? Object.keys(job.spec.targets)).map((name) => {
    const spec = resolveTarget(job.spec, name, job.folder);
    return { spec, provider: findProvider(spec.provider, spec.target) };
  });
  const facts = await inspectJobData(asked[0]!.spec);
  const plans: RunPlan[] = [];
  for (const { spec, provider } of asked) {
    const quote = { ...context, facts, readRows: (part: 'train' | 'validation') => readPart(dir, { facts, spec }, part) };
    const first = await planRun(spec, provider, { facts, generation: 1, quote });
    const generation = again === true ? (await findGeneration(store, first)) + 1 : 1;
    plans.push(generation === 1 ? first : await planRun(spec, provider, { facts, generation, quote }));
  }
  return plans;
}

/** How often this very job has been run; 0 for a new one. */
async function findGeneration(store: Store, { spec, fingerprint }: RunPlan): Promise<number> {
  const runs = await listRuns(store, { job: spec.job, target: spec.target });
  const same = runs.filter(({ record }) => hashJson(record.plan.fingerprint) === hashJson(fingerprint));
  return Math.max(0, ...same.map(({ record }) => record.plan.generation));
}
