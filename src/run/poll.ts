import { isDeepStrictEqual } from 'node:util';
import type { Artifact, JobRef, Observation } from '../provider/job.ts';
import type { Note } from '../provider/note.ts';
import { Failure, isFailure, toFailureData } from '../errors.ts';
import type { Attempt } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { RunEvent } from './event.ts';
import { checkFigures } from './figures.ts';
import type { Append } from './lease.ts';
import { blockRequests, longestPauseMs, takeToken } from './limiter.ts';
import { describeLossTrend } from './loss-trend.ts';
import { listMetrics } from './metrics.ts';
import { adoptOldestJob } from './reconcile.ts';
import { isStopped } from './record.ts';
import type { LastPoll, StoredRun } from './run-store.ts';
import type { Driver } from './workspace.ts';

/** A job that was resumed so often without a new checkpoint makes no progress. */
const mostResumes = 3;

const firstMs = 5000;
const longestMs = 120_000;
/** The pause after an unknown status or a refused credential, which do not change soon. */
const longMs = 300_000;

/** One step of a run under its lease. */
export interface Step {
  readonly driver: Driver;
  readonly run: StoredRun;
  readonly provider: Provider;
  readonly context: Attempt;
  readonly append: Append;
}

/** Polls the job of a run when it is time, and stores what is new. A poll that fails is never a failure of the job. */
export async function pollRun(step: Step): Promise<StoredRun> {
  const { run, driver, provider, context } = step;
  const now = context.now();
  if (!isPollDue(run, now) && driver.force !== true && !hasControlRequest(run)) return run;
  const { rate } = provider;
  if (rate !== undefined) {
    const { isPatient } = driver;
    const waitMs = await takeToken(driver.store, provider.id, { rate, at: now.getTime(), isPatient });
    if (waitMs > 0 && isPatient === false) return run;
    await context.wait(waitMs);
  }
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

/** Whether a person has requested something that was not passed on yet: that does not wait for the next poll. */
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
  const cursor = current.id === job.id ? (run.lastPoll?.cursor ?? null) : null;
  const seen = checkFigures(await provider.training.observe(current, cursor, context), run.record.notes);
  const other = await findSibling(step, current, seen);
  if (other !== null) return await step.append([{ type: 'submission-checked', job: other }]);
  const now = context.now();
  const ageMs = now.getTime() - Date.parse(run.record.times.submitted ?? run.record.times.created);
  const nextInMs = seen.nextInMs ?? getNextPollMs({ ageMs, phase: seen.status.phase, random: driver.random() });
  const poll: LastPoll = {
    cursor: seen.cursor,
    progress: seen.progress ?? run.lastPoll?.progress ?? null,
    at: now.toISOString(),
    error: null,
    failedPolls: null,
    nextPollAt: toNextPollAt(now, nextInMs),
    waitingFor: seen.waitingFor ?? null,
    ...(seen.doing != null && { doing: seen.doing }),
  };
  const events = [...(checked?.events ?? []), ...getNewEvents(run, seen)];
  const stored = await step.append(events, { poll, metrics: seen.metrics, logs: seen.logs });
  if (stored.record.state === 'succeeded') return await noteTrend(step, stored);
  return stored.record.state === 'interrupted' && !stored.record.cancelRequested ? await resumeJob(step, stored) : stored;
}

/** Says once, with all that was measured, where a training has ended too early. */
async function noteTrend({ driver, append }: Step, ended: StoredRun): Promise<StoredRun> {
  const message = describeLossTrend(await listMetrics(driver.store, ended.key));
  return message === null ? ended : await append([{ type: 'note-added', note: { type: 'warning', message } }]);
}

/**
 * Once, a tenth of the listing delay after the submission: another machine with its own store may have submitted the same job at the
 * same moment. Of two jobs the older one stays.
 */
async function checkOnce({ run, provider, context }: Step, job: JobRef): Promise<{ job: JobRef; events: RunEvent[] } | null> {
  const { isChecked, times } = run.record;
  if (isChecked || context.now().getTime() - Date.parse(times.submitted!) < provider.listingDelayMs / 10) return null;
  const found = await adoptOldestJob(provider, run.record, context);
  const kept = found?.job.id === job.id ? job : (found?.job ?? job);
  return { job: kept, events: [...(found?.events ?? []), { type: 'submission-checked', job: kept }] };
}

/** Finds the older job that another machine has kept, if this one was cancelled without a request from here. */
async function findSibling({ run, provider, context }: Step, job: JobRef, seen: Observation<unknown>): Promise<JobRef | null> {
  if (seen.status.phase !== 'cancelled' || run.record.cancelRequested) return null;
  const jobs = await provider.training.find(run.record.plan.request, run.record.prepared, context);
  return jobs.find(({ id, createdAt }) => id !== job.id && createdAt <= job.createdAt) ?? null;
}

