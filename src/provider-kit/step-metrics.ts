import { getMetricKey, keepFirstMetrics, type Metric } from '../provider/metric.ts';

/** Which metrics were reported: all before a step, and these of the step itself. Plain JSON, and small. */
export interface SeenSteps {
  readonly step: number | null;
  /** Keys of the metrics that were measured at that step. */
  readonly measured: readonly string[];
}

export const noSteps: SeenSteps = { step: null, measured: [] };

/** The metrics that were not reported yet, of a list that begins with the last step that was. */
export function takeNewMetrics(
  metrics: readonly Metric[],
  seen: SeenSteps,
): { readonly metrics: readonly Metric[]; readonly seen: SeenSteps } {
  const known = new Set(seen.measured);
  const fresh = metrics.filter((metric) => !known.has(getMetricKey(metric)));
  const step = fresh.reduce<number | null>((most, metric) => Math.max(most ?? 0, metric.step ?? 0), seen.step);
  const newest = fresh.filter((metric) => metric.step === step).map(getMetricKey);
  return { metrics: fresh, seen: { step, measured: step === seen.step ? [...seen.measured, ...newest] : newest } };
}

/**
 * The metrics of rows in which each number has a name such as `train/loss`, as trainers log them; the step and the epoch stand beside.
 * @param at when the rows were written, as far as anybody says
 */
export function parseStepRows(rows: readonly Readonly<Record<string, unknown>>[], at: string): Metric[] {
  const metrics = rows.flatMap((fields) => {
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
