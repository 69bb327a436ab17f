import { expect, test } from 'vitest';
import type { Metric } from '../../src/provider/metric.ts';
import { describeLossTrend } from '../../src/run/loss-trend.ts';

const toLosses = (split: Metric['split'], values: readonly number[]): Metric[] =>
  values.map((value, i) => {
    return { name: 'loss', split, step: i + 1, epoch: null, value, coverage: 'batch', source: 'loss', at: '' };
  });
/** A noise of ±0.05 that is the same each time. */
const noise = (i: number): number => (i % 2 === 0 ? 0.05 : -0.05);
const toLine = (from: number, to: number, steps = 100): Metric[] =>
  toLosses(
    'train',
    Array.from({ length: steps }, (_, i) => from + ((to - from) * i) / (steps - 1) + noise(i)),
  );

test('a loss that falls to the end, and is still high, is told with its figures', () => {
  expect(describeLossTrend(toLine(1.8, 1.4))).toBe(
    'the loss was still falling at the end (1.44, 1.78 at first): more epochs or a higher learning rate may help',
  );
});

test.each<[string, readonly Metric[]]>([
  ['is flat', toLine(0.7, 0.7)],
  ['falls by less than its noise', toLine(0.7, 0.66)],
  ['rises', toLine(0.7, 0.9)],
  ['has become small', toLine(1.8, 0.5)],
  ['has few steps', toLine(1.8, 1.4, 14)],
  ['was not reported', []],
  ['falls while the validation loss does not', [...toLine(1.8, 1.4), ...toLosses('validation', [1.6, 1.5, 1.5])]],
])('nothing is said of a loss that %s', (_, metrics) => {
  expect(describeLossTrend(metrics)).toBeNull();
});

test('a validation loss that falls too, or was measured once, hinders nothing', () => {
  for (const losses of [[1.6, 1.5], [1.5]])
    expect(describeLossTrend([...toLine(1.8, 1.4), ...toLosses('validation', losses)])).not.toBeNull();
});
