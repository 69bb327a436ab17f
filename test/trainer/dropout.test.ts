import { expect, test } from 'vitest';
import { computeAndFree, startBackend } from '../../src/trainer/backend.ts';
import { createDropout, toDropoutMask } from '../../src/trainer/dropout.ts';

test('a mask has its share of zeros, and the rest keeps the mean', async () => {
  const tf = await startBackend('cpu');
  const mask = computeAndFree(tf, () => [...toDropoutMask(tf, { rate: 0.1, key: 9 }, [100, 100]).dataSync()]);
  const zeros = mask.filter((value) => value === 0).length / mask.length;
  expect(zeros).toBeGreaterThan(0.09);
  expect(zeros).toBeLessThan(0.11);
  expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.9)]));
});

test('each place of each pass has its own stream, the same one every time', () => {
  const keys = (step: number, microBatch: number, seed = 1): (number | undefined)[] => {
    const next = createDropout({ seed, step, microBatch });
    return [next(0.1)?.key, next(0.1)?.key];
  };
  expect(keys(1, 0)).toEqual(keys(1, 0));
  const all = [...keys(0, 0), ...keys(1, 0), ...keys(0, 1), ...keys(0, 0, 2)];
  expect(new Set(all).size).toBe(all.length);
});

test('a place without dropout still counts', () => {
  const [a, b] = [createDropout({ seed: 1, step: 0, microBatch: 0 }), createDropout({ seed: 1, step: 0, microBatch: 0 })];
  expect(a(0)).toBeNull();
  b(0.5);
  expect(a(0.5)).toEqual(b(0.5));
});
