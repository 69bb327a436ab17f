import type { JobRef } from '../provider/job.ts';
import { Failure } from '../errors.ts';
import type { Driver } from './driver.ts';
import type { RunEvent } from './event.ts';
import { takeLease } from './lease.ts';
import { appendEvents, findRun, LostLease, type StoredRun } from './run-store.ts';
import { toRunId } from './run-view.ts';
import { adoptOldestJob } from './reconcile.ts';

/** What a person found out about a submission without an answer. */
export type Decision =
  | { readonly kind: 'adopt'; /** The job's id at the provider. */ readonly id: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'cancel' };

/**
 * Ends a run's state `attention`: the job that was found is adopted, or the next attempt may begin (with the next `submit`), or the
 * run is given up.
 * @throws Failure `usage` where the run does not wait for a decision
 */
export async function resolveRun(driver: Driver, seen: StoredRun, decision: Decision): Promise<StoredRun> {
  return await withLease(driver, seen, async (run) => {
    if (run.record.state !== 'attention') {
      throw new Failure('usage', `${toRunId(run.record)} is ${run.record.state} and waits for no decision`);
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
 * Who says that there is no job may be wrong, or the call may still be on its way: it is fenced off, and its job looked for when one
 * that was made before the fence is surely listed.
 */
async function findAfterFence(driver: Driver, run: StoredRun): ReturnType<typeof adoptOldestJob> {
  const { prepared, attempt } = run.record;
  const provider = driver.provider(run);
  const context = driver.attempt(run);
  const mine = prepared[attempt - 1];
  if (provider.training.fence !== undefined && mine !== undefined) {
    await provider.training.fence(mine, context);
    await context.wait(provider.listingDelayMs);
  }
  return await adoptOldestJob(provider, run.record, context);
}

async function findJob(driver: Driver, run: StoredRun, id: string): Promise<JobRef> {
  const context = driver.attempt(run);
  const listed = await driver.provider(run).training.find(run.record.plan.request, run.record.prepared, context);
  const unlisted = {
    provider: run.record.plan.spec.provider,
    id,
    location: '',
    attempt: run.record.attempt,
    createdAt: driver.now().toISOString(),
    url: null,
  };
  return listed.find((job) => job.id === id) ?? unlisted;
}

/**
 * Lets a paused or interrupted run go on. The intent is stored before the call, which may cost.
 * @throws Failure `usage` where there is nothing to go on with
 */
export async function resumeRun(driver: Driver, seen: StoredRun): Promise<StoredRun> {
  return await withLease(driver, seen, async (run, append) => {
    const provider = driver.provider(run);
    if (run.record.state !== 'paused' && run.record.state !== 'interrupted') {
      throw new Failure('usage', `${toRunId(run.record)} is ${run.record.state}: only a paused or interrupted run can go on`);
    }
    if (provider.training.resume === undefined) throw new Failure('usage', `the provider ${provider.id} cannot resume a job`);
    await append([{ type: 'resume-intended' }]);
    return [{ type: 'job-resumed', job: await provider.training.resume(run.record.job!, driver.attempt(run)) }];
  });
}

async function withLease(
  driver: Driver,
  seen: StoredRun,
  decide: (run: StoredRun, append: (events: readonly RunEvent[]) => Promise<StoredRun>) => Promise<readonly RunEvent[]>,
): Promise<StoredRun> {
  const lease = await takeLease(driver.store, seen.key, driver);
  const inOtherHands = new Failure('store-locked', `another process works on ${toRunId(seen.record)}`, {
    hint: 'run the command again when it has ended',
  });
  if (lease === null) throw inOtherHands;
  try {
    const append = async (events: readonly RunEvent[]): Promise<StoredRun> =>
      await appendEvents(driver.store, seen.key, { events, at: driver.now().toISOString(), fence: lease.fence });
    return await append(await decide((await findRun(driver.store, seen.key))!, append));
  } catch (error) {
    throw error instanceof LostLease ? inOtherHands : error;
  } finally {
    await lease.release();
  }
}
