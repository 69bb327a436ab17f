import { z } from 'zod';
import { Failure, isFailure, toFailureData } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { ActualCost, JobRef, Observation } from '../../src/provider/job.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { EventList, toEventLog, toTimedEvents, type TimedEvent } from '../../src/provider-kit/job-events.ts';
import { noSteps, parseStepRows, takeNewMetrics, type SeenSteps } from '../../src/provider-kit/step-metrics.ts';
import { buildArtifact } from '../openai-compatible/observe.ts';
import { api, read, toPhase } from './client.ts';
import { findRestart, formatPath, maxBodyBytes, readJob, type Job } from './jobs.ts';

/** What of a job has been reported. Plain JSON, and small. */
export interface TogetherCursor extends SeenSteps {
  /** The job that is followed: the service may start it again under another identifier. */
  readonly job: string;
  /** How many of its events, in order of their time. */
  readonly events: number;
  readonly steps: number | null;
  readonly loss: number | null;
  readonly hasModel: boolean;
}

const Rows = z.looseObject({ metrics: z.array(z.record(z.string(), z.unknown())).nullish() });
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
  const path = formatPath(job.id);
  const start: TogetherCursor = { job: job.id, events: 0, ...noSteps, steps: null, loss: null, hasModel: false };
  const before = cursor?.job === job.id ? cursor : start;
  const events = toTimedEvents(await readPart({ path: `${path}/events`, schema: EventList, none: { data: [] } }, context));
  const query = before.step === null ? '' : `?global_step_from=${before.step}`;
  const { metrics: rows } = await readPart({ path: `${path}/metrics${query}`, schema: Rows, none: {} }, context);
  const found = parseStepRows(rows ?? [], job.updated_at ?? job.created_at ?? context.now().toISOString());
  const { metrics, seen: steps } = takeNewMetrics(found, before);
  const checkpoints = await readPart({ path: `${path}/checkpoints`, schema: Checkpoints, none: { data: [] } }, context);
  const phase = toPhase(job.status);
  const name = phase === 'succeeded' && job.model_output_name ? job.model_output_name : null;
  const isNew = name !== null && !before.hasModel;
  const next: TogetherCursor = {
    job: job.id,
    events: events.length,
    ...steps,
    steps: events.findLast(({ steps: count }) => count !== null && count > 0)?.steps ?? before.steps,
    loss: metrics.findLast((metric) => metric.name === 'loss' && metric.split === 'train')?.value ?? before.loss,
    hasModel: before.hasModel || isNew,
  };
  const redact = (text: string): string => api.redact(text, context);
  return {
    status: { phase: phase === 'succeeded' && name === null ? 'finalizing' : phase, raw: job.status },
    progress: toProgress(job, next),
    metrics,
    logs: events.slice(before.events).map((event) => ({ ...toEventLog(event), text: redact(toEventLog(event).text) })),
    artifacts: isNew ? [buildArtifact(api, { job: { model: job.model ?? name }, model: name, location: ref.location })] : [],
    checkpoint: checkpoints.data.reduce<number | null>((most, { step }) => Math.max(most ?? 0, step), null),
    notes: restart === null ? [] : [{ type: 'warning', message: `Together has started the job ${seen.id} again as ${job.id}` }],
    failure: phase === 'failed' ? toFailureData(toJobFailure(job, events, redact)) : null,
    cost: toCost(job),
    startedAt: job.started_at,
    finishedAt: isTerminalPhase(phase) ? job.updated_at : null,
    cursor: next,
    nextInMs: null,
  };
}

/** A part of a job that a service may not have. */
async function readPart<T>({ none, ...of }: { path: string; schema: z.ZodType<T>; none: T }, context: Attempt): Promise<T> {
  return await read({ ...of, maxBodyBytes }, context).catch((error: unknown) => {
    if (!isFailure(error, 'request-refused')) throw error;
    return none;
  });
}

const Progress = z.looseObject({ estimate_available: z.literal(true), seconds_remaining: z.number().nonnegative() });

function toProgress(job: Job, { step, steps, loss }: TogetherCursor): Observation<TogetherCursor>['progress'] {
  const etaSeconds = Progress.safeParse(job['progress']).data?.seconds_remaining ?? null;
  if (step === null && etaSeconds === null) return null;
  const epochs = typeof job['n_epochs'] === 'number' ? job['n_epochs'] : null;
  const epoch = step === null || steps === null || epochs === null ? null : (epochs * step) / steps;
  return { step: step ?? 0, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}

/** Prices of jobs are billionths of a dollar, as the service's own Python client reads them; those of estimates are dollars. */
function toCost({ id, status, total_price: price }: Job): ActualCost | null {
  if (!isTerminalPhase(toPhase(status)) || typeof price !== 'number' || !(price >= 0)) return null;
  return { usd: price / 1e9, source: `total_price of the job ${id}, in billionths of a dollar` };
}

/** Why a job has failed, in the service's words; `user_error` is about what was sent. */
function toJobFailure({ status }: Job, events: readonly TimedEvent[], redact: (text: string) => string): Failure {
  const said = events.findLast(({ type, level }) => /error/.test(type) || level === 'error')?.message ?? 'it does not say why';
  const [code, hint] =
    status.toLowerCase() === 'user_error'
      ? (['data-invalid', 'correct the rows or the settings: changed, they are a new run'] as const)
      : (['service-unavailable', '`orchestrate logs` shows what it said; submit again with --again'] as const);
  return new Failure(code, redact(`Together: the job has failed: ${said}`), { hint });
}
