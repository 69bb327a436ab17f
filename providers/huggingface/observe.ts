import type { Attempt } from '../../src/provider/context.ts';
import type { ActualCost, Artifact, JobRef, Observation } from '../../src/provider/job.ts';
import type { Note } from '../../src/provider/note.ts';
import { isTerminalPhase, type Phase } from '../../src/provider/status.ts';
import { failureKinds, isFailure, type FailureCode, type FailureData } from '../../src/errors.ts';
import { expectSuccess, toIsoTime } from '../../src/provider-kit/json.ts';
import { foldEvents, formatEvent } from '../../src/provider-kit/trainer-events.ts';
import { stripVTControlCharacters } from 'node:util';
import { eventsFile, parseEvent, parseEventLine, type ContainerEvent } from './container.ts';
import { formatLocation, openHub, parseLocation, type Hub } from '../../src/provider-kit/hub.ts';
import { logStart, readLog, type LogLimits, type LogLine, type LogPosition } from './job-log.ts';
import { getPhase, parseTask, readJob, type HubJob, type Task } from './jobs.ts';
import { readPrice } from './prices.ts';
import { formatFilePath, listFiles, type HubFile, type Repository } from '../../src/provider-kit/hub-files.ts';
import { readCommit } from './repositories.ts';

/** What was reported of a job. It is stored: cursors of earlier versions have `log.lines` and `model` alone. */
export interface HubCursor {
  readonly log: LogPosition;
  /** The number of the last event that was read; 0 before the first. */
  readonly event: number;
  /** The failure that an event reported. */
  readonly failure: FailureData | null;
  /** Where an event said that the model was brought. */
  readonly uploaded: string | null;
  /** The model that was reported, `hub:owner/name@commit`. */
  readonly model: string | null;
}

function parseCursor(cursor: Partial<HubCursor> | null): HubCursor {
  const start = { event: 0, failure: null, uploaded: null, model: null };
  return { ...start, ...cursor, log: { ...logStart, ...cursor?.log } };
}

/** How long after the end of a job its model, or its log, may still come. */
const lateMs = 10 * 60_000;

/** One poll: the job, what is new in its log, and once it has ended the repository of its model, which decides whether it succeeded. */
export async function observe(
  { job: ref, cursor, limits }: { readonly job: JobRef; readonly cursor: Partial<HubCursor> | null; readonly limits: LogLimits },
  context: Attempt,
): Promise<Observation<HubCursor>> {
  const namespace = parseLocation(ref, context);
  const hub = openHub(context);
  const before = parseCursor(cursor);
  const job = await readJob(hub, namespace, ref.id);
  const phase = getPhase(job);
  const task = parseTask(job);
  const begin = toIsoTime(job.startedAt) ?? toIsoTime(job.createdAt) ?? ref.createdAt;
  const log = await readJobLog({ namespace, job, phase, position: before.log, limits }, context);
  const model = phase === 'succeeded' && task !== null ? await findModel(hub, task.output.repo) : null;
  const artifact = model === null ? null : toArtifact(model, task, formatLocation(hub.endpoint, namespace));
  const isNew = artifact !== null && artifact.uri !== before.model;
  const spoken = log.lines.flatMap(({ text }) => parseEventLine(text, hub.redact) ?? []).filter(({ n }) => n > before.event);
  const kept = isNew
    ? await readMissingEvents(hub, model!, { ...addEvents(before, spoken), log: log.position })
    : { events: [], notes: [] };
  const events = [...spoken, ...kept.events];
  const report = foldEvents(events);
  const now = { ...addEvents(before, events), log: log.position, model: artifact?.uri ?? before.model };
  const end = getEnd({ job, phase, hasModel: model !== null, cursor: now, isLate: isLate(job, context.now()) || task === null });
  return {
    status: { phase: end.phase, raw: job.status.stage },
    progress: report.progress,
    metrics: report.metrics,
    logs: log.lines.flatMap(({ at, text }) => formatLine(text, hub.redact).map((shown) => ({ at: at ?? begin, text: shown }))),
    artifacts: isNew ? [artifact] : [],
    checkpoint: null,
    notes: [...log.notes, ...report.notes, ...kept.notes],
    failure: end.failure === null ? null : { ...end.failure, message: hub.redact(end.failure.message) },
    cost: await computeCost(hub, { job, phase }, context),
    startedAt: toIsoTime(job.startedAt),
    finishedAt: isTerminalPhase(end.phase) ? toIsoTime(job.finishedAt) : null,
    cursor: now,
    nextInMs: null,
  };
}

