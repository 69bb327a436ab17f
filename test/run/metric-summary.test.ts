import { expect, test } from 'vitest';
import type { Metric } from '../../src/provider/metric.ts';
import { addMetrics } from '../../src/run/metric-summary.ts';

function toMetric(name: string, value: number, step: number | null): Metric {
  return { split: 'train', name, value, step, epoch: null, coverage: 'batch', source: name, at: '2026-01-01T00:00:00.000Z' };
}

test('the best loss is the smallest, the best accuracy the largest, the last one the newest', () => {
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
