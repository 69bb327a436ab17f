import { z } from 'zod';
import { Failure, isFailure, toFailureData } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { ActualCost, Artifact, JobRef, Observation } from '../../src/provider/job.ts';
import { getMetricKey, keepFirstMetrics, type Metric } from '../../src/provider/metric.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { api, call, toPhase } from './client.ts';
import { findRestart, readJob, type Job } from './jobs.ts';

/** What of a job has been reported. Plain JSON, and small. */
export interface TogetherCursor {
  /** The job that is followed: the service may start it again under another identifier. */
  readonly job: string;
  /** How many of its events, in order of their time. */
  readonly events: number;
  readonly step: number | null;
  /** Keys of the metrics that were measured at that step. */
  readonly measured: readonly string[];
  readonly steps: number | null;
  readonly loss: number | null;
  readonly hasModel: boolean;
}

const Event = z.looseObject({
  created_at: z.unknown().optional(),
  level: z.string().nullish().catch(null),
  message: z.string().catch(''),
  type: z.string().catch(''),
  total_steps: z.number().nullish().catch(null),
});
const Events = z.looseObject({ data: z.array(Event) });
const Metrics = z.looseObject({ metrics: z.array(z.record(z.string(), z.unknown())).nullish() });
const Checkpoints = z.looseObject({ data: z.array(z.looseObject({ step: z.int().nonnegative() })) });

/** Looks at a job, or at the one that goes on in its place: its new events, the metrics from the last step on, its checkpoints. */
export async function observe(
  { job: ref, cursor }: { readonly job: JobRef; readonly cursor: TogetherCursor | null },
  context: Attempt,
): Promise<Observation<TogetherCursor>> {
  api.checkLocation(`the job ${ref.id}`, ref.location, context);
  const seen = await readJob(cursor?.job ?? ref.id, context);
  const restart = await findRestart(seen, context);
  const job = restart === null ? seen : await readJob(restart.id, context);
  const isSame = job.id === cursor?.job;
  const before: TogetherCursor =
    cursor !== null && isSame ? cursor : { job: job.id, events: 0, step: null, measured: [], steps: null, loss: null, hasModel: false };
  const events = await readEvents(job.id, context);
  const known = new Set(before.measured);
  const metrics = (await readMetrics(job, before.step, context)).filter((metric) => !known.has(getMetricKey(metric)));
  const step = metrics.reduce<number | null>((most, metric) => Math.max(most ?? 0, metric.step ?? 0), before.step);
  const newest = metrics.filter((metric) => metric.step === step).map(getMetricKey);
  const checkpoints = await readList(`/fine-tunes/${encodeURIComponent(job.id)}/checkpoints`, Checkpoints, { data: [] }, context);
  const phase = toPhase(job.status);
  const last = metrics.findLast(({ name, split }) => name === 'loss' && split === 'train');
  const model = phase === 'succeeded' && !before.hasModel ? (job.model_output_name ?? null) : null;
  const next: TogetherCursor = {
    job: job.id,
    events: events.length,
    step,
    measured: step === before.step ? [...before.measured, ...newest] : newest,
    steps: events.reduce((most, { total_steps: steps }) => (steps != null && steps > 0 ? steps : most), before.steps),
    loss: last?.value ?? before.loss,
    hasModel: before.hasModel || model !== null,
  };
  const isUnnamed = phase === 'succeeded' && (job.model_output_name ?? '') === '';
  return {
    status: { phase: isUnnamed ? 'finalizing' : phase, raw: job.status },
    progress: toProgress(job, next),
    metrics,
    logs: events.slice(before.events).map(({ at, level, message }) => {
      return { at, text: api.redact(level === null || /info/.test(level) ? message : `${level}: ${message}`, context) };
    }),
    artifacts: model === null ? [] : [buildArtifact(job, model, ref.location)],
    checkpoint: checkpoints.data.reduce<number | null>((most, { step }) => Math.max(most ?? 0, step), null),
    notes: restart === null ? [] : [{ type: 'warning', message: `Together has started the job ${seen.id} again as ${job.id}` }],
    failure: phase === 'failed' ? toFailureData(toJobFailure(job, events, (text) => api.redact(text, context))) : null,
    cost: toCost(job),
    startedAt: toIsoTime(job['started_at']),
    finishedAt: isTerminalPhase(phase) ? toIsoTime(job['updated_at']) : null,
    cursor: next,
    nextInMs: null,
  };
}

interface JobEvent {
  readonly at: string;
  readonly type: string;
  readonly level: string | null;
  readonly message: string;
  readonly total_steps?: number | null | undefined;
}