function addEvents(cursor: HubCursor, events: readonly ContainerEvent[]): HubCursor {
  const uploaded = events.find((event) => event.type === 'model-uploaded');
  return {
    ...cursor,
    event: Math.max(cursor.event, ...events.map(({ n }) => n)),
    failure: cursor.failure ?? foldEvents(events).failure,
    uploaded: cursor.uploaded ?? uploaded?.repository ?? null,
  };
}

/** A line as people read it: an event in words, or not at all; everything else without what moves a terminal's cursor. */
function formatLine(text: string, redact: Hub['redact']): string[] {
  const event = parseEventLine(text, redact);
  if (event !== null) return formatEvent(event);
  const shown = redact(stripVTControlCharacters(text).replaceAll('\r', ' ').trimEnd());
  return shown.trim() === '' ? [] : [shown];
}

interface FoundLog {
  readonly lines: readonly LogLine[];
  readonly position: LogPosition;
  readonly notes: readonly Note[];
}

interface LogQuestion {
  readonly namespace: string;
  readonly job: HubJob;
  readonly phase: Phase;
  readonly position: LogPosition;
  readonly limits: LogLimits;
}

/** The log of a job that has begun. A log that cannot be read hides neither a running job nor, after a while, its end. */
async function readJobLog({ namespace, job, phase, position, limits }: LogQuestion, context: Attempt): Promise<FoundLog> {
  const nothing = { lines: [], position, notes: [] };
  if (phase === 'queued' || job.startedAt == null) return nothing;
  const hasEnded = isTerminalPhase(phase);
  try {
    return { ...(await readLog({ namespace, id: job.id, hasEnded }, { position, limits }, context)), notes: [] };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
    if (!hasEnded) return nothing;
    if (failureKinds[error.code].retryable && !isLate(job, context.now())) throw error;
    return { ...nothing, notes: [toWarning(`the log of the job cannot be read, so metrics may be missing: ${error.message}`)] };
  }
}

function isLate({ finishedAt }: HubJob, now: Date): boolean {
  const ms = Date.parse(finishedAt ?? '');
  return !Number.isNaN(ms) && now.getTime() - ms > lateMs;
}

function toWarning(message: string): Note {
  return { type: 'warning', message };
}

/** A whole model at one commit. */
interface FinishedModel {
  readonly repository: string;
  readonly revision: string;
  readonly files: readonly HubFile[];
}

const weights = /^(?:model|adapter_model|pytorch_model)[\w.-]*\.(?:safetensors|bin)$/;