/** The events that an observation adds to the history of the run. */
function getNewEvents({ record }: StoredRun, seen: Observation<unknown>): RunEvent[] {
  const { status, startedAt, finishedAt } = seen;
  const isKnown = ({ uri }: Artifact): boolean => record.artifacts.some((known) => known.uri === uri);
  const isProgress = seen.checkpoint !== null && seen.checkpoint > (record.checkpoint.step ?? -1);
  const { cost } = seen;
  const isNewCost = cost != null && (cost.usd !== record.cost?.usd || cost.source !== record.cost.source);
  // A run that was stopped here because its job is interrupted again and again stays so.
  const isKnownStop = isStopped(record) && status.phase === 'interrupted';
  const hasChanged = !isKnownStop && (status.phase !== record.state || status.raw !== record.raw);
  return [
    ...(isProgress ? [{ type: 'checkpoint-seen', step: seen.checkpoint } as const] : []),
    ...seen.artifacts.filter((artifact) => !isKnown(artifact)).map((artifact) => ({ type: 'artifact-found', artifact }) as const),
    ...(isNewCost ? [{ type: 'cost-known', cost } as const] : []),
    ...seen.notes.flatMap((note) => getNewNotes(note, record.plan.notes)).map((note) => ({ type: 'note-added', note }) as const),
    ...(seen.failure === null ? [] : [{ type: 'job-failed', failure: seen.failure } as const]),
    ...(hasChanged ? [{ type: 'status-changed', status, startedAt, finishedAt } as const] : []),
  ];
}

/** What the plan has said, and a setting that was sent, is not noted once more, unless the service used another one. */
function getNewNotes(note: Note, planned: readonly Note[]): Note[] {
  if (note.type === 'warning' && planned.some((known) => isDeepStrictEqual(known, note))) return [];
  if (note.type !== 'defaulted') return [note];
  const written = planned.find((sent) => (sent.type === 'sent' || sent.type === 'converted') && sent.field === note.field);
  if (written === undefined || written.type === 'warning') return [note];
  if (isDeepStrictEqual(written.value, note.value)) return [];
  const [sent, used] = [written.value, note.value].map((value) => JSON.stringify(value));
  return [{ type: 'warning', message: `${note.field}: ${sent} was sent, but the service reports that it used ${used}` }];
}

/** Resumes an interrupted job, as long as it makes progress. */
async function resumeJob({ provider, context, append }: Step, { record }: StoredRun): Promise<StoredRun> {
  const { step: checkpoint, resumes } = record.checkpoint;
  if (provider.training.resume === undefined || resumes >= mostResumes) {
    const at = checkpoint === null ? 'without a checkpoint' : `after its checkpoint of step ${checkpoint}`;
    const canResume = provider.training.resume !== undefined;
    const message = `the job was interrupted ${resumes + 1} times ${at} and ${canResume ? 'stops here' : 'is abandoned'}`;
    const hint = canResume
      ? '`orchestrate logs` shows its output; `orchestrate resume` goes on, and --again begins anew'
      : '`orchestrate logs` shows its output; submit it again with --again';
    const failure = toFailureData(new Failure('trainer-died', message, { hint }));
    return await append([{ type: canResume ? 'run-stopped' : 'run-abandoned', failure }]);
  }
  await append([{ type: 'resume-intended' }]);
  return await append([{ type: 'job-resumed', job: await provider.training.resume(record.job!, context) }]);
}

async function storeFailedPoll({ run, driver, provider, context, append }: Step, failure: Failure): Promise<StoredRun> {
  const now = context.now();
  const times = (run.lastPoll?.failedPolls?.times ?? 0) + 1;
  const { retryAfterMs } = failure;
  if (retryAfterMs !== null) await blockRequests(driver.store, provider.id, now.getTime() + retryAfterMs);
  const nextInMs = getNextTryMs({ times, code: failure.code, retryAfterMs, random: driver.random() });
  const before = { cursor: null, progress: null, at: null, ...run.lastPoll };
  const failedPolls = { since: run.lastPoll?.failedPolls?.since ?? now.toISOString(), times };
  return await append([], { poll: { ...before, error: toFailureData(failure), failedPolls, nextPollAt: toNextPollAt(now, nextInMs) } });
}

function toNextPollAt(now: Date, inMs: number): string {
  return new Date(now.getTime() + Math.min(inMs, longestPauseMs)).toISOString();
}

export interface PollTiming {
  readonly ageMs: number;
  readonly phase: string;
  /** In [0, 1). */
  readonly random: number;
}

/** The pause after a poll: a twentieth of the job's age, between 5 s and 2 min, with equal jitter so that processes spread. */
export function getNextPollMs({ ageMs, phase, random }: PollTiming): number {
  if (phase === 'unknown') return spread(longMs, random);
  return spread(Math.min(Math.max(ageMs / 20, firstMs), longestMs), random);
}

export interface FailedPolls {
  /** Polls in a row that have failed. */
  readonly times: number;
  readonly code: string;
  /** What the service asked for. */
  readonly retryAfterMs: number | null;
  /** In [0, 1). */
  readonly random: number;
}

/** The pause after polls that failed: twice as long each time, up to 15 min, and at least what the service asked for. */
export function getNextTryMs({ times, code, retryAfterMs, random }: FailedPolls): number {
  if (code === 'credentials-invalid') return spread(longMs, random);
  return Math.max(retryAfterMs ?? 0, spread(Math.min(firstMs * 2 ** (times - 1), longestPauseMs), random));
}

function spread(ms: number, random: number): number {
  return Math.round(ms / 2 + (random * ms) / 2);
}
