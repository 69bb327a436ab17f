import type { Metric } from '../../src/provider/metric.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Dialect } from './dialect.ts';
import { toMetrics, toStep } from './metrics.ts';
import { toJobPath } from './read-job.ts';
import { readList, type Item } from './read-list.ts';

/** A state of the training that the service keeps and answers with; it keeps those of the last epochs. */
export interface Checkpoint {
  readonly id: string;
  readonly at: string;
  readonly step: number;
  /** What requests call it; null where the service does not say. */
  readonly model: string | null;
  readonly metrics: readonly Metric[];
}

/** The checkpoints of a job, by step. */
export async function readCheckpoints(dialect: Dialect, job: string, context: Context): Promise<Checkpoint[]> {
  const items = await readList(dialect, { path: `${toJobPath(job)}/checkpoints`, sinceMs: null }, context);
  return items.flatMap(toCheckpoints).sort((a, b) => a.step - b.step);
}

function toCheckpoints({ id, at, wire }: Item): Checkpoint[] {
  const { step_number, fine_tuned_model_checkpoint: model, metrics } = wire;
  const step = toStep(step_number);
  if (step === null) return [];
  const numbers = typeof metrics === 'object' && metrics !== null ? (metrics as Record<string, unknown>) : {};
  return [{ id, at, step, model: typeof model === 'string' ? model : null, metrics: toMetrics(numbers, { step, at, by: 'checkpoint' }) }];
}
