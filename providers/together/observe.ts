import { z } from 'zod';
import { Failure, isFailure, toFailureData } from '../../src/errors.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { ActualCost, JobRef, Observation } from '../../src/provider/job.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { EventList, toTimedEvents, type TimedEvent } from '../../src/provider-kit/job-events.ts';
import { observeParts, startParts, type PartsCursor } from '../../src/provider-kit/job-parts.ts';
import { buildArtifact } from '../openai-compatible/observe.ts';
import { api, read } from './client.ts';
import { findRestart, formatPath, maxBodyBytes, readJob, type Job } from './jobs.ts';

const Rows = z.looseObject({ metrics: z.array(z.record(z.string(), z.unknown())).nullish() });
const Checkpoints = z.looseObject({ data: z.array(z.looseObject({ step: z.int().nonnegative() })) });

/** Looks at a job, or at the one that goes on in its place: its new events, the metrics from the last step on, its checkpoints. */
export async function observe(
  { job: ref, cursor }: { readonly job: JobRef; readonly cursor: PartsCursor | null },
  context: Attempt,
): Promise<Observation<PartsCursor>> {
  api.checkLocation(`the job ${ref.id}`, ref.location, context);
  const seen = await readJob(cursor?.job ?? ref.id, context);
  const restart = await findRestart(seen, context);
  const job = restart === null ? seen : await readJob(restart.id, context);
  const path = formatPath(job.id);
  const before = startParts(job.id, cursor);
  const events = toTimedEvents(await readPart({ path: `${path}/events`, schema: EventList, none: { data: [] } }, context));
  const query = before.step === null ? '' : `?global_step_from=${before.step}`;
  const { metrics: rows } = await readPart({ path: `${path}/metrics${query}`, schema: Rows, none: {} }, context);
  const checkpoints = await readPart({ path: `${path}/checkpoints`, schema: Checkpoints, none: { data: [] } }, context);
  const { id, phase, status: raw, model_output_name: name } = job;
  const { newModel, logs, ...found } = observeParts(
    {
      job: id,
      phase,
      raw,
      events,
      rows: rows ?? [],
      at: job.updated_at ?? job.created_at ?? context.now().toISOString(),
      checkpoints: checkpoints.data.map(({ step }) => step),
      epochs: job.n_epochs,
      etaSeconds: job.progress?.seconds_remaining ?? null,
      model: name === '' ? null : (name ?? null),
    },
    before,
  );
  const redact = (text: string): string => api.redact(text, context);
  return {
    ...found,
    logs: logs.map(({ at, text }) => ({ at, text: redact(text) })),
    artifacts:
      newModel === null ? [] : [buildArtifact(api, { job: { model: job.model ?? newModel }, model: newModel, location: ref.location })],
    notes: restart === null ? [] : [{ type: 'warning', message: `Together has started the job ${seen.id} again as ${id}` }],
    failure: phase === 'failed' ? toFailureData(toJobFailure(job, events, redact)) : null,
    cost: toCost(job),
    startedAt: job.started_at,
    finishedAt: isTerminalPhase(phase) ? job.updated_at : null,
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

/** Prices of jobs are billionths of a dollar, as the service's own Python client reads them; those of estimates are dollars. */
function toCost({ id, phase, total_price: price }: Job): ActualCost | null {
  if (!isTerminalPhase(phase) || price === null) return null;
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
