import { expect, onTestFinished, test } from 'vitest';
import type { Metric } from '../../src/provider/metric.ts';
import { addMetrics, listMetrics, type MetricSummaries } from '../../src/run/metrics.ts';
import { appendEvents, findRun } from '../../src/run/run-store.ts';
import { openEmptyStore } from '../../src/store/open-store.ts';
import { acceptRun, toMemoryPlan } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';

function toMetric(name: string, value: number, step: number | null, origin?: Metric['origin']): Metric {
  const metric: Metric = { split: 'train', name, value, step, epoch: null, coverage: 'batch', source: name, at };
  return origin === undefined ? metric : { ...metric, origin };
}

test('the best loss is the smallest, the best accuracy the largest; the last value is the newest', () => {
  const first = addMetrics({}, [toMetric('loss', 0.5, 1), toMetric('loss', 0.2, 2), toMetric('accuracy', 0.9, 2)]);
  expect(first).toEqual({
    'train/loss': { last: 0.2, best: 0.2, bestStep: 2 },
    'train/accuracy': { last: 0.9, best: 0.9, bestStep: 2 },
  });
  expect(addMetrics(first, [toMetric('loss', 0.3, 3), toMetric('accuracy', 0.8, 3)])).toEqual({
    'train/loss': { last: 0.3, best: 0.2, bestStep: 2 },
    'train/accuracy': { last: 0.8, best: 0.9, bestStep: 2 },
  });
  expect(first['train/loss']).toEqual({ last: 0.2, best: 0.2, bestStep: 2 });
});

test.each(['learning_rate', 'grad_norm'])('%s has no best value', (name) => {
  expect(addMetrics({}, [toMetric(name, 0.5, 1), toMetric(name, 0.2, 2), toMetric(name, 0.3, 3)])).toEqual({
    [`train/${name}`]: { last: 0.3, best: null, bestStep: null },
  });
});

/** Stores the metrics poll by poll. */
async function store(...polls: readonly (readonly Metric[])[]): Promise<{ stored: Metric[]; summaries: MetricSummaries }> {
  const database = openEmptyStore();
  onTestFinished(async () => await database.destroy());
  const { key } = await acceptRun(database, toMemoryPlan(), at);
  const poll = { cursor: null, progress: null, at, error: null, failedPolls: null, nextPollAt: null };
  for (const metrics of polls) await appendEvents(database, key, { events: [], at, fence: null, poll, metrics });
  await appendEvents(database, key, { events: [], at, fence: null });
  return { stored: await listMetrics(database, key), summaries: (await findRun(database, key))!.metrics };
}

test('a measurement that is reported again is stored once', async () => {
  const [first, second] = [toMetric('loss', 1, 1), toMetric('loss', 0.5, 2)];
  expect(await store([first], [first, second], [first])).toEqual({
    stored: [first, second],
    summaries: { 'train/loss': { last: 0.5, best: 0.5, bestStep: 2 } },
  });
});

test.each([
  ['log', 'event', 'second'],
  ['event', 'checkpoint', 'second'],
  ['checkpoint', 'result-file', 'second'],
  ['result-file', 'log', 'first'],
  ['checkpoint', undefined, 'first'],
  [undefined, 'event', 'second'],
  ['event', 'event', 'second'],
] as const)('of a report by %s and a later one by %s the %s is kept', async (one, other, kept) => {
  const reports = { first: toMetric('loss', 0.2, 1, one), second: toMetric('loss', 0.3, 1, other) };
  const later = toMetric('loss', 0.25, 2);
  const { stored, summaries } = await store([reports.first, later], [reports.second]);
  expect(stored).toEqual([reports[kept], later]);
  // The summary agrees with what is stored, also where the best value was replaced.
  expect(summaries).toEqual(addMetrics({}, stored));
});
