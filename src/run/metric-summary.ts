import type { Metric } from '../provider/metric.ts';

/** A measure in short: the newest value, the best one and its step. */
export interface MetricSummary {
  readonly last: number;
  readonly best: number;
  readonly bestStep: number | null;
}

/** By `split/name`. */
export type MetricSummaries = Readonly<Record<string, MetricSummary>>;

/** Of these a smaller value is the better one; of all others a larger one. */
const smallerIsBetter = new Set(['loss', 'grad_norm', 'learning_rate']);

/** The summaries after further measurements, in the order in which these were made. */
export function addMetrics(known: MetricSummaries, metrics: readonly Metric[]): MetricSummaries {
  const summaries = { ...known };
  for (const { split, name, value, step } of metrics) {
    const before = summaries[`${split}/${name}`];
    const isBetter = before === undefined || (smallerIsBetter.has(name) ? value < before.best : value > before.best);
    summaries[`${split}/${name}`] = isBetter ? { last: value, best: value, bestStep: step } : { ...before, last: value };
  }
  return summaries;
}
