import { mkdir } from 'node:fs/promises';
import type { Attempt } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';
import { Failure, toFailureData } from '../errors.ts';
import type { RunEvent } from './event.ts';
import type { Driver, Step } from './driver.ts';
import { takeLease } from './lease.ts';
import { pollRun } from './poll.ts';
import { appendEvents, findRun, LostLease, type StoredRun } from './run-store.ts';
import { adoptOldestJob, reconcile } from './reconcile.ts';
import { isEnded } from './transitions.ts';
import { hashJson } from '../lib/json.ts';

/**
 * Takes a run one step further and stores the outcome: the only driver of a run. One that has ended, that needs a person, that is in
 * other hands, or that only a submission may take further, comes back as it stands in the store.
 */
export async function advance(driver: Driver, seen: StoredRun): Promise<StoredRun> {
  if (isEnded(seen.record.state) || seen.record.state === 'attention') return seen;
  const lease = await takeLease(driver.store, seen.key, driver);
  const run = (await findRun(driver.store, seen.key))!;
  if (lease === null) return run;
  try {
    const append: Step['append'] = async (events, look) =>
      await appendEvents(driver.store, run.key, { events, at: driver.now().toISOString(), fence: lease.fence, ...look });
    return await takeStep({ driver, run, provider: driver.provider(run), context: driver.attempt(run), append });
  } catch (error) {
    if (!(error instanceof LostLease)) throw error;
    return (await findRun(driver.store, run.key))!;
  } finally {
    // A release that fails must not hide what went wrong: the lease runs out by itself.
    await lease.release().catch(() => {});
  }
}

async function takeStep(step: Step): Promise<StoredRun> {
  const { run, driver, provider, context } = step;
  const { record } = run;
  switch (record.state) {
    case 'accepted':
    case 'preparing':
      if (record.cancelRequested) return await step.append([{ type: 'run-withdrawn' }]);
      return driver.mayCreate ? await goOn(step) : run;
    case 'submitting': {
      // The process that stored the intent has not stored its end: nobody knows whether the call was made.
      const failure = toFailureData(new Failure('service-unavailable', 'the submitting process ended before the answer was stored'));
      return await step.append([{ type: 'submission-unanswered', attempt: record.attempt, failure }]);
    }
    case 'uncertain':
      return await step.append(await reconcile(provider, record, context));
    case 'attention':
    case 'rejected':
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return run;
    default:
      return await pollRun(step);
  }
}

/**
 * The state may have been lost, or an older copy of it may have come back: a job of this key that exists already is adopted, never
 * made again. So it is looked for before anything is prepared, and again before the call that may cost.
 */
async function goOn(step: Step): Promise<StoredRun> {
  const { state, prepared, attempt } = step.run.record;
  const mine = prepared[attempt - 1];
  if (state === 'preparing' && mine === undefined) return await prepare(step);
  const found = await adoptOldestJob(step.provider, step.run.record, step.context);
  if (found !== null) return await step.append([...found.events, { type: 'job-adopted', job: found.job }]);
  return mine === undefined ? await prepare(step) : await submit(step, mine);
}

async function prepare({ run, provider, context, append }: Step): Promise<StoredRun> {
  await mkdir(context.workDir, { recursive: true, mode: 0o700 });
  const prepared = await provider.training.prepare(run.record.plan.request, context);
  return await append([{ type: 'submission-prepared', attempt: run.record.attempt, prepared }]);
}

async function submit({ run, provider, context, append }: Step, prepared: unknown): Promise<StoredRun> {
  const { plan, attempt } = run.record;
  const wire = provider.training.bind(plan.request, prepared, plan.key, attempt);
  context.signal.throwIfAborted();
  // The intent is on the disk before the call that may cost.
  const intended = await append([{ type: 'submission-intended', attempt, wire, hash: hashJson(wire) }]);
  if (intended.record.cancelRequested) {
    const failure = toFailureData(new Failure('interrupted', 'cancelled before it was sent'));
    return await append([{ type: 'submission-unsent', attempt, failure }]);
  }
  const outcome = await create(provider, { wire, attempt }, context);
  const stored = await append([outcome]);
  if (outcome.type !== 'submission-rejected') return stored;
  const events = await discard(provider, prepared, context);
  return events.length === 0 ? stored : await append(events);
}

/** Once the service has refused, what was prepared is of no use. That it stays there is said, and hides no refusal. */
async function discard(provider: Provider, prepared: unknown, context: Attempt): Promise<RunEvent[]> {
  try {
    await provider.training.discard?.(prepared, context);
    return [];
  } catch (error) {
    const message = `what was sent in preparation is still at the service: ${toFailureData(error).message}`;
    return [{ type: 'note-added', note: { type: 'warning', message } }];
  }
}

async function create(provider: Provider, { wire, attempt }: { wire: unknown; attempt: number }, context: Attempt): Promise<RunEvent> {
  try {
    return { type: 'job-submitted', job: await provider.training.create(wire, context) };
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
