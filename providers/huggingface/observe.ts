import type { Note } from '../../src/provider/note.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { ActualCost, Artifact, JobRef, Observation } from '../../src/provider/job.ts';
import { isTerminalPhase, type Phase, type Status } from '../../src/provider/status.ts';
import { isFailure, failureKinds } from '../../src/errors.ts';
import { openHub, type Hub } from './client.ts';
import { beginning, type HubCursor } from './cursor.ts';
import { parseLocation, formatLocation } from './endpoint.ts';
import { followLog } from './follow-log.ts';
import { toProgress } from './follow-metrics.ts';
import { findEndFailure, findMissingModel } from './job-failure.ts';
import { readJob, type HubJob } from './jobs-api.ts';
import { toLogMetrics } from './log-metrics.ts';
import { findModel, readFileMetrics, type FinishedModel } from './model-files.ts';
import { parseTask, toEpochs, type Task } from './parse-task.ts';
import { readPrice } from './prices.ts';
import { readLog, type JobLog, type LogLimits } from './read-log.ts';
import { toIsoTime } from './to-iso-time.ts';
import { toShownLine } from './to-shown-line.ts';
import { statusMap } from './status.ts';

/** How long after the end of a job its model, or its log, may still come. */
const lateMs = 10 * 60_000;

/** One look: the job, its log from the beginning, and once it has ended the repository of its model, which decides whether it succeeded. */
export async function observe(
  { job: ref, cursor, limits }: { readonly job: JobRef; readonly cursor: HubCursor | null; readonly limits?: LogLimits },
  context: Attempt,
): Promise<Observation<HubCursor>> {
  const namespace = parseLocation(ref, `the job ${ref.id}`, context);
  const hub = openHub(context);
  const before = cursor ?? beginning;
  const job = await readJob(hub, namespace, ref.id);
  const phase = toPhase(job.status.stage);
  const task = parseTask(job);
  const finishedAt = toIsoTime(job.finishedAt);
  const begin = toIsoTime(job.startedAt) ?? toIsoTime(job.createdAt) ?? ref.createdAt;
  const log = await readJobLog({ namespace, job, phase, cursor: before, limits }, context);
  const { log: training, metrics, known, notes } = toLogMetrics(log.all, { fresh: log.fresh.length, epochs: toEpochs(task), begin });
  const model = phase === 'succeeded' && task !== null ? await findModel(hub, task.output.repo) : null;
  const files =
    model === null || before.areFilesRead ? null : await readFileMetrics(hub, model, { reported: metrics, at: finishedAt ?? begin });
  const end = toEnd({ job, phase, log, model, task, now: context.now() });
  const artifact = model === null ? null : toArtifact(model, task, formatLocation(hub.endpoint, namespace));
  const isNew = artifact !== null && artifact.uri !== before.model;
  return {
    status: end.status,
    progress: toProgress(training),
    metrics: [...metrics.slice(known), ...(files?.metrics ?? [])],
    logs: toLogs(log, begin, hub.redact),
    artifacts: isNew ? [artifact] : [],
    checkpoint: null,
    notes: [...log.notes, ...notes, ...(files?.notes ?? [])],
    failure: end.failure === null ? null : { ...end.failure, message: hub.redact(end.failure.message) },
    cost: await toCost(hub, { job, phase }, context),
    startedAt: toIsoTime(job.startedAt),
    finishedAt: isTerminalPhase(end.status.phase) ? finishedAt : null,
    cursor: { log: log.cursor, areFilesRead: before.areFilesRead || files !== null, model: artifact?.uri ?? before.model },
    nextInMs: null,
  };
}

/** What the service's word for a job means; one that is not listed is `unknown`, and no end. */
export function toPhase(stage: string): Phase {
  return Object.hasOwn(statusMap, stage) ? statusMap[stage as keyof typeof statusMap] : 'unknown';
}

/** The log of a job that has begun. That it cannot be read hides neither a job that runs nor, after a while, the end of one. */
async function readJobLog(
  {
    namespace,
    job,
    phase,
    cursor,
    limits,
  }: { namespace: string; job: HubJob; phase: Phase; cursor: HubCursor; limits: LogLimits | undefined },
  context: Attempt,
): Promise<JobLog> {
  const none = (notes: readonly Note[]): JobLog => ({ all: [], fresh: [], notes, cursor: followLog(cursor.log).cursor });
  if (phase === 'queued' || job.startedAt == null) return none([]);
  const hasEnded = isTerminalPhase(phase);
  try {
    return await readLog({ namespace, id: job.id, cursor: cursor.log, hasEnded }, context, limits);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
    if (!hasEnded) return none([]);
    if (failureKinds[error.code].retryable && !isLate(job, context.now())) throw error;
    return none([{ type: 'warning', message: `the log of the job cannot be read, so that measures may be missing: ${error.message}` }]);
  }
}

function isLate({ finishedAt }: HubJob, now: Date): boolean {
  const ms = Date.parse(finishedAt ?? '');
  return !Number.isNaN(ms) && now.getTime() - ms > lateMs;
}

/** How a job has ended: `COMPLETED` says that its command ended with 0, and the repository whether there is a model. */
function toEnd(found: { job: HubJob; phase: Phase; log: JobLog; model: FinishedModel | null; task: Task | null; now: Date }): {
  status: Status;
  failure: Observation<unknown>['failure'];
} {
  const { job, phase, log, model, task, now } = found;
  const raw = job.status.stage;
  const lines = log.all.map(({ text }) => text);
  if (phase === 'failed')
    return { status: { phase, raw }, failure: findEndFailure(lines, { isFailed: true, message: job.status.message ?? null }) };
  if (phase !== 'succeeded' || model !== null) return { status: { phase, raw }, failure: null };
  const isOver = isLate(job, now) || task === null;
  const hidden = (isOver ? findMissingModel(lines) : null) ?? findEndFailure(lines, { isFailed: isOver, message: null });
  if (hidden === null) return { status: { phase: 'finalizing', raw }, failure: null };
  return { status: { phase: 'failed', raw }, failure: hidden };
}

function toArtifact({ repository, revision }: FinishedModel, task: Task | null, location: string): Artifact {
  const model = {
    kind: 'repository',
    identity: `${location} ${repository}@${revision}`,
    location,
    repository,
    revision,
    labels: task?.labels ?? [],
    maxLength: task?.maxLength ?? 512,
  } as const;
  return { kind: 'repository', uri: `hub:${repository}@${revision}`, sha256: null, model };
}

function toLogs({ fresh }: JobLog, begin: string, redact: (text: string) => string): { at: string; text: string }[] {
  return fresh.flatMap((line) => {
    const text = toShownLine(line.text);
    return text === '' ? [] : [{ at: toIsoTime(line.at) ?? begin, text: redact(text) }];
  });
}

/** What the machine has cost, once the job has ended. */
async function toCost(hub: Hub, { job, phase }: { job: HubJob; phase: Phase }, context: Attempt): Promise<ActualCost | null> {
  const seconds = job.durations?.runningSecs ?? (Date.parse(job.finishedAt ?? '') - Date.parse(job.startedAt ?? '')) / 1000;
  if (!isTerminalPhase(phase) || job.flavor == null || !Number.isFinite(seconds) || seconds < 0) return null;
  const price = await readPrice(hub, job.flavor, context);
  if (price === null) return null;
  return { usd: Math.round(((price.usd * seconds) / 3600) * 1e6) / 1e6, source: `${Math.round(seconds)} s of ${price.source}` };
}
