import type { JobRef } from '../provider/job.ts';
import { advance } from './advance.ts';
import type { Driver } from './driver.ts';
import type { RunPlan } from './event.ts';
import { takeLease } from './lease.ts';
import { acceptFoundRun, appendEvents, findRun, listRuns, type StoredRun } from './run-store.ts';
import { hashJson } from '../lib/json.ts';

/**
 * Takes a job that somebody made elsewhere into the store as a run, and looks at it. A job that a run points to already is that run.
 * Nothing is created at the provider, and no money is set aside: the plan has no price, as the job is paid for.
 * @param plan what the run is made from; a further generation of it where `isAgain`
 */
export async function adoptJob(
  driver: Driver,
  { job, plan }: { readonly job: JobRef; plan(isAgain: boolean): Promise<RunPlan> },
): Promise<StoredRun> {
  const known = await findRunOfJob(driver, job);
  if (known !== null) return await advance(driver, known);
  const chosen = await choosePlan(driver, plan);
  const { run } = await acceptFoundRun(driver.store, chosen, driver.now().toISOString());
  const lease = await takeLease(driver.store, run.key, driver);
  if (lease === null) return run; // another process imports it at this moment
  try {
    // Nobody has submitted this key, so that there is no second job of it to look for.
    const events = [{ type: 'job-adopted', job } as const, { type: 'submission-checked', job } as const];
    const present = (await findRun(driver.store, run.key))!;
    if (isFree(present)) await appendEvents(driver.store, run.key, { events, at: driver.now().toISOString(), fence: lease.fence });
  } finally {
    await lease.release();
  }
  return await advance(driver, (await findRun(driver.store, run.key))!);
}

async function findRunOfJob({ store }: Driver, { provider, id, location }: JobRef): Promise<StoredRun | null> {
  const runs = await listRuns(store);
  return runs.find(({ record: { job } }) => job?.provider === provider && job.id === id && job.location === location) ?? null;
}

/** Two jobs of a service may be equal in all that a job file says: the second is a further generation, as with `submit --again`. */
async function choosePlan({ store }: Driver, plan: (isAgain: boolean) => Promise<RunPlan>): Promise<RunPlan> {
  const first = await plan(false);
  const taken = await findRun(store, first.key);
  if (taken === null) return first;
  // An import that was interrupted before its job was stored goes on with the run that it accepted.
  const runs = await listRuns(store, { job: first.spec.job, target: first.spec.target });
  const begun = runs.find((run) => isFree(run) && hashJson(run.record.plan.fingerprint) === hashJson(first.fingerprint));
  return begun?.record.plan ?? (await plan(true));
}

function isFree({ record }: StoredRun): boolean {
  return record.state === 'accepted' && record.job === null;
}
