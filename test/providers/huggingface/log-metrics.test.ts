import { expect, test } from 'vitest';
import { toLogMetrics } from '../../../providers/huggingface/log-metrics.ts';
import { readFixtureLines } from './read-fixture.ts';

const begin = '2026-11-22T12:00:00.000Z';
const lines = readFixtureLines('trl-sft.out').map((text, i) => ({
  text,
  at: i === 0 ? null : `2026-11-22T12:00:${String(i).padStart(2, '0')}Z`,
}));

test('each measure is told once, though a log can say it twice', () => {
  const once = toLogMetrics(lines, { fresh: lines.length, epochs: 1, begin });
  const twice = toLogMetrics([...lines, ...lines], { fresh: lines.length, epochs: 1, begin });
  expect(once.metrics.length).toBeGreaterThan(20);
  expect(once.known).toBe(0);
  expect(twice.metrics).toEqual(once.metrics);
  expect(twice.known).toBe(once.metrics.length);
});

test('the same lines give the same measures, however many of them are new', () => {
  for (let fresh = 0; fresh <= lines.length; fresh++) {
    const { metrics, known } = toLogMetrics(lines, { fresh, epochs: 1, begin });
    const before = toLogMetrics(lines.slice(0, lines.length - fresh), { fresh: 0, epochs: 1, begin });
    expect(metrics.slice(0, known)).toEqual(before.metrics);
  }
});

test('a measure has the time of its line, and one without a time that of the beginning', () => {
  const { metrics } = toLogMetrics(lines, { fresh: lines.length, epochs: 1, begin });
  expect(metrics[0]!.at).toBe(begin);
  expect(metrics.at(-1)!.at > begin).toBe(true);
});