/** All events, oldest first; those of one time stay as they come. */
async function readEvents(id: string, context: Attempt): Promise<JobEvent[]> {
  const { data } = await readList(`/fine-tunes/${encodeURIComponent(id)}/events`, Events, { data: [] }, context);
  return data
    .map((event) => ({ ...event, at: toIsoTime(event.created_at) ?? '', type: event.type.toLowerCase(), level: event.level ?? null }))
    .filter(({ at }) => at !== '')
    .sort((a, b) => a.at.localeCompare(b.at));
}

/** A part of a job that a service may not have. */
async function readList<T>(path: string, schema: z.ZodType<T>, none: T, context: Attempt): Promise<T> {
  try {
    return await call({ call: `GET ${path}`, maxBodyBytes: 64 * 2 ** 20 }, context, async (client) => {
      return parseAnswer(schema, await client.get(path), `GET ${path}`);
    });
  } catch (error) {
    if (!isFailure(error, 'request-refused')) throw error;
    return none;
  }
}

/** The metrics from a step on. A field is named `train/loss` or `eval/loss`; the step and the epoch stand beside it. */
async function readMetrics(job: Job, from: number | null, context: Attempt): Promise<Metric[]> {
  const query = from === null ? '' : `?global_step_from=${from}`;
  const found = await readList(`/fine-tunes/${encodeURIComponent(job.id)}/metrics${query}`, Metrics, {}, context);
  const at = toIsoTime(job['updated_at']) ?? toIsoTime(job.created_at) ?? context.now().toISOString();
  const metrics = (found.metrics ?? []).flatMap((fields) => {
    const numbers = Object.entries(fields).filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
    const find = (name: RegExp): number | null => numbers.find(([field]) => name.test(field))?.[1] ?? null;
    const step = find(/(^|\/)(global_)?step$/);
    const measured = numbers.filter(([field]) => !/(^|\/)((global_)?step|epoch|timestamp)$/.test(field));
    return step === null ? [] : measured.map(([field, value]) => toMetric(field, value, { step, epoch: find(/(^|\/)epoch$/), at }));
  });
  return keepFirstMetrics(metrics);
}

function toMetric(field: string, value: number, where: Pick<Metric, 'step' | 'epoch' | 'at'>): Metric {
  const [, part, name = field] = /^(train|eval|validation|valid)\/(.+)$/.exec(field) ?? [];
  const split = part === undefined || part === 'train' ? 'train' : 'validation';
  const isKnown = part !== undefined && ['loss', 'learning_rate', 'grad_norm', 'accuracy'].includes(name);
  const coverage = name !== 'loss' ? 'unreported' : split === 'train' ? 'batch' : 'full';
  return { name: isKnown ? name : `x/${field}`, split, ...where, value, coverage, source: `metrics ${field}`, origin: 'event' };
}

const Progress = z.looseObject({ estimate_available: z.literal(true), seconds_remaining: z.number().nonnegative() });

function toProgress(job: Job, { step, steps, loss }: TogetherCursor): Observation<TogetherCursor>['progress'] {
  const etaSeconds = Progress.safeParse(job['progress']).data?.seconds_remaining ?? null;
  if (step === null && etaSeconds === null) return null;
  const epochs = typeof job['n_epochs'] === 'number' ? job['n_epochs'] : null;
  const epoch = step === null || steps === null || epochs === null ? null : (epochs * step) / steps;
  return { step: step ?? 0, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}

function buildArtifact({ model }: Job, name: string, location: string): Artifact {
  const identity = `${location} ${name}`;
  const endpoint = { kind: 'endpoint', identity, location, name, base: model ?? name, needsDeployment: true } as const;
  return { kind: 'endpoint', uri: `together:${name}`, sha256: null, model: endpoint };
}

/** Prices of jobs are billionths of a dollar, as the service's own Python client reads them; those of estimates are dollars. */
const perDollar = 1e9;

function toCost(job: Job): ActualCost | null {
  const { total_price: price } = job;
  if (!isTerminalPhase(toPhase(job.status)) || typeof price !== 'number' || !(price >= 0)) return null;
  return { usd: price / perDollar, source: `total_price of the job ${job.id}, in billionths of a dollar` };
}

/** Why a job has failed, in the service's words; `user_error` is about what was sent. */
function toJobFailure({ status }: Job, events: readonly JobEvent[], redact: (text: string) => string): Failure {
  const isUser = status.toLowerCase() === 'user_error';
  const said = events.findLast(({ type, level }) => /error/.test(type) || level === 'error')?.message ?? 'it does not say why';
  const hint = isUser
    ? 'correct the rows or the settings: changed, they are a new run'
    : '`orchestrate logs` shows what it said; submit again with --again';
  return new Failure(isUser ? 'data-invalid' : 'service-unavailable', redact(`Together: the job has failed: ${said}`), { hint });
}
