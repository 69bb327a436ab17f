import type { Metric } from '../../src/provider/metric.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Checkpoint } from './checkpoints.ts';
import type { OpenAICursor } from './cursor.ts';
import type { Dialect } from './dialect.ts';
import { noEvents, readEvents, toEventMetrics, toWasSeen, type JobEvent } from './events.ts';
import { toMetricKey } from './metrics.ts';
import type { Job } from './read-job.ts';
import { readResultFiles } from './result-file.ts';

interface Measured {
  readonly job: Job;
  readonly events: readonly JobEvent[];
  readonly checkpoints: readonly Checkpoint[];
  /** Of the result file; none where it was not read in this look. */
  readonly result: readonly Metric[];
  readonly cursor: OpenAICursor;
}

/**
 * The measures that were not told before: of events, then of checkpoints, then of the result file. The three tell much the same, and
 * only the last one everything; who tells a measure first is told of.
 */
export async function selectMetrics(dialect: Dialect, found: Measured, context: Context): Promise<Metric[]> {
  const { events, checkpoints, result, cursor } = found;
  const byAge = Map.groupBy(checkpoints, ({ id }) => (cursor.checkpoints.includes(id) ? 'known' : 'new'));
  const toCheckpointMetrics = (age: 'known' | 'new'): Metric[] => (byAge.get(age) ?? []).flatMap(({ metrics }) => metrics);
  const fresh = [...events.flatMap(toEventMetrics), ...toCheckpointMetrics('new'), ...result];
  const reported = new Set(toCheckpointMetrics('known').map(toMetricKey));
  // Of steps beyond the newest nothing can have been told.
  const mayBeTold = fresh.some(({ step }) => cursor.step !== null && step !== null && step <= cursor.step);
  if (mayBeTold) for (const key of await readToldKeys(dialect, found, context)) reported.add(key);
  return fresh.filter((metric) => {
    const key = toMetricKey(metric);
    const isNew = !reported.has(key);
    reported.add(key);
    return isNew;
  });
}

/** The measures that events and the result file told in earlier looks, read again. */
async function readToldKeys(dialect: Dialect, { job, cursor }: Measured, context: Context): Promise<string[]> {
  const { events } = await readEvents(dialect, { job: job.id, seen: noEvents }, context);
  const result = cursor.isResultRead ? await readResultFiles(dialect, job, context) : [];
  return [...events.filter(toWasSeen(cursor.events)).flatMap(toEventMetrics), ...result].map(toMetricKey);
}
