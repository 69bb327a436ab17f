import type { Context } from '../../src/provider/context.ts';
import type { ActualCost, Artifact, JobRef, Observation, Progress } from '../../src/provider/job.ts';
import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import { isTerminalPhase, type Status } from '../../src/provider/status.ts';
import { formatValue } from '../../src/lib/text.ts';
import { toIsoTime } from '../../src/provider-kit/json.ts';
import type { Api } from './client.ts';
import { toJobFailure } from './failures.ts';
import {
  getResultFiles,
  noEvents,
  readCheckpoints,
  readEvents,
  readResultFiles,
  type Checkpoint,
  type JobEvent,
  type SeenEvents,
} from './history.ts';
import { getHyperparameters, getMethodType, noteUsedSettings } from './hyperparameters.ts';
import { getStatus, getTunedName, readJob, type Job } from './jobs.ts';
import { toMetrics, toStep } from './metrics.ts';
import { findPrice, formatPrice, toUsd } from './prices.ts';

/** What of a job has been reported. Plain JSON, and small. */
export interface OpenAICursor {
  readonly events: SeenEvents;
  readonly startedAt: string | null;
  /** The newest step that was measured, of how many, and its training loss. */
  readonly step: number | null;
  readonly steps: number | null;
  readonly loss: number | null;
  /** Ids of checkpoints. */
  readonly checkpoints: readonly string[];
  readonly isResultRead: boolean;
  /** The tuned model. */
  readonly model: string | null;
  /** The subjects of notes: fields, and `fine_tuned_model`. */
  readonly noted: readonly string[];
}

const beginning: OpenAICursor = {
  events: noEvents,
  startedAt: null,
  step: null,
  steps: null,
  loss: null,
  checkpoints: [],
  isResultRead: false,
  model: null,
  noted: [],
};

/** What one poll has found, and what was reported before. */
interface Found {
  readonly job: Job;
  readonly status: Status;
  readonly events: readonly JobEvent[];
  readonly checkpoints: readonly Checkpoint[];
  /** All metrics, once the job has ended; null where this poll does not read them. */
  readonly result: { readonly metrics: readonly Metric[]; readonly problem: string | null } | null;
  readonly cursor: OpenAICursor;
}

/**
 * Looks at a job: its new events and checkpoints, and once it has ended the file with all metrics. The three report much the same, and
 * only the last one everything: a metric may be reported again by a better source.
 */
export async function observe(
  api: Api,
  { job: ref, cursor }: { readonly job: JobRef; readonly cursor: OpenAICursor | null },
  context: Context,
): Promise<Observation<OpenAICursor>> {
  api.checkLocation(`the job ${ref.id}`, ref.location, context);
  const { config } = api;
  const before = cursor ?? beginning;
  const job = await readJob(api, ref.id, context);
  const status = getStatus(api, job);
  // Checkpoints before events, so that the event of a step is there whenever its checkpoint is.
  const checkpoints = await readCheckpoints(api, ref.id, context);
  const { events, seen } = await readEvents(api, { job: ref.id, seen: before.events }, context);
  const hasEnded = status.phase === 'finalizing' || isTerminalPhase(status.phase);
  const isResultDue = hasEnded && !before.isResultRead && getResultFiles(job).length > 0;
  const result = isResultDue ? await readResultFiles(api, job, context) : null;
  const found: Found = { job, status, events, checkpoints, result, cursor: before };
  const used = noteUsedSettings(job).filter(({ field }) => !before.noted.includes(field));
  const isUnnamed = status.phase === 'finalizing' && getTunedName(job) === null && !before.noted.includes(unnamed);
  const odd = hasEnded && !before.noted.includes(oddTokens) ? getOddTokens(job) : null;
  const model = getNewModel(found);
  const next: OpenAICursor = {
    ...measureProgress(found),
    events: seen,
    startedAt: before.startedAt ?? events.find(isStart)?.at ?? null,
    checkpoints: checkpoints.map(({ id }) => id),
    isResultRead: before.isResultRead || result !== null,
    model: model ?? before.model,
    noted: [...before.noted, ...used.map(({ field }) => field), ...(isUnnamed ? [unnamed] : []), ...(odd === null ? [] : [oddTokens])],
  };
  const failure = status.phase === 'failed' ? toJobFailure(job['error'], config.name) : null;
  const logs = [...events.map(toLog), ...(model === null ? [] : logCheckpoints(checkpoints))];
  return {
    status,
    progress: getProgress(job, next, context.now()),
    metrics: getNewMetrics(found),
    logs: logs.map(({ at, text }) => ({ at, text: api.redact(text, context) })),
    artifacts: model === null ? [] : [buildArtifact(api, { job, model, location: ref.location })],
    checkpoint: checkpoints.at(-1)?.step ?? null,
    notes: [...used, ...noteProblems(config.name, { isUnnamed, odd, problem: result?.problem ?? null })],
    failure: failure === null ? null : { ...failure, message: api.redact(failure.message, context) },
    cost: findCost(api, job, context),
    startedAt: next.startedAt,
    finishedAt: isTerminalPhase(status.phase) ? toIsoTime(job['finished_at']) : null,
    cursor: next,
    nextInMs: null,
  };
}

