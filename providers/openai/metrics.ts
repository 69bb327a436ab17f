import type { Metric } from '../../src/provider/metric.ts';

type BaseUrl = Pick<Metric, 'name' | 'split' | 'coverage'>;

const trainLoss = { name: 'loss', split: 'train', coverage: 'batch' } as const;
const trainAccuracy = { name: 'mean_token_accuracy', split: 'train', coverage: 'batch' } as const;
const batchLoss = { name: 'loss', split: 'validation', coverage: 'batch' } as const;
const batchAccuracy = { name: 'mean_token_accuracy', split: 'validation', coverage: 'batch' } as const;
const fullLoss = { name: 'loss', split: 'validation', coverage: 'full' } as const;
const fullAccuracy = { name: 'mean_token_accuracy', split: 'validation', coverage: 'full' } as const;

/** The service's names in events, checkpoints and result files; in the last some are called otherwise, and Azure has its own. */
const places: ReadonlyMap<string, BaseUrl> = new Map<string, BaseUrl>([
  ['train_loss', trainLoss],
  ['train_mean_token_accuracy', trainAccuracy],
  ['train_accuracy', trainAccuracy],
  ['valid_loss', batchLoss],
  ['valid_mean_token_accuracy', batchAccuracy],
  ['validation_mean_token_accuracy', batchAccuracy],
  ['full_valid_loss', fullLoss],
  ['full_valid_mean_token_accuracy', fullAccuracy],
]);

/** Numbers that say where something was measured. */
const positions = new Set(['step', 'total_steps']);

/** Where and when the numbers of a step were told. */
export interface Told {
  readonly step: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** `event`, `checkpoint` or `result file`. */
  readonly by: string;
}

/** The numbers of one step as metrics, each measure once. What is no number was not measured. */
export function toMetrics(numbers: Readonly<Record<string, unknown>>, { step, at, by }: Told): Metric[] {
  const metrics = new Map<string, Metric>();
  for (const [field, value] of Object.entries(numbers)) {
    if (positions.has(field) || typeof value !== 'number' || !Number.isFinite(value)) continue;
    const metric: Metric = { ...getBaseUrl(field), step, epoch: null, value, source: `${by} ${field}`, at };
    if (!metrics.has(toMetricKey(metric))) metrics.set(toMetricKey(metric), metric);
  }
  return [...metrics.values()];
}

function getBaseUrl(field: string): BaseUrl {
  const split = /^(full_)?valid|^eval/.test(field) ? 'validation' : 'train';
  return places.get(field) ?? { name: `x/${field}`, split, coverage: 'unreported' };
}

/** What a metric is unique by, within a run. */
export function toMetricKey({ split, name, coverage, step }: Metric): string {
  return JSON.stringify([split, name, coverage, step]);
}

/** A number of steps; null for anything else. */
export function toStep(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