/** The model, once its repository holds weights and a README; the program in the container brings both in one commit. */
async function findModel(hub: Hub, name: string): Promise<FinishedModel | null> {
  const repo: Repository = { type: 'model', name };
  const revision = await readCommit(hub, repo);
  const files = revision === null ? null : await listFiles(hub, repo, revision);
  if (revision === null || files === null) return null;
  const isWhole = files.some(({ path, size }) => weights.test(path) && size > 0) && files.some(({ path }) => path === 'README.md');
  return isWhole ? { repository: name, revision, files } : null;
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

/** The events of a model that its log lacks: the container keeps all of them beside the model. */
async function readMissingEvents(
  hub: Hub,
  model: FinishedModel,
  { event: last, uploaded, log }: HubCursor,
): Promise<{ events: readonly ContainerEvent[]; notes: readonly Note[] }> {
  if (uploaded !== null) return { events: [], notes: [] };
  if (!model.files.some(({ path }) => path === eventsFile)) {
    const message = 'an earlier version of this program started the job, and its log is not read for metrics';
    return { events: [], notes: last === 0 && log.lines > 0 ? [toWarning(message)] : [] };
  }
  const path = formatFilePath(model, eventsFile);
  const text = await hub.call(`GET ${path}`, async () => {
    const response = await hub.send(path);
    await expectSuccess(response, hub.describe('GET', path));
    return await response.text();
  });
  const events = text.split('\n').flatMap((line) => parseEvent(line, hub.redact) ?? []);
  return { events: events.filter(({ n }) => n > last), notes: [] };
}

interface JobEnd {
  readonly job: HubJob;
  readonly phase: Phase;
  readonly hasModel: boolean;
  readonly cursor: HubCursor;
  /** Whether nothing more is to come. */
  readonly isLate: boolean;
}

/** How a job has ended: `COMPLETED` says that its command ended with 0, and the repository whether there is a model. */
function getEnd({ job, phase, hasModel, cursor, isLate }: JobEnd): { readonly phase: Phase; readonly failure: FailureData | null } {
  if (phase === 'failed') return { phase, failure: explainEnd(job, cursor.failure) };
  if (phase !== 'succeeded' || hasModel) return { phase, failure: null };
  if (cursor.failure !== null) return { phase: 'failed', failure: cursor.failure };
  if (!isLate) return { phase: 'finalizing', failure: null };
  if (cursor.uploaded === null) return { phase: 'failed', failure: explainEnd(job, null) };
  const message = `the job brought its model to ${cursor.uploaded}, where it does not exist any more`;
  return { phase: 'failed', failure: toFailure('model-unavailable', message, 'train it again with --again') };
}

/** Why a job failed. The service knows about its own limits; everything else the container says itself, as long as it lives. */
function explainEnd({ status: { message } }: HubJob, reported: FailureData | null): FailureData {
  const said = message ?? '';
  if (/\btime(?:d )?out\b/i.test(said)) {
    const hint = 'allow more hours in budget, or train for fewer epochs';
    return toFailure('timeout', `the job ran longer than it was allowed to: ${said}`, hint);
  }
  if (reported !== null) return reported;
  if (/\bOOMKilled\b|\bexit(?:ed)? (?:with )?(?:status|code)[ :]{1,3}(?:137|-9)\b/i.test(said)) {
    const hint = 'use a flavor with more memory, or a smaller batchSize or maxLength';
    return toFailure('out-of-memory', `the job was killed, as machines do when their memory is full: ${said}`, hint);
  }
  const words = said === '' ? 'the job left no model and no reason' : `the job failed: ${said}`;
  return toFailure('training-failed', words, 'the log of the run has everything that the job printed');
}

function toFailure(code: FailureCode, message: string, hint: string): FailureData {
  const { cause, retryable } = failureKinds[code];
  return { code, cause, message, hint, retryable };
}

/** What the machine has cost, once the job has ended. */
async function computeCost(hub: Hub, { job, phase }: { job: HubJob; phase: Phase }, context: Attempt): Promise<ActualCost | null> {
  const seconds = job.durations?.runningSecs ?? (Date.parse(job.finishedAt ?? '') - Date.parse(job.startedAt ?? '')) / 1000;
  if (!isTerminalPhase(phase) || job.flavor == null || !Number.isFinite(seconds) || seconds < 0) return null;
  const price = await readPrice(hub, job.flavor, context);
  if (price === null) return null;
  return { usd: Math.round(((price.usd * seconds) / 3600) * 1e6) / 1e6, source: `${Math.round(seconds)} s of ${price.source}` };
}
