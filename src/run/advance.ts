import type { Attempt, JobRef, Observation, Provider } from '../contract/provider.ts';
import { SubmitFailure } from '../contract/provider.ts';
import { toFailureData } from '../failure.ts';
import { toJsonHash } from '../spec/run-key.ts';
import type { Store } from '../store/open-store.ts';
import type { RunEvent } from './event.ts';
import { appendEvents, findRun, StaleRun, type StoredRun } from './run-store.ts';
import { settle } from './settle.ts';
import { isEnded } from './transitions.ts';

/** What `advance` works with. It holds no state of its own: all that it knows of a run comes from the store. */
export interface Driver {
  readonly store: Store;
  provider(run: StoredRun): Provider;
  /** The context for the run's present attempt. */
  attempt(run: StoredRun): Attempt;
  /** Whether `create` may be called: only a submission may pay, never a wait. */
  readonly mayCreate: boolean;
}

/**
 * Takes a run one step further and stores the outcome: the only driver of a run. A run that cannot be taken further without
 * `mayCreate`, or that has ended, comes back as it is.
 */
export async function advance(driver: Driver, run: StoredRun): Promise<StoredRun> {
  try {
    return await step(driver, run);
  } catch (error) {
    if (!(error instanceof StaleRun)) throw error;
    // Another process was quicker: what it stored counts.
    return (await findRun(driver.store, run.key))!;
  }
}

async function step(driver: Driver, run: StoredRun): Promise<StoredRun> {
  const { record } = run;
  const { state } = record;
  const withdrawn = state === 'accepted' || state === 'preparing';
  if (withdrawn && record.cancelRequested) return await append(driver, run, [{ type: 'run-withdrawn' }]);
  if (isEnded(state) || state === 'attention') return run;
  switch (state) {
    case 'accepted':
      return driver.mayCreate ? await lookThenPrepare(driver, run) : run;
    case 'preparing':
      return driver.mayCreate ? await prepareOrSubmit(driver, run) : run;
    case 'submitting':
      // The process that stored the intent has not stored its end: nobody knows whether the call was made.
      return await append(driver, run, [
        { type: 'submission-unanswered', attempt: record.attempt, failure: toFailureData(new Error('interrupted')) },
      ]);
    case 'uncertain':
      return await append(driver, run, [await settle(driver.provider(run), record, driver.attempt(run))]);
    default:
      return await observe(driver, run, record.job!);
  }
}

async function append(driver: Driver, run: StoredRun, events: readonly RunEvent[]): Promise<StoredRun> {
  const at = driver.attempt(run).now().toISOString();
  return await appendEvents(driver.store, run, { events, at });
}

/** The state may have been lost: a job of this key that exists already is adopted, never made again. */
async function lookThenPrepare(driver: Driver, run: StoredRun): Promise<StoredRun> {
  const found = await driver.provider(run).find(run.record.plan.request, run.record.prepared, driver.attempt(run));
  if (found[0] !== undefined) return await append(driver, run, [{ type: 'job-adopted', job: found[0] }]);
  return await prepare(driver, run);
}

async function prepare(driver: Driver, run: StoredRun): Promise<StoredRun> {
  const prepared = await driver.provider(run).prepare(run.record.plan.request, driver.attempt(run));
  return await append(driver, run, [{ type: 'submission-prepared', attempt: run.record.attempt, prepared }]);
}

async function prepareOrSubmit(driver: Driver, run: StoredRun): Promise<StoredRun> {
  const { plan, attempt, prepared } = run.record;
  const mine = prepared[attempt - 1];
  if (mine === undefined) return await prepare(driver, run);
  const provider = driver.provider(run);
  const wire = provider.bind(plan.request, mine, plan.key, attempt);
  // The intent is on the disk before the call that may cost.
  const intended = await append(driver, run, [{ type: 'submission-intended', attempt, wire, hash: toJsonHash(wire) }]);
  return await append(driver, intended, [await create(provider, intended, driver.attempt(intended))]);
}

async function create(provider: Provider, run: StoredRun, c: Attempt): Promise<RunEvent> {
  const { attempt } = run.record;
  try {
    return { type: 'job-submitted', job: await provider.create(run.record.wire, c) };
  } catch (error) {
    const failure = error instanceof SubmitFailure ? error.failure : toFailureData(error);
    switch (error instanceof SubmitFailure ? error.sent : 'unknown') {
      case 'no':
      case 'limited':
        return { type: 'submission-unsent', attempt, failure };
      case 'refused':
        return { type: 'submission-rejected', attempt, failure };
      case 'unknown':
        return { type: 'submission-unanswered', attempt, failure };
    }
  }
}

async function observe(driver: Driver, run: StoredRun, job: JobRef): Promise<StoredRun> {
  const provider = driver.provider(run);
  const c = driver.attempt(run);
  if (run.record.cancelRequested && provider.cancel !== undefined && run.record.state !== 'cancelling') await provider.cancel(job, c);
  const seen = await provider.observe(job, run.look?.cursor ?? null, c);
  const now = c.now();
  const look = {
    cursor: seen.cursor,
    progress: seen.progress ?? run.look?.progress ?? null,
    at: now.toISOString(),
    error: null,
    nextAt: new Date(now.getTime() + seen.nextInMs).toISOString(),
  };
  return await appendEvents(driver.store, run, {
    events: toEvents(run, seen),
    at: now.toISOString(),
    look,
    metrics: seen.metrics,
    logs: seen.logs,
  });
}

/** What of an observation is news for the run's history. */
function toEvents(run: StoredRun, seen: Observation<unknown>): RunEvent[] {
  const { status, startedAt, finishedAt } = seen;
  const changed = status.phase !== run.record.state || status.raw !== run.record.raw;
  return [
    ...(changed ? [{ type: 'status-changed', status, startedAt, finishedAt } as const] : []),
    ...seen.artifacts.map((artifact) => ({ type: 'artifact-found', artifact }) as const),
    ...seen.notes.map((note) => ({ type: 'note-added', note }) as const),
    ...(seen.failure === null ? [] : [{ type: 'job-failed', failure: seen.failure } as const]),
  ];
}
