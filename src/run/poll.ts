import { isDeepStrictEqual } from 'node:util';
import type { Artifact, JobRef, Observation } from '../provider/job.ts';
import type { Note } from '../provider/note.ts';
import { Failure, isFailure, toFailureData } from '../errors.ts';
import type { Step } from './driver.ts';
import { longestPauseMs, getNextPollMs, getNextTryMs } from './cadence.ts';
import type { RunEvent } from './event.ts';
import { blockRequests, takeToken } from './limiter.ts';
import type { LastPoll, StoredRun } from './run-store.ts';
import { adoptOldestJob } from './reconcile.ts';

/** A job that was resumed so often without a new checkpoint does not get anywhere. */
const mostResumes = 3;

/** Looks at a run's job when it is time, and stores what is new. Failing to see a job is never a failure of the job. */
export async function pollRun(step: Step): Promise<StoredRun> {
  const { run, driver, provider, context } = step;
  const now = driver.now();
  if (!isPollDue(run, now) && driver.force !== true && !hasControlRequest(run)) return run;
  const { rate } = provider;
  if (rate !== undefined) await context.wait(await takeToken(driver.store, provider.id, { rate, at: now.getTime() }));
  try {
    return await pollJob(step);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error) || error.code === 'unexpected') throw error;
    return await storeFailedPoll(step, error);
  }
}

function isPollDue({ lastPoll: last }: StoredRun, now: Date): boolean {
  if (last?.nextPollAt == null) return true;
  const inMs = Date.parse(last.nextPollAt) - now.getTime();
  return inMs <= 0 || inMs > longestPauseMs;
}

/** A person wants something of the job that has not been passed on: that does not wait for the next look. */
function hasControlRequest({ record, lastPoll: last }: StoredRun): boolean {
  return (record.cancelRequested || record.pauseRequested) && last?.error == null;
}

async function pollJob(step: Step): Promise<StoredRun> {
  const { run, driver, provider, context } = step;
  const job = run.record.job!;
  const checked = await checkOnce(step, job);
  const current = checked?.job ?? job;
  if (run.record.cancelRequested && run.record.state !== 'cancelling') await provider.training.cancel?.(current, context);
  else if (run.record.pauseRequested && run.record.state !== 'paused') await provider.training.pause?.(current, context);
  const seen = await provider.training.observe(current, current.id === job.id ? (run.lastPoll?.cursor ?? null) : null, context);
  const other = await findSibling(step, current, seen);
  if (other !== null) return await step.append([{ type: 'submission-checked', job: other }]);
  const now = driver.now();
  const ageMs = now.getTime() - Date.parse(run.record.times.submitted ?? run.record.times.created);
  const nextInMs = seen.nextInMs ?? getNextPollMs({ ageMs, phase: seen.status.phase, random: driver.random() });
  const last: LastPoll = {
    cursor: seen.cursor,
    progress: seen.progress ?? run.lastPoll?.progress ?? null,
    at: now.toISOString(),
    error: null,
    failedPolls: null,
    nextPollAt: new Date(now.getTime() + Math.min(nextInMs, longestPauseMs)).toISOString(),
  };
  const stored = await step.append([...(checked?.events ?? []), ...toNews(run, seen)], {
    poll: last,
    metrics: seen.metrics,
    logs: seen.logs,
  });
  return stored.record.state === 'interrupted' && !stored.record.cancelRequested ? await resumeJob(step, stored) : stored;
}

/**
 * Once, a tenth of the settling time after the submission: another machine with another store may have submitted the same job at the
 * same moment. Of two the older one stays.
 */
async function checkOnce({ run, provider, driver, context }: Step, job: JobRef): Promise<{ job: JobRef; events: RunEvent[] } | null> {
  const { isChecked, times } = run.record;
  if (isChecked || driver.now().getTime() - Date.parse(times.submitted!) < provider.listingDelayMs / 10) return null;
  const found = await adoptOldestJob(provider, run.record, context);
  const kept = found?.job.id === job.id ? job : (found?.job ?? job);
  return { job: kept, events: [...(found?.events ?? []), { type: 'submission-checked', job: kept }] };
}

