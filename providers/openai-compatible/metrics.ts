import { parse } from 'csv-parse/sync';
import { keepFirstMetrics, type Metric } from '../../src/provider/metric.ts';

type Measure = Pick<Metric, 'name' | 'split' | 'coverage'>;

const trainLoss = { name: 'loss', split: 'train', coverage: 'batch' } as const;
const trainAccuracy = { name: 'mean_token_accuracy', split: 'train', coverage: 'batch' } as const;
const batchLoss = { name: 'loss', split: 'validation', coverage: 'batch' } as const;
const batchAccuracy = { name: 'mean_token_accuracy', split: 'validation', coverage: 'batch' } as const;
const fullLoss = { name: 'loss', split: 'validation', coverage: 'full' } as const;
const fullAccuracy = { name: 'mean_token_accuracy', split: 'validation', coverage: 'full' } as const;

/** The service's names in events, checkpoints and result files; some of the last are others, and Azure has its own. */
const measures: ReadonlyMap<string, Measure> = new Map<string, Measure>([
  ['train_loss', trainLoss],
  ['train_mean_token_accuracy', trainAccuracy],
  ['train_accuracy', trainAccuracy],
  ['valid_loss', batchLoss],
  ['valid_mean_token_accuracy', batchAccuracy],
  ['validation_mean_token_accuracy', batchAccuracy],
  ['full_valid_loss', fullLoss],
  ['full_valid_mean_token_accuracy', fullAccuracy],
]);

/** Fields that say where something was measured. */
const positions = new Set(['step', 'total_steps']);

/** Where and when the numbers of a step were measured. */
interface Origin {
  readonly step: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly origin: 'event' | 'checkpoint' | 'result-file';
}

/** The numbers of one step as metrics, each measure once. A value that is no number was not measured. */
export function toMetrics(numbers: Readonly<Record<string, unknown>>, { step, at, origin }: Origin): Metric[] {
  const metrics = Object.entries(numbers).flatMap(([field, value]): Metric[] => {
    if (positions.has(field) || typeof value !== 'number' || !Number.isFinite(value)) return [];
    return [{ ...getMeasure(field), step, epoch: null, value, source: `${origin.replace('-', ' ')} ${field}`, origin, at }];
  });
  return keepFirstMetrics(metrics);
}

function getMeasure(field: string): Measure {
  const split = /^(full_)?valid|^eval/.test(field) ? 'validation' : 'train';
  return measures.get(field) ?? { name: `x/${field}`, split, coverage: 'unreported' };
}

/** A number of steps; null for anything else. */
export function toStep(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/**
 * The metrics of a result file: a table with one row a step, as text or in base64, its columns in any order. A blank field, or one that is
 * no number, was not measured. A text that is no such table has none.
 */
export function parseResultFile(text: string, at: string): Metric[] {
  const [header = [], ...rows] = parseTable(decodeTable(text));
  return rows.flatMap((fields) => {
    const numbers = Object.fromEntries(header.map((name, i) => [name, parseNumber(fields[i])]));
    const step = toStep(numbers['step']);
    return step === null || fields.length > header.length ? [] : toMetrics(numbers, { step, at, origin: 'result-file' });
  });
}

/** OpenAI encodes its files in base64, Azure does not; base64 has no comma, which every table has. */
export function decodeTable(text: string): string {
  return text.includes(',') ? text : Buffer.from(text, 'base64').toString();
}

/** A longer line is not one of such a table. */
const mostLineCharacters = 10_000;

function parseTable(text: string): string[][] {
  try {
    return parse(text, {
      bom: true,
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      max_record_size: mostLineCharacters,
    });
  } catch {
    return [];
  }
}

function parseNumber(field: string | undefined): number | null {
  return field !== undefined && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : null;
}
