import { mkdir } from 'node:fs/promises';
import type { Attempt } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';
import { Failure, failureKinds, isFailure, toFailureData } from '../errors.ts';
import { hashJson } from '../lib/json.ts';
import type { RunEvent } from './event.ts';
import { withLease } from './lease.ts';
import { pollRun, type Step } from './poll.ts';
import { adoptOldestJob, reconcile } from './reconcile.ts';
import { reserveAgain } from './accept.ts';
import { findRun, type StoredRun } from './run-store.ts';
import { quoteLate } from './late-price.ts';
import { isEnded } from './transitions.ts';
import { createAttempt, getProvider, type Driver } from './workspace.ts';

/**
 * Takes a run one step further and stores the outcome; nothing else drives a run. It is returned unchanged if it has ended, if a person
 * has to decide, if another process works on it, or if only a submission may take it further.
 */
export async function advance(driver: Driver, seen: StoredRun): Promise<StoredRun> {
  if (isEnded(seen.record.state) || seen.record.state === 'attention') return seen;
  const advanced = await withLease(driver, seen.key, async (run, append) => {
    return await takeStep({ driver, run, provider: getProvider(driver, run), context: createAttempt(driver, run), append });
  });
  return advanced ?? (await findRun(driver.store, seen.key))!;
}

async function takeStep(step: Step): Promise<StoredRun> {
  const { run, driver, provider, context } = step;
  const { record } = run;
  switch (record.state) {
    case 'accepted':
    case 'preparing':
      if (record.cancelRequested) return await step.append([{ type: 'run-withdrawn' }]);
      if (!driver.mayCreate) return run;
      await reserveAgain(driver.store, run, context.now().toISOString()); // another process may have failed meanwhile
      return await continueSubmission(step);
    case 'submitting': {
      // The process that stored the intent did not store the outcome: it is unknown whether it made the call.
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
 * The state may have been lost, or replaced by an older copy: a job with this key that exists already is adopted, never made again. So
 * it is searched for before anything is prepared, and again before the call that may cost.
 */
async function continueSubmission(step: Step): Promise<StoredRun> {
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

async function submit(step: Step, prepared: unknown): Promise<StoredRun> {
  const { run, provider, context, append } = step;
  const { plan, attempt } = run.record;
  const wire = provider.training.bind(plan.request, prepared, plan.key, attempt);
  context.signal.throwIfAborted();
  await settlePrice(step, { prepared, wire });
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

/** The late price of a submission; what was uploaded for one that is refused is deleted again, and submitted again, the run begins anew. */
async function settlePrice(step: Step, { prepared, wire }: { readonly prepared: unknown; readonly wire: unknown }): Promise<void> {
  const { run, driver, provider, context, append } = step;
  try {
    const events = await quoteLate(driver.store, run.record, { provider, wire, context });
    if (events.length > 0) await append(events);
  } catch (error) {
    if (isFailure(error) && !failureKinds[error.code].retryable) {
      const { attempt } = run.record;
      await append([...(await discard(provider, prepared, context)), { type: 'submission-discarded', attempt }]);
    }
    throw error;
  }
}

/** Deletes what was prepared for a submission that the service has refused. A failure is only noted, so that it hides no refusal. */
async function discard(provider: Provider, prepared: unknown, context: Attempt): Promise<RunEvent[]> {
  try {
    await provider.training.discard?.(prepared, context);
    return [];
  } catch (error) {
    const message = `prepared data could not be deleted at the service: ${toFailureData(error).message}`;
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
