import type { JobRef } from '../provider/job.ts';
import { Failure, isFailure, toFailureData } from '../errors.ts';
import { advance } from './advance.ts';
import type { RunEvent } from './event.ts';
import { withLease, type Append } from './lease.ts';
import { adoptOldestJob } from './reconcile.ts';
import { isStopped, toRunId } from './record.ts';
import { appendEvents, type StoredRun } from './run-store.ts';
import { isEnded } from './transitions.ts';
import { createAttempt, getProvider, type Driver } from './workspace.ts';

/** What a person has found out about a submission without an answer. */
export type Decision =
  | { readonly kind: 'adopt'; /** The job's id at the provider. */ readonly id: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'cancel' };

/**
 * Ends the state `attention` of a run: the job that was found is adopted, or the next attempt may begin (with the next `submit`), or the
 * run is cancelled.
 * @throws Failure `usage` where the run does not wait for a decision, `store-locked` where another process works on it
 */
export async function resolveRun(driver: Driver, seen: StoredRun, decision: Decision): Promise<StoredRun> {
  return await changeRun(driver, seen, async (run) => {
    if (run.record.state !== 'attention') {
      throw new Failure('usage', `${toRunId(run.record)} is ${run.record.state} and does not wait for a decision`);
    }
    if (decision.kind === 'adopt') return [{ type: 'decision-made', decision: 'adopt', job: await findJob(driver, run, decision.id) }];
    const found = await findAfterFence(driver, run);
    if (found === null) return [{ type: 'decision-made', decision: decision.kind }];
    return [
      ...found.events,
      ...(decision.kind === 'cancel' ? [{ type: 'cancel-requested' } as const] : []),
      { type: 'job-adopted', job: found.job },
    ];
  });
}

/**
 * A person who reports that there is no job may be wrong, or the call may still be on its way. So the call is fenced off, and its job is
 * searched for once a job that was made before the fence is certainly listed.
 */
async function findAfterFence(driver: Driver, run: StoredRun): ReturnType<typeof adoptOldestJob> {
  const { prepared, attempt } = run.record;
  const provider = getProvider(driver, run);
  const context = createAttempt(driver, run);
  const mine = prepared[attempt - 1];
  if (provider.training.fence !== undefined && mine !== undefined) {
    await provider.training.fence(mine, context);
    await context.wait(provider.listingDelayMs);
  }
  return await adoptOldestJob(provider, run.record, context);
}

async function findJob(driver: Driver, run: StoredRun, id: string): Promise<JobRef> {
  const context = createAttempt(driver, run);
  const listed = await getProvider(driver, run).training.find(run.record.plan.request, run.record.prepared, context);
  const unlisted = {
    provider: run.record.plan.spec.provider,
    id,
    location: '',
    attempt: run.record.attempt,
    createdAt: driver.context.now().toISOString(),
    url: null,
  };
  return listed.find((job) => job.id === id) ?? unlisted;
}

/**
 * Resumes a paused or interrupted run. The intent is stored before the call, which may cost.
 * @throws Failure `usage` where there is nothing to resume, `store-locked` where another process works on the run
 */
export async function resumeRun(driver: Driver, seen: StoredRun): Promise<StoredRun> {
  return await changeRun(driver, seen, async (run, append) => {
    const provider = getProvider(driver, run);
    if (run.record.state !== 'paused' && run.record.state !== 'interrupted') {
      throw new Failure('usage', `${toRunId(run.record)} is ${run.record.state}: only a paused or interrupted run can be resumed`);
    }
    if (provider.training.resume === undefined) throw new Failure('usage', `the provider ${provider.id} cannot resume a job`);
    const isMended = isStopped(run.record);
    await append([{ type: 'resume-intended' }]);
    try {
      return [{ type: 'job-resumed', job: await provider.training.resume(run.record.job!, createAttempt(driver, run)) }];
    } catch (error) {
      if (isMended && isFailure(error)) await append([{ type: 'job-failed', failure: toFailureData(error) }]); // it is stopped still
      throw error;
    }
  });
}

/** Lets a run go on that a failure has stopped, now that its user has run the command again; any other run stays as it is. */
export async function resumeStopped(driver: Driver, run: StoredRun): Promise<StoredRun> {
  if (!isStopped(run.record)) return run;
  return await resumeRun(driver, run).catch((error: unknown) => {
    if (isFailure(error, 'store-locked')) return run; // another process does so
    throw error;
  });
}

/**
 * Stores a request of a person for each run that has not ended, and passes it on at once.
 * @returns the runs, in their order
 */
export async function requestControl(
  driver: Driver,
  runs: readonly StoredRun[],
  type: 'cancel-requested' | 'pause-requested',
): Promise<StoredRun[]> {
  return await Promise.all(
    runs.map(async (run) => {
      if (isEnded(run.record.state)) return run;
      const at = driver.context.now().toISOString();
      return await advance(driver, await appendEvents(driver.store, run.key, { events: [{ type }], at, fence: null }));
    }),
  );
}

async function changeRun(
  driver: Driver,
  { key, record }: StoredRun,
  decide: (run: StoredRun, append: Append) => Promise<readonly RunEvent[]>,
): Promise<StoredRun> {
  const changed = await withLease(driver, key, async (run, append) => await append(await decide(run, append)));
  if (changed !== null) return changed;
  throw new Failure('store-locked', `another process is working on ${toRunId(record)}`, {
    hint: 'run the command again when it has ended',
  });
}
