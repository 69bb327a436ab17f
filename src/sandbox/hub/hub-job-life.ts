import type { Moment, ServiceAccount } from '../service-account.ts';
import { commitModel, runContainer, type Outcome } from './container.ts';
import { findMinutePrice } from './hardware.ts';
import { isEnded, type HubJob, type JobContext, type Stage } from './hub-job.ts';

/** The part of a job's time that it waits for a machine. */
const scheduled = 0.25;
/** Until a container that finds nothing to do has ended. */
const quickMs = 500;
const usualTimeoutSeconds = 1800;

/** Lets everything happen to a job that is due: by the clock, or by looks where they rule. */
function advanceHubJob({ account }: JobContext, job: HubJob, nowMs: number): void {
  const { looks } = account.settings;
  const elapsedMs = toElapsed(account, job, nowMs);
  for (let moment = job.moments[0]; moment !== undefined && moment.offsetMs <= elapsedMs; moment = job.moments[0]) {
    job.moments.shift();
    moment.happen(looks === null ? job.createdMs + moment.offsetMs : nowMs);
  }
}

/** The same for all jobs of an account, the oldest first: of two that want the same, the earlier one gets it. */
export function advanceHubJobs(context: JobContext, nowMs: number): void {
  for (const job of context.account.hub.jobs.toReversed()) advanceHubJob(context, job, nowMs);
}

function toElapsed(account: ServiceAccount, job: HubJob, nowMs: number): number {
  const { looks } = account.settings;
  return looks === null ? nowMs - job.createdMs : (job.durationMs * job.looks) / looks;
}

/** All that is going to happen to a new job. */
export function planHubJob(context: JobContext, job: HubJob): void {
  const { clock } = context.service;
  const startMs = Math.ceil(scheduled * job.durationMs);
  plan(job, [{ offsetMs: startMs, happen: (atMs) => start(context, job, { startMs, atMs }) }]);
  // It begins also where nobody looks.
  void clock.wait(startMs).then(() => advanceHubJobs(context, clock.nowMs()));
}

function plan(job: HubJob, moments: readonly Moment[]): void {
  job.moments = [...job.moments, ...moments].sort((a, b) => a.offsetMs - b.offsetMs);
}

function start(context: JobContext, job: HubJob, { startMs, atMs }: { readonly startMs: number; readonly atMs: number }): void {
  job.stage = 'RUNNING';
  job.startedMs = atMs;
  say(job, atMs, `===== Job started at ${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} =====`);
  const timeoutMs = (job.request.timeoutSeconds ?? usualTimeoutSeconds) * 1000;
  plan(job, [
    { offsetMs: startMs + timeoutMs, happen: (endMs) => endJob(context, job, { stage: 'ERROR', atMs: endMs, message: 'Job timeout' }) },
  ]);
  const outcome = runContainer(context, job, atMs);
  if (!(outcome instanceof Promise)) return planOutcome(context, job, { outcome, fromMs: startMs });
  job.training = outcome.then((found) => {
    const { clock } = context.service;
    const isStill = clock.isStepped && context.account.settings.looks === null;
    const fromMs = isStill ? startMs : Math.max(startMs, toElapsed(context.account, job, clock.nowMs()));
    planOutcome(context, job, { outcome: found, fromMs });
    wake(context.account);
  });
}

/** Spreads what a container has to say over the rest of the job's time; then comes the model, and then the end. */
function planOutcome(context: JobContext, job: HubJob, { outcome, fromMs }: { readonly outcome: Outcome; readonly fromMs: number }): void {
  if (isEnded(job)) return;
  const { lines, exitCode, model } = outcome;
  const lastMs = Math.max(job.durationMs, fromMs);
  const endMs = outcome.isQuick ? Math.min(fromMs + quickMs, lastMs) : lastMs;
  const at = (i: number): number => fromMs + ((endMs - fromMs) * i) / (lines.length + 2);
  plan(job, [
    ...lines.map((text, i): Moment => ({ offsetMs: at(i + 1), happen: (atMs) => say(job, atMs, text) })),
    { offsetMs: at(lines.length + 1), happen: (atMs) => (model === null ? undefined : commitModel(model, atMs)) },
    {
      offsetMs: endMs,
      happen: (atMs) =>
        exitCode === 0
          ? endJob(context, job, { stage: 'COMPLETED', atMs, message: null })
          : endJob(context, job, { stage: 'ERROR', atMs, message: `Job failed with exit code: ${exitCode}` }),
    },
  ]);
}

interface End {
  readonly stage: Stage;
  readonly atMs: number;
  readonly message: string | null;
}

/** Ends a job, and charges the minutes of its machine. */
export function endJob({ account }: JobContext, job: HubJob, { stage, atMs, message }: End): void {
  job.stage = stage;
  job.message = message;
  job.finishedMs = atMs;
  job.moments = [];
  job.stop.abort();
  if (job.startedMs !== null) say(job, atMs, `===== Job finished: status=${stage} =====`);
  const seconds = job.startedMs === null ? 0 : (atMs - job.startedMs) / 1000;
  const usd = Math.round(((findMinutePrice(job.request.flavor) ?? 0) * seconds) / 60) / 1e6;
  account.bill.push({ kind: 'hub-job-end', at: new Date(atMs).toISOString(), job: job.id, stage, seconds, usd, trained: job.hasTrained });
  wake(account);
}

/**
 * Waits for trainings that take no time on the account's clock: on one that is only stepped any, where looks rule that of a job that has
 * been looked at for the last time.
 */
export async function settleTrainings(context: JobContext): Promise<void> {
  const { account, service } = context;
  const { looks } = account.settings;
  const waiting = account.hub.jobs.filter((job) => !isEnded(job) && (looks === null ? service.clock.isStepped : job.looks >= looks));
  await Promise.all(waiting.map(async (job) => await job.training));
  advanceHubJobs(context, service.clock.nowMs());
}

function say(job: HubJob, atMs: number, text: string): void {
  job.log.push({ atMs, text });
}

/** Tells who follows a log that there may be more of it. */
function wake(account: ServiceAccount): void {
  for (const watcher of account.hub.watchers) watcher();
}