/** A job that was cancelled though nobody here asked for it: its elder sibling may have won on another machine. */
async function findSibling({ run, provider, context }: Step, job: JobRef, seen: Observation<unknown>): Promise<JobRef | null> {
  if (seen.status.phase !== 'cancelled' || run.record.cancelRequested) return null;
  const jobs = await provider.training.find(run.record.plan.request, run.record.prepared, context);
  const [elder] = jobs.filter((one) => one.id !== job.id && one.createdAt <= job.createdAt);
  return elder ?? null;
}

/** What of an observation is news for the run's history. */
function toNews({ record }: StoredRun, seen: Observation<unknown>): RunEvent[] {
  const { status, startedAt, finishedAt } = seen;
  const isKnown = ({ uri }: Artifact): boolean => record.artifacts.some((known) => known.uri === uri);
  const isProgress = seen.checkpoint !== null && seen.checkpoint > (record.checkpoint.step ?? -1);
  const { cost } = seen;
  const isNewCost = cost != null && (cost.usd !== record.cost?.usd || cost.source !== record.cost.source);
  const hasChanged = status.phase !== record.state || status.raw !== record.raw;
  return [
    ...(isProgress ? [{ type: 'checkpoint-seen', step: seen.checkpoint } as const] : []),
    ...seen.artifacts.filter((artifact) => !isKnown(artifact)).map((artifact) => ({ type: 'artifact-found', artifact }) as const),
    ...(isNewCost ? [{ type: 'cost-known', cost } as const] : []),
    ...seen.notes.flatMap((note) => toNewNotes(note, record.plan.notes)).map((note) => ({ type: 'note-added', note }) as const),
    ...(seen.failure === null ? [] : [{ type: 'job-failed', failure: seen.failure } as const]),
    ...(hasChanged ? [{ type: 'status-changed', status, startedAt, finishedAt } as const] : []),
  ];
}

/** A setting that was sent is not told once more, unless the service used another one. */
function toNewNotes(note: Note, planned: readonly Note[]): Note[] {
  if (note.type !== 'defaulted') return [note];
  const written = planned.find((one) => (one.type === 'sent' || one.type === 'converted') && one.field === note.field);
  if (written === undefined || written.type === 'warning') return [note];
  if (isDeepStrictEqual(written.value, note.value)) return [];
  const [sent, used] = [written.value, note.value].map((value) => JSON.stringify(value));
  return [{ type: 'warning', message: `${note.field}: ${sent} was sent, the service says that it used ${used}` }];
}

/** An interrupted job goes on by itself, as long as it gets further. */
async function resumeJob({ provider, context, append }: Step, { record }: StoredRun): Promise<StoredRun> {
  const { step: checkpoint, resumes } = record.checkpoint;
  if (provider.training.resume === undefined || resumes >= mostResumes) {
    const at = checkpoint === null ? 'without a checkpoint' : `after its checkpoint of step ${checkpoint}`;
    const failure = new Failure('trainer-died', `the job was interrupted ${resumes + 1} times ${at} and is given up`, {
      hint: '`orchestrate logs` tells what it said; submit again with --again',
    });
    return await append([{ type: 'run-abandoned', failure: toFailureData(failure) }]);
  }
  await append([{ type: 'resume-intended' }]);
  return await append([{ type: 'job-resumed', job: await provider.training.resume(record.job!, context) }]);
}

async function storeFailedPoll({ run, driver, provider, append }: Step, failure: Failure): Promise<StoredRun> {
  const now = driver.now();
  const times = (run.lastPoll?.failedPolls?.times ?? 0) + 1;
  const { retryAfterMs } = failure;
  if (retryAfterMs !== null) await blockRequests(driver.store, provider.id, now.getTime() + retryAfterMs);
  const nextInMs = getNextTryMs({ times, code: failure.code, retryAfterMs, random: driver.random() });
  return await append([], {
    poll: {
      cursor: run.lastPoll?.cursor ?? null,
      progress: run.lastPoll?.progress ?? null,
      at: run.lastPoll?.at ?? null,
      error: toFailureData(failure),
      failedPolls: { since: run.lastPoll?.failedPolls?.since ?? now.toISOString(), times },
      nextPollAt: new Date(now.getTime() + Math.min(nextInMs, longestPauseMs)).toISOString(),
    },
  });
}
