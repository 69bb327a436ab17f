/**
 * One measured number of a run. Unique by (run, split, name, coverage, step or epoch). Names are Hugging Face's where it has them:
 * `loss`, `accuracy`, `learning_rate`, `grad_norm`; a number without a common name is `x/<the service's name>`.
 */
export interface Metric {
  readonly name: string;
  readonly split: 'train' | 'validation';
  /** Optimizer steps done when it was measured; null where the service counts otherwise. */
  readonly step: number | null;
  /** Passes over the training rows, fractional. */
  readonly epoch: number | null;
  readonly value: number;
  /** Over one batch, all rows of the split, or what the service does not say. */
  readonly coverage: 'batch' | 'full' | 'unreported';
  /** The service's own field. */
  readonly source: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** What a metric is unique by, within a run. */
export function getMetricKey({ split, name, coverage, step, epoch }: Omit<Metric, 'value' | 'source' | 'at'>): string {
  return JSON.stringify([split, name, coverage, step ?? `epoch ${epoch}`]);
}

/** The same metrics, each measure once: of several the first. */
export function keepFirstMetrics(metrics: readonly Metric[]): Metric[] {
  const byKey = new Map<string, Metric>();
  for (const metric of metrics) if (!byKey.has(getMetricKey(metric))) byKey.set(getMetricKey(metric), metric);
  return [...byKey.values()];
}
