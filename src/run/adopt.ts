import type { JobRef } from '../provider/job.ts';
import type { Note } from '../provider/note.ts';
import type { Failure } from '../errors.ts';
import { hashJson } from '../lib/json.ts';
import { advance } from './advance.ts';
import type { RunPlan } from './event.ts';
import { withLease } from './lease.ts';
import { adoptOldestJob } from './reconcile.ts';
import { createRecord } from './record.ts';
import { acceptFoundRun } from './accept.ts';
import { findRun, listRuns, type StoredRun } from './run-store.ts';
import { createAttempt, getProvider, type Driver } from './workspace.ts';

/**
 * For a state that was lost or is on another machine: searches the providers for jobs with the keys of these plans and adds the jobs that
 * it finds to the store. Submits nothing, and stores nothing for a plan without a job. A job that exists is paid for, so that no budget
 * refuses it.
 */
export async function adoptByKey(driver: Driver, plans: readonly RunPlan[]): Promise<StoredRun[]> {
  const { store, context } = driver;
  const adopted: StoredRun[] = [];
  for (const plan of plans) {
    const at = context.now().toISOString();
    const record = createRecord({ type: 'run-accepted', plan, number: 1 }, at);
    const unstored: StoredRun = { key: plan.key, version: 0, record, lastPoll: null, metrics: {} };
    const found = await adoptOldestJob(getProvider(driver, unstored), record, createAttempt(driver, unstored));
    if (found === null) continue;
    const { run, overrun } = await acceptFoundRun(store, plan, at);
    const notes = overrun === null ? [] : [{ type: 'note-added', note: createOverrunNote(overrun) } as const];
    const events = [...found.events, ...notes, { type: 'job-adopted', job: found.job } as const];
    const stored = await withLease(driver, run.key, async (_, append) => await append(events));
    if (stored !== null) adopted.push(stored); // else another process adopts it at this moment
  }
  return adopted;
}

function createOverrunNote({ message }: Failure): Note {
  return {
    type: 'warning',
    message: `the job was found at the provider and is paid for, although the budget has no room for it: ${message}`,
  };
}

/**
 * Adds a job that was made elsewhere to the store as a run, and polls it. A job that belongs to a run already is that run. Nothing is
 * created at the provider, and no money is reserved: the plan has no price, because the job is paid for.
 * @param plan what the run is made from; a further generation of it where `isAgain`
 */
export async function adoptJob(
  driver: Driver,
  { job, plan }: { readonly job: JobRef; plan(isAgain: boolean): Promise<RunPlan> },
): Promise<StoredRun> {
  const { store, context } = driver;
  const known = await findRunOfJob(driver, job);
  if (known !== null) return await advance(driver, known);
  const chosen = await choosePlan(driver, plan);
  const { run } = await acceptFoundRun(store, chosen, context.now().toISOString());
  // Nobody has submitted this key, so that there is no second job of it to search for.
  const events = [{ type: 'job-adopted', job } as const, { type: 'submission-checked', job } as const];
  const done = await withLease(driver, run.key, async (present, append) => (hasNoJob(present) ? await append(events) : present));
  return done === null ? run : await advance(driver, done); // null: another process imports it at this moment
}

async function findRunOfJob({ store }: Driver, { provider, id, location }: JobRef): Promise<StoredRun | null> {
  const runs = await listRuns(store);
  return runs.find(({ record: { job } }) => job?.provider === provider && job.id === id && job.location === location) ?? null;
}

/** Two jobs of a service may be equal in all that a job file says: the second is a further generation, as with `submit --again`. */
async function choosePlan({ store }: Driver, plan: (isAgain: boolean) => Promise<RunPlan>): Promise<RunPlan> {
  const first = await plan(false);
  if ((await findRun(store, first.key)) === null) return first;
  // An import that was interrupted before its job was stored continues with the run that it accepted.
  const runs = await listRuns(store, { job: first.spec.job, target: first.spec.target });
  const begun = runs.find((run) => hasNoJob(run) && hashJson(run.record.plan.fingerprint) === hashJson(first.fingerprint));
  return begun?.record.plan ?? (await plan(true));
}

function hasNoJob({ record }: StoredRun): boolean {
  return record.state === 'accepted' && record.job === null;
}