/** The metrics of the new events, of the new checkpoints, and of the result file. */
function getNewMetrics({ events, checkpoints, result, cursor }: Found): Metric[] {
  const fresh = checkpoints.filter(({ id }) => !cursor.checkpoints.includes(id));
  const ofEvents = events.flatMap(({ step, at, numbers }) => (step === null ? [] : toMetrics(numbers, { step, at, origin: 'event' })));
  return [...ofEvents, ...fresh.flatMap(({ metrics }) => metrics), ...(result?.metrics ?? [])];
}

/** The newest step that was measured. */
function measureProgress({ events, result, cursor }: Found): Pick<OpenAICursor, 'step' | 'steps' | 'loss'> {
  const last = events.findLast(({ step }) => step !== null);
  const loss = last?.numbers['train_loss'];
  const steps = [...events, ...(result?.metrics ?? [])].flatMap(({ step }) => step ?? []);
  return {
    step: steps.reduce<number | null>((most, step) => Math.max(most ?? 0, step), cursor.step),
    steps: last?.steps ?? cursor.steps,
    loss: typeof loss === 'number' && Number.isFinite(loss) ? loss : cursor.loss,
  };
}

function getProgress(job: Job, { step, steps, loss }: OpenAICursor, now: Date): Progress | null {
  const finish = toIsoTime(job['estimated_finish']);
  const etaSeconds = finish === null ? null : Math.max(0, Math.round((Date.parse(finish) - now.getTime()) / 1000));
  if (step === null && etaSeconds === null) return null;
  const { n_epochs: epochs } = getHyperparameters(job);
  const epoch = step === null || steps === null || steps === 0 || epochs === undefined ? null : (epochs * step) / steps;
  return { step: step ?? 0, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}

/** The event as a line of the log. */
function toLog({ at, level, message }: Pick<JobEvent, 'at' | 'level' | 'message'>): { at: string; text: string } {
  return { at, text: level === 'info' ? message : `${level}: ${message}` };
}

/** Whether the training runs from then on; OpenAI and Azure say it in words, and every measured step shows it. */
function isStart({ message, step }: JobEvent): boolean {
  return step !== null || /\bjob started\b/i.test(message);
}

/** The tuned model, once. */
function getNewModel({ job, status, cursor }: Found): string | null {
  const model = getTunedName(job);
  return status.phase === 'succeeded' && model !== cursor.model ? model : null;
}

/** The tuned model as a result. */
export function buildArtifact(
  { config, getBaseName }: Api,
  { job, model, location }: { readonly job: Pick<Job, 'model'>; readonly model: string; readonly location: string },
): Artifact {
  const endpoint = { kind: 'endpoint', identity: `${location} ${model}`, location, name: model, base: getBaseName(job.model) } as const;
  const deployed = config.needsDeployment === true ? { ...endpoint, needsDeployment: true as const } : endpoint;
  return { kind: 'endpoint', uri: `${config.id}:${model}`, sha256: null, model: deployed };
}

/** The states that stay beside the tuned model. Earlier ones are gone by then. */
function logCheckpoints(checkpoints: readonly Checkpoint[]): { at: string; text: string }[] {
  const named = checkpoints.filter(({ model }) => model !== null);
  return named.map(({ at, step, model }) => ({ at, text: `the weights of step ${step} answer as ${model}` }));
}

/** They stand in the cursor once their notes were made. */
const unnamed = 'fine_tuned_model';
const oddTokens = 'trained_tokens';

/** What the job says that it has trained on, where that is no number of tokens. */
function getOddTokens({ trained_tokens: tokens }: Job): string | null {
  return tokens == null || toStep(tokens) !== null ? null : formatValue(tokens);
}

interface Problems {
  readonly isUnnamed: boolean;
  readonly odd: string | null;
  readonly problem: string | null;
}

function noteProblems(name: string, { isUnnamed, odd, problem }: Problems): Note[] {
  const uncounted = odd === null ? [] : [`${name} reports ${odd} trained tokens, which is no number of them: the cost is not known`];
  const unread = problem === null ? [] : [`metrics may be missing: the result file cannot be read: ${problem}`];
  const held = isUnnamed ? [`${name} says that the job has succeeded but names no model: a check of the model may hold it back`] : [];
  return [...held, ...uncounted, ...unread].map((message) => ({ type: 'warning', message }));
}

/** Nothing is known about the price of other methods. */
function findCost(api: Api, job: Job, context: Context): ActualCost | null {
  const tokens = toStep(job['trained_tokens']);
  if (tokens === null || getMethodType(job) !== 'supervised') return null;
  const price = findPrice(api, { model: job.model, kind: 'supervised' }, context);
  return price === null ? null : { usd: toUsd(tokens, price), source: `${tokens} trained tokens at ${formatPrice(price)}` };
}
