import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Context } from '../../src/provider/context.ts';
import type { ActualCost, Artifact, JobRef, Observation, Progress } from '../../src/provider/job.ts';
import { isTerminalPhase, type Status } from '../../src/provider/status.ts';
import { failureKinds, isFailure } from '../../src/errors.ts';
import { createRedactor } from '../../src/provider-kit/http.ts';
import { checkBaseUrl } from './check-base-url.ts';
import { readCheckpoints, type Checkpoint } from './checkpoints.ts';
import { beginning, type OpenAICursor } from './cursor.ts';
import { toSecrets, type Dialect } from './dialect.ts';
import { isStart, readEvents, toLog, type JobEvent } from './events.ts';
import { toJobFailure } from './job-failure.ts';
import { toHyperparameters, toMethodType, toUsedNotes } from './job-notes.ts';
import { findPrice, toPriceText, toUsd } from './prices.ts';
import { readJob, toTunedName, type Job } from './read-job.ts';
import { readResultFiles, toResultFiles, toResultTime } from './result-file.ts';
import { selectMetrics } from './select-metrics.ts';
import { toIsoTime } from './to-iso-time.ts';
import { toStatus } from './status.ts';

/** What a look has found, and what was told before. */
interface Found {
  readonly job: Job;
  readonly status: Status;
  readonly events: readonly JobEvent[];
  readonly checkpoints: readonly Checkpoint[];
  readonly cursor: OpenAICursor;
}

/** One look: the job, its new events and checkpoints, and once it has ended the file with all measures. */
export async function observe(
  dialect: Dialect,
  { job: ref, cursor }: { readonly job: JobRef; readonly cursor: OpenAICursor | null },
  context: Context,
): Promise<Observation<OpenAICursor>> {
  checkBaseUrl(dialect, { what: `the job ${ref.id}`, baseUrl: ref.location }, context);
  const before = cursor ?? beginning;
  const job = await readJob(dialect, ref.id, context);
  const status = toStatus(dialect, job);
  // Before the events, so that the event of a step is there whenever its checkpoint is.
  const checkpoints = await readCheckpoints(dialect, ref.id, context);
  const { events, seen } = await readEvents(dialect, { job: ref.id, seen: before.events }, context);
  const found = { job, status, events, checkpoints, cursor: before };
  const result = await readResult(dialect, found, context);
  const metrics = await selectMetrics(dialect, { ...found, result: result?.metrics ?? [] }, context);
  const used = toUsedNotes(job).filter(({ field }) => !before.noted.includes(field));
  const model = toNewModel(found);
  const next: OpenAICursor = {
    ...toMeasured(found, result?.metrics ?? []),
    events: seen,
    startedAt: before.startedAt ?? events.find(isStart)?.at ?? null,
    checkpoints: checkpoints.map(({ id }) => id),
    isResultRead: before.isResultRead || result !== null,
    model: model ?? before.model,
    noted: [...before.noted, ...used.map(({ field }) => field), ...(isUnnamed(found) ? [unnamed] : [])],
  };
  const redact = createRedactor(toSecrets(dialect, context));
  const failure = status.phase === 'failed' ? toJobFailure(job['error'], dialect.name) : null;
  return {
    status,
    progress: toProgress(job, next, context.now()),
    metrics,
    logs: [...events.map(toLog), ...(model === null ? [] : toKeptLogs(checkpoints))].map(({ at, text }) => ({ at, text: redact(text) })),
    artifacts: model === null ? [] : [toArtifact(dialect, { job, model, baseUrl: ref.location })],
    checkpoint: checkpoints.at(-1)?.step ?? null,
    notes: [...used, ...(isUnnamed(found) ? [toUnnamedNote(dialect)] : []), ...(result?.notes ?? [])],
    failure: failure === null ? null : { ...failure, message: redact(failure.message) },
    cost: toCost(dialect, job, context),
    startedAt: next.startedAt,
    finishedAt: isTerminalPhase(status.phase) ? toIsoTime(job['finished_at']) : null,
    cursor: next,
    nextInMs: null,
  };
}

/** How long after the end of a job its result file is asked for again, where it cannot be read for now. */
const resultMs = 3_600_000;

