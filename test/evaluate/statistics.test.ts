import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toStreamKey, toUniform } from '../../src/lib/random.ts';
import { computeBootstrapInterval, computeMcNemar, getVerdict } from '../../src/evaluate/statistics.ts';

/** Results of two models: so many rows that only one has right, and five that both have. */
function toResults(aOnly: number, bOnly: number): [boolean[], boolean[]] {
  const rows = Array.from({ length: aOnly + bOnly + 5 }, (_, i) => i);
  return [rows.map((i) => i < aOnly || i >= aOnly + bOnly), rows.map((i) => i >= aOnly)];
}

// The p-values were computed with Python's whole numbers, without rounding before the end.
test.each([
  [0, 0, 1],
  [4, 4, 1],
  [0, 5, 0.0625],
  [1, 9, 0.021484375],
  [17, 3, 0.0025768280029296875],
  [2400, 2600, 0.004883649737517518],
  [6000, 6300, 0.0070155184820324245],
  [100, 1100, 1.6267567006299407e-213],
])('McNemar, %i against %i rows', (aOnly, bOnly, expected) => {
  const pValue = computeMcNemar(...toResults(aOnly, bOnly));
  expect(Math.abs(pValue - expected)).toBeLessThanOrEqual(1e-11 * expected);
  expect(computeMcNemar(...toResults(bOnly, aOnly))).toBe(pValue);
});

test('McNemar is a probability that falls as the split grows uneven', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (a, b) => {
      const [larger, smaller] = [Math.max(a, b), Math.min(a, b)];
      const p = computeMcNemar(...toResults(smaller, larger));
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(computeMcNemar(...toResults(smaller - 1, larger + 1))).toBeLessThan(p);
    }),
    { numRuns: 50 },
  );
  expect(computeMcNemar(...toResults(0, 5000))).toBe(0); // 2^-4999 is below the smallest number
});

test('percentiles are interpolated: means 0, 1, 2, 3, 4 at the level 0.9', () => {
  const means = [4, 0, 2, 1, 3];
  const random = (index: number): number => (means[Math.floor(index / 5)]! + 0.5) / 5; // each resample draws one row five times
  const { low, high, oneSidedLow } = computeBootstrapInterval([0, 1, 2, 3, 4], { resamples: 5, level: 0.9, random });
  expect([low, high, oneSidedLow]).toEqual([expect.closeTo(0.2, 12), expect.closeTo(3.8, 12), expect.closeTo(0.4, 12)]);
});

test('a bootstrap is near the normal interval for many rows', () => {
  const differences = Array.from({ length: 900 }, (_, i) => [1, 0, 0, -1, 0, 1, 0, 0, 0][i % 9]!);
  const key = toStreamKey(7, 'bootstrap');
  const settings = { resamples: 2000, level: 0.95, random: (index: number) => toUniform(key, index) };
  const interval = computeBootstrapInterval(differences, settings);
  const deviation = Math.sqrt((3 / 9 - (1 / 9) ** 2) / 900);
  expect(Math.abs(interval.low - (1 / 9 - 1.96 * deviation))).toBeLessThan(0.004);
  expect(Math.abs(interval.high - (1 / 9 + 1.96 * deviation))).toBeLessThan(0.004);
  const narrower = computeBootstrapInterval(differences, { ...settings, level: 0.5 });
  expect(narrower.low).toBeGreaterThan(interval.low);
  expect(narrower.high).toBeLessThan(interval.high);
});

test('a bootstrap of one row, and of rows without a difference, is a point', () => {
  const settings = { resamples: 10, level: 0.95, random: () => 0.99 };
  expect(computeBootstrapInterval([1], settings)).toEqual({ low: 1, high: 1, oneSidedLow: 1 });
  expect(computeBootstrapInterval([0, 0, 0], settings)).toEqual({ low: 0, high: 0, oneSidedLow: 0 });
});

test.each([
  [0.001, 0.01, 0.05, 0.02, 'better'],
  [0.001, 0.002, 0.01, 0.02, 'better'], // a difference that is sure, if small
  [-0.05, -0.045, -0.001, 0.02, 'worse'],
  [-0.015, -0.014, -0.001, 0.02, 'equivalent'], // a loss that is sure, and does not matter
  [-0.015, -0.014, -0.001, 0, 'worse'],
  [-0.021, -0.019, -0.001, 0.02, 'not worse'],
  [-0.02, -0.015, 0.02, 0.02, 'equivalent'],
  [0, 0, 0, 0, 'equivalent'], // the same answers
  [-0.019, -0.016, 0.03, 0.02, 'not worse'],
  [-0.022, -0.019, 0.03, 0.02, 'not worse'], // by the one-sided bound alone
  [0, 0.003, 0.03, 0.02, 'not worse'],
  [-0.025, -0.02, 0.03, 0.02, 'cannot tell'], // the margin itself is too much
  [-0.05, -0.04, 0, 0.02, 'cannot tell'],
  [-0.05, -0.04, 0.05, 0.02, 'cannot tell'],
  [NaN, NaN, NaN, 0.02, 'cannot tell'],
])('the interval from %d (%d one-sided) to %d with the margin %d: %s', (low, oneSidedLow, high, margin, verdict) => {
  expect(getVerdict({ low, high, oneSidedLow, margin })).toBe(verdict);
});
