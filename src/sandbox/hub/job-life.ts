import { formatTime, getElapsedMs, runDueEvents, type ScheduledEvent } from '../clock.ts';
import type { AccountState, Service } from '../service.ts';
import { commitModel, runContainer, type Outcome } from './container.ts';
import { findMinutePrice } from './hardware.ts';
import type { HubJob, Stage } from './state.ts';

/** Where a job lives. */
export interface JobContext {
  readonly account: AccountState;
  readonly service: Service;
}

/** The part of a job's time that it waits for a machine. */
const scheduled = 0.25;
/** Until a container that finds nothing to do has ended. */
const quickMs = 500;
const usualTimeoutSeconds = 1800;

export function isEnded({ stage }: HubJob): boolean {
  return stage !== 'SCHEDULING' && stage !== 'RUNNING';
}

/** Lets everything happen that is due, first to the oldest job: of two that want the same, the earlier one gets it. */
export function advanceHubJobs({ account }: JobContext, nowMs: number): void {
  for (const job of account.hub.jobs.toReversed()) runDueEvents(job, account.settings.polls, nowMs);
}

/** Schedules the start of a new job; everything else comes of it. */
export function scheduleJob(context: JobContext, job: HubJob): void {
  const { clock } = context.service;
  const startMs = Math.ceil(scheduled * job.durationMs);
  addEvents(job, [{ offsetMs: startMs, happen: (atMs) => startJob(context, job, { startMs, atMs }) }]);
  // It begins also where nobody asks.
  void clock.wait(startMs).then(() => advanceHubJobs(context, clock.nowMs()));
}

function addEvents(job: HubJob, events: readonly ScheduledEvent[]): void {
  job.scheduled = [...job.scheduled, ...events].sort((a, b) => a.offsetMs - b.offsetMs);
}

function startJob(context: JobContext, job: HubJob, { startMs, atMs }: { readonly startMs: number; readonly atMs: number }): void {
  const { account, service } = context;
  job.stage = 'RUNNING';
  job.startedMs = atMs;
  addLine(job, atMs, `===== Job started at ${formatTime(atMs).slice(0, 19).replace('T', ' ')} =====`);
  const timeoutMs = (job.request.timeoutSeconds ?? usualTimeoutSeconds) * 1000;
  const timeout = { stage: 'ERROR', message: 'Job timeout' } as const;
  addEvents(job, [{ offsetMs: startMs + timeoutMs, happen: (endMs) => endJob(context, job, { ...timeout, atMs: endMs }) }]);
  const outcome = runContainer(context, job, atMs);
  if (!(outcome instanceof Promise)) return scheduleOutcome(context, job, { outcome, fromMs: startMs });
  job.training = outcome.then((found) => {
    const isStill = service.clock.isStepped && account.settings.polls === null;
    const elapsedMs = getElapsedMs(job, account.settings.polls, service.clock.nowMs());
    scheduleOutcome(context, job, { outcome: found, fromMs: isStill ? startMs : Math.max(startMs, elapsedMs) });
    notifyWatchers(account);
  });
}

interface KnownOutcome {
  readonly outcome: Outcome;
  readonly fromMs: number;
}

/** Spreads the lines of a container over the rest of the job's time; then comes the model, and then the end. */
function scheduleOutcome(context: JobContext, job: HubJob, { outcome, fromMs }: KnownOutcome): void {
  if (isEnded(job)) return;
  const { lines, exitCode, model, isQuick } = outcome;
  const lastMs = Math.max(job.durationMs, fromMs);
  const endMs = isQuick ? Math.min(fromMs + quickMs, lastMs) : lastMs;
  const at = (i: number): number => fromMs + ((endMs - fromMs) * i) / (lines.length + 2);
  const end =
    exitCode === 0
      ? ({ stage: 'COMPLETED', message: null } as const)
      : ({ stage: 'ERROR', message: `Job failed with exit code: ${exitCode}` } as const);
  addEvents(job, [
    ...lines.map((text, i): ScheduledEvent => ({ offsetMs: at(i + 1), happen: (atMs) => addLine(job, atMs, text) })),
    { offsetMs: at(lines.length + 1), happen: (atMs) => (model === null ? undefined : commitModel(model, atMs)) },
    { offsetMs: endMs, happen: (atMs) => endJob(context, job, { ...end, atMs }) },
  ]);
}

interface JobEnd {
  readonly stage: Stage;
  readonly atMs: number;
  readonly message: string | null;
}

/** Ends a job, and charges the minutes of its machine. */
export function endJob({ account }: JobContext, job: HubJob, { stage, atMs, message }: JobEnd): void {
  job.stage = stage;
  job.message = message;
  job.finishedMs = atMs;
  job.scheduled = [];
  job.stop.abort();
  if (job.startedMs !== null) addLine(job, atMs, `===== Job finished: status=${stage} =====`);
  const seconds = job.startedMs === null ? 0 : (atMs - job.startedMs) / 1000;
  const usd = Math.round(((findMinutePrice(job.request.flavor) ?? 0) * seconds) / 60) / 1e6;
  account.bill.push({ kind: 'hub-job-end', at: formatTime(atMs), job: job.id, stage, seconds, usd, trained: job.hasTrained });
  notifyWatchers(account);
}

/**
 * Waits for trainings that take no time on the account's clock: on one that is only stepped any, where polls rule that of a job that has
 * been retrieved for the last time.
 */
export async function awaitTrainings(context: JobContext): Promise<void> {
  const { account, service } = context;
  const { polls } = account.settings;
  const waiting = account.hub.jobs.filter((job) => !isEnded(job) && (polls === null ? service.clock.isStepped : job.polled >= polls));
  await Promise.all(waiting.map(async (job) => await job.training));
  advanceHubJobs(context, service.clock.nowMs());
}

function addLine(job: HubJob, atMs: number, text: string): void {
  job.log.push({ atMs, text });
}

function notifyWatchers(account: AccountState): void {
  for (const notify of account.hub.watchers) notify();
}