/** What the result files tell; null where it is not their time, or they have been read. */
async function readResult(
  dialect: Dialect,
  { job, status, cursor }: Found,
  context: Context,
): Promise<{ metrics: Metric[]; notes: Note[] } | null> {
  const hasEnded = status.phase === 'finalizing' || isTerminalPhase(status.phase);
  if (!hasEnded || cursor.isResultRead || toResultFiles(job).length === 0) return null;
  try {
    return { metrics: await readResultFiles(dialect, job, context), notes: [] };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isFailure(error)) throw error;
    const ageMs = context.now().getTime() - Date.parse(toResultTime(job, context));
    if (failureKinds[error.code].retryable && ageMs < resultMs) throw error;
    return {
      metrics: [],
      notes: [{ type: 'warning', message: `measures may be missing: the result file cannot be read: ${error.message}` }],
    };
  }
}

/** The newest step that was measured. */
function toMeasured({ events, cursor }: Found, result: readonly Metric[]): Pick<OpenAICursor, 'step' | 'steps' | 'loss'> {
  const last = events.findLast(({ step }) => step !== null);
  const loss = last?.numbers['train_loss'];
  const steps = [...events, ...result].flatMap(({ step }) => step ?? []);
  return {
    step: steps.reduce<number | null>((most, step) => Math.max(most ?? 0, step), cursor.step),
    steps: last?.steps ?? cursor.steps,
    loss: typeof loss === 'number' && Number.isFinite(loss) ? loss : cursor.loss,
  };
}

/** What the cursor says instead of a field once the note below was made. */
const unnamed = 'fine_tuned_model';

/** Whether the job is through without a model, for the first time. */
function isUnnamed({ job, status, cursor }: Found): boolean {
  return status.phase === 'finalizing' && toTunedName(job) === null && !cursor.noted.includes(unnamed);
}

function toUnnamedNote({ name }: Dialect): Note {
  return { type: 'warning', message: `${name} says that the job has succeeded and names no model: a check of the model may hold it back` };
}

/** The tuned model, once. */
function toNewModel({ job, status, cursor }: Found): string | null {
  const model = toTunedName(job);
  return status.phase === 'succeeded' && model !== cursor.model ? model : null;
}

function toArtifact(dialect: Dialect, { job, model, baseUrl }: { job: Job; model: string; baseUrl: string }): Artifact {
  const ref = {
    kind: 'endpoint',
    identity: `${baseUrl} ${model}`,
    location: baseUrl,
    name: model,
    base: dialect.toBaseName(job.model),
  } as const;
  // Where its base cannot be called without further ado, neither can it.
  const called = dialect.baseModel === undefined ? { ...ref, needsDeployment: true as const } : ref;
  return { kind: 'endpoint', uri: `${dialect.id}:${model}`, sha256: null, model: called };
}

/** The states that stay beside the tuned model. Earlier ones are gone by then. */
function toKeptLogs(checkpoints: readonly Checkpoint[]): { at: string; text: string }[] {
  return checkpoints.flatMap(({ at, step, model }) =>
    model === null ? [] : { at, text: `the weights of step ${step} answer as ${model}` },
  );
}

function toProgress(job: Job, { step, steps, loss }: OpenAICursor, now: Date): Progress | null {
  const finish = toIsoTime(job['estimated_finish']);
  const etaSeconds = finish === null ? null : Math.max(0, Math.round((Date.parse(finish) - now.getTime()) / 1000));
  if (step === null && etaSeconds === null) return null;
  const { n_epochs: epochs } = toHyperparameters(job);
  const epoch = step === null || steps === null || steps === 0 || epochs === undefined ? null : (epochs * step) / steps;
  return { step: step ?? 0, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}

/** Nothing is known of the price of other methods. */
function toCost(dialect: Dialect, job: Job, context: Context): ActualCost | null {
  const { trained_tokens: tokens } = job;
  if (typeof tokens !== 'number' || toMethodType(job) !== 'supervised') return null;
  const price = findPrice(dialect, { model: job.model, kind: 'supervised' }, context);
  return price === null ? null : { usd: toUsd(tokens, price), source: `${tokens} trained tokens at ${toPriceText(price)}` };
}
