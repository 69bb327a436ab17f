import { isDeepStrictEqual } from 'node:util';
import { metricOrigins, type Metric } from '../provider/metric.ts';
import { parseJsonOr } from '../lib/json.ts';
import type { RunKey } from '../job/run-key.ts';
import type { Store } from '../store/open-store.ts';

/** A measure in short: the newest value, the best one and its step. What has no better or worse, such as a learning rate, has no best. */
export interface MetricSummary {
  readonly last: number;
  readonly best: number | null;
  readonly bestStep: number | null;
}

/** By `split/name`. */
export type MetricSummaries = Readonly<Record<string, MetricSummary>>;

const withoutBest = new Set(['learning_rate', 'grad_norm']);

/** Of a loss and an error the smaller value is better, of all other measures the larger one. */
function isBetter(name: string, value: number, best: number): boolean {
  return /(^|[/_])(loss|error)$/.test(name) ? value < best : value > best;
}

/** The summaries after further measurements, in the order in which these were made. */
export function addMetrics(known: MetricSummaries, metrics: readonly Metric[]): MetricSummaries {
  const summaries = { ...known };
  for (const metric of metrics) {
    const { name, value, step } = metric;
    const before = summaries[getSummaryKey(metric)];
    const isBest = !withoutBest.has(name) && (before?.best == null || isBetter(name, value, before.best));
    const { best, bestStep } = isBest ? { best: value, bestStep: step } : (before ?? { best: null, bestStep: null });
    summaries[getSummaryKey(metric)] = { last: value, best, bestStep };
  }
  return summaries;
}

/**
 * Stores what a poll has measured and returns the summaries after it. A measurement may be reported again: one from a better origin, or
 * a newer one from the same origin, replaces the stored one; any other report is dropped.
 * @param tx the transaction of the poll
 */
export async function storeMetrics(
  tx: Store,
  run: RunKey,
  { known, metrics }: { readonly known: MetricSummaries; readonly metrics: readonly Metric[] },
): Promise<MetricSummaries> {
  let summaries = known;
  const changed = new Set<string>();
  for (const metric of metrics) {
    const stored = await findMetric(tx, run, metric);
    if (stored === null) summaries = addMetrics(summaries, [metric]);
    else if (getRank(metric) < getRank(stored) || isDeepStrictEqual(metric, stored)) continue;
    else if (metric.value !== stored.value) changed.add(getSummaryKey(metric));
    await upsertMetric(tx, run, metric);
  }
  if (changed.size === 0) return summaries;
  const all = (await listMetrics(tx, run)).filter((metric) => changed.has(getSummaryKey(metric)));
  return { ...summaries, ...addMetrics({}, all) };
}

function getSummaryKey({ split, name }: Metric): string {
  return `${split}/${name}`;
}

function getRank({ origin = 'event' }: Metric): number {
  return metricOrigins.indexOf(origin);
}

/** What makes a measurement unique beside its split, name and coverage. */
function getPosition({ step, epoch }: Metric): string {
  return step !== null ? `step:${step}` : epoch !== null ? `epoch:${epoch}` : 'none';
}

async function findMetric(store: Store, run: RunKey, metric: Metric): Promise<Metric | null> {
  const row = await store
    .selectFrom('metric')
    .select('body')
    .where('run', '=', run)
    .where('split', '=', metric.split)
    .where('name', '=', metric.name)
    .where('coverage', '=', metric.coverage)
    .where('position', '=', getPosition(metric))
    .executeTakeFirst();
  return row === undefined ? null : (parseJsonOr(row.body, null) as Metric | null);
}

async function upsertMetric(store: Store, run: RunKey, metric: Metric): Promise<void> {
  const { split, name, coverage, step } = metric;
  const body = JSON.stringify(metric);
  await store
    .insertInto('metric')
    .values({ run, split, name, coverage, position: getPosition(metric), step, body })
    .onConflict((conflict) => conflict.columns(['run', 'split', 'name', 'coverage', 'position']).doUpdateSet({ body }))
    .execute();
}

/** All metrics of a run, by step. */
export async function listMetrics(store: Store, run: RunKey): Promise<Metric[]> {
  const rows = await store.selectFrom('metric').select('body').where('run', '=', run).orderBy('step').orderBy('name').execute();
  return rows.flatMap(({ body }) => (parseJsonOr(body, null) as Metric | null) ?? []); // one that is damaged was not measured
}
