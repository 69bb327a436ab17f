import { expect, test } from 'vitest';
import { toLearningRate, toStepCounts, toWarmupSteps } from '../../src/trainer/schedule.ts';

const schedule = { learningRate: 1, warmupSteps: 2, steps: 10 };

test.each([
  ['linear', [0, 0.5, 1, 0.875, 0.125, 0]],
  ['cosine', [0, 0.5, 1, 0.5 * (1 + Math.cos(Math.PI / 8)), 0.5 * (1 + Math.cos((Math.PI * 7) / 8)), 0]],
  ['constant', [0, 0.5, 1, 1, 1, 1]],
] as const)('%s', (name, expected) => {
  const rates = [0, 1, 2, 3, 9, 10].map((step) => toLearningRate({ ...schedule, name }, step));
  for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 12);
});

test('without warm-up the first step has the full rate', () => {
  expect(toLearningRate({ name: 'linear', learningRate: 3, warmupSteps: 0, steps: 5 }, 0)).toBe(3);
});

test('warm-up steps are rounded up', () => {
  expect([toWarmupSteps(0.1, 447), toWarmupSteps(0, 100), toWarmupSteps(0.1, 1)]).toEqual([45, 0, 1]);
});

test('step counts', () => {
  const counts = { rows: 2374, batchSize: 16 };
  expect(toStepCounts({ ...counts, epochs: 3, steps: null })).toEqual({ perEpoch: 149, total: 447 });
  expect(toStepCounts({ ...counts, epochs: 0.5, steps: null })).toEqual({ perEpoch: 149, total: 75 });
  expect(toStepCounts({ ...counts, epochs: null, steps: 7 })).toEqual({ perEpoch: 149, total: 7 });
});
