import { expect, onTestFinished, test } from 'vitest';
import type { Metric } from '../../src/provider/metric.ts';
import { acceptRun, appendEvents, findRun, listMetrics } from '../../src/run/run-store.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { toMemoryPlan } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';
const poll = { cursor: null, progress: null, at, error: null, failedPolls: null, nextPollAt: null };

test('the short form of the metrics follows their rows, poll by look', async () => {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const { key } = await acceptRun(store, toMemoryPlan(), at);
  for (const step of [1, 2]) {
    const metric: Metric = { split: 'train', name: 'loss', value: 1 / step, step, epoch: 1, coverage: 'batch', source: 'loss', at };
    await appendEvents(store, key, { events: [], at, fence: null, poll, metrics: [metric] });
  }
  await appendEvents(store, key, { events: [], at, fence: null });
  expect((await findRun(store, key))!.metrics).toEqual({ 'train/loss': { last: 0.5, best: 0.5, bestStep: 2 } });
  expect(await listMetrics(store, key)).toHaveLength(2);
});
