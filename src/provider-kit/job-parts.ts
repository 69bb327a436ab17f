import type { Observation, Progress } from '../provider/job.ts';
import type { Phase } from '../provider/status.ts';
import { toEventLog, type TimedEvent } from './job-events.ts';
import { noSteps, parseStepRows, takeNewMetrics, type SeenSteps } from './step-metrics.ts';

/** What of a job has been reported, for a service that answers its parts one by one. Plain JSON, and small. */
export interface PartsCursor extends SeenSteps {
  /** The job that is followed: a service may start it again under another identifier. */
  readonly job: string;
  /** How many of its events, in order of their time. */
  readonly events: number;
  readonly steps: number | null;
  readonly loss: number | null;
  readonly hasModel: boolean;
}

/** What a look at a job has found. */
export interface JobParts {
  readonly job: string;
  readonly phase: Phase;
  /** The service's word for it. */
  readonly raw: string;
  /** All of them, oldest first. */
  readonly events: readonly TimedEvent[];
  /** From the step of the cursor on; see `parseStepRows`. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** When they were written. */
  readonly at: string;
  /** The steps of the checkpoints. */
  readonly checkpoints: readonly number[];
  readonly epochs: number | null;
  readonly etaSeconds: number | null;
  /** The tuned model, once there is one. */
  readonly model: string | null;
}

type Seen = Pick<Observation<PartsCursor>, 'status' | 'progress' | 'metrics' | 'logs' | 'checkpoint' | 'cursor'> & {
  /** The tuned model, once. */
  readonly newModel: string | null;
};

/** The cursor where it is about this job, else its beginning. */
export function startParts(job: string, cursor: PartsCursor | null): PartsCursor {
  return cursor?.job === job ? cursor : { job, events: 0, ...noSteps, steps: null, loss: null, hasModel: false };
}

/** What is new of a job since the cursor. A success without its model is no end yet. */
export function observeParts(parts: JobParts, before: PartsCursor): Seen {
  const { job, phase, raw, events, model } = parts;
  const { metrics, seen } = takeNewMetrics(parseStepRows(parts.rows, parts.at), before);
  const newModel = phase === 'succeeded' && !before.hasModel ? model : null;
  const cursor: PartsCursor = {
    job,
    events: events.length,
    ...seen,
    steps: events.findLast(({ steps }) => steps !== null && steps > 0)?.steps ?? before.steps,
    loss: metrics.findLast(({ name, split }) => name === 'loss' && split === 'train')?.value ?? before.loss,
    hasModel: before.hasModel || newModel !== null,
  };
  return {
    status: { phase: phase === 'succeeded' && model === null ? 'finalizing' : phase, raw },
    progress: toProgress(parts, cursor),
    metrics,
    logs: events.slice(before.events).map(toEventLog),
    checkpoint: parts.checkpoints.reduce<number | null>((most, step) => Math.max(most ?? 0, step), null),
    cursor,
    newModel,
  };
}

function toProgress({ epochs, etaSeconds }: JobParts, { step, steps, loss }: PartsCursor): Progress | null {
  if (step === null && etaSeconds === null) return null;
  const epoch = step === null || steps === null || epochs === null ? null : (epochs * step) / steps;
  return { step: step ?? 0, steps, epoch, etaSeconds, rowsPerSecond: null, loss };
}
