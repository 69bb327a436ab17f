import type { Metric } from '../../src/provider/metric.ts';

/** A metric without the time of its measurement, which only the reader of a log knows. */
export type Measurement = Omit<Metric, 'at'>;

/** Where a row of measures belongs. */
export interface Place {
  readonly step: number | null;
  readonly epoch: number | null;
  /** The file that the row stands in, put before each field in `source`; null for a log. */
  readonly file: string | null;
}

export interface ParsedMetrics {
  readonly metrics: readonly Measurement[];
  /** Fields that were NaN or infinite. */
  readonly nonFinite: readonly string[];
}

const splitPrefix = 'eval_';
const speed = /(?:^|_)(?:runtime|samples_per_second|steps_per_second|tokens_per_second|total_flos)$/;

/**
 * A row of measures as transformers writes it. `eval_` stands for the validation split, measured over all its rows; a row of training measures is
 * about the batches since the last one. Names are transformers' own; speeds, and `train_loss`, the mean over the whole training, are `x/<field>`.
 */
export function parseMetrics(row: readonly (readonly [string, number | null])[], { step, epoch, file }: Place): ParsedMetrics {
  const metrics: Measurement[] = [];
  const nonFinite: string[] = [];
  for (const [field, value] of row) {
    if (value === null || field === 'epoch' || field === 'step' || !isName(field)) continue;
    if (!Number.isFinite(value)) {
      nonFinite.push(field);
      continue;
    }
    const isValidation = field.startsWith(splitPrefix);
    const isForeign = speed.test(field) || field.startsWith('train_');
    const name = isForeign ? `x/${field}` : isValidation ? field.slice(splitPrefix.length) : field;
    const coverage = isForeign ? 'unreported' : isValidation ? 'full' : 'batch';
    const source = file === null ? field : `${file}: ${field}`;
    metrics.push({ name, split: isValidation ? 'validation' : 'train', step, epoch, value, coverage, source });
  }
  return { metrics: keepFirst(metrics), nonFinite };
}

/** One of each name. */
export function keepFirst(metrics: readonly Measurement[]): Measurement[] {
  const known = new Set<string>();
  return metrics.filter(({ split, name }) => {
    const key = `${split}/${name}`;
    return known.has(key) ? false : known.add(key);
  });
}

/** Whether this can be the name of a measure: nothing that a reader could take for something else. */
export function isName(field: string): boolean {
  return /^[A-Za-z][\w./@-]{0,99}$/.test(field) && field !== splitPrefix;
}
