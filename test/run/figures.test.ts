import { expect, test } from 'vitest';
import type { Observation, Progress } from '../../src/provider/job.ts';
import type { Metric } from '../../src/provider/metric.ts';
import { checkFigures, checkQuote } from '../../src/run/figures.ts';

const progress: Progress = { step: 3, steps: 9, epoch: 1, etaSeconds: 60, rowsPerSecond: 5, loss: -0.5 };
const seen: Observation<null> = {
  status: { phase: 'running', raw: 'running' },
  progress,
  metrics: [],
  logs: [],
  artifacts: [],
  checkpoint: 3,
  notes: [{ type: 'warning', message: 'of the provider' }],
  failure: null,
  cost: { usd: 5000, source: '1e9 tokens' },
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: null,
  cursor: null,
  nextInMs: 10,
};
const metric: Metric = {
  name: 'loss',
  split: 'train',
  step: 1,
  epoch: null,
  value: -1,
  coverage: 'batch',
  source: 'loss',
  at: '2026-01-01T00:00:00.000Z',
};

test('figures that can be stay as they are, however large', () => {
  expect(checkFigures(seen, [])).toEqual(seen);
  expect(checkFigures({ ...seen, progress: null, cost: null, checkpoint: null, nextInMs: null }, [])).toMatchObject({
    progress: null,
    cost: null,
  });
});

test.each<[Partial<Progress>, Partial<Progress> | null]>([
  [{ step: 500 }, { step: 500, steps: null, epoch: null }],
  [
    { step: 5, steps: 0 },
    { step: 5, steps: null, epoch: null },
  ],
  [
    { step: 0, steps: 0 },
    { step: 0, steps: null },
  ],
  [{ step: Number.MAX_SAFE_INTEGER, steps: 1 }, { steps: null }],
  [{ steps: -9 }, { steps: null }],
  [{ steps: Infinity }, { steps: null }],
  [{ step: -3 }, null],
  [{ step: 1.5 }, null],
  [{ step: Infinity, steps: Infinity }, null],
  [
    { etaSeconds: -1, rowsPerSecond: Infinity, loss: NaN, epoch: -1 },
    { step: 3, steps: 9, etaSeconds: null, rowsPerSecond: null, loss: null, epoch: null },
  ],
])('progress with %j becomes %j', (odd, left) => {
  const { progress: found, notes } = checkFigures({ ...seen, progress: { ...progress, ...odd } }, []);
  expect([found]).toMatchObject([left]);
  expect(notes.length > 1).toBe('step' in odd || 'steps' in odd);
});

test.each([-0.000005, Infinity, NaN])('a cost of %d is not known, which is noted once', (usd) => {
  const odd = { ...seen, cost: { usd, source: 'x' } };
  const { cost, notes } = checkFigures(odd, []);
  expect(cost).toBeNull();
  expect(notes.slice(1)).toEqual([{ type: 'warning', message: expect.stringContaining('what the job has cost is not known') as string }]);
  expect(checkFigures(odd, notes).notes).toEqual(seen.notes);
});

test('measurements, times and pauses that cannot be are left out', () => {
  const odd = [{ value: Infinity }, { value: NaN }, { step: -1 }, { step: 0.5 }, { step: null, epoch: -1 }];
  const found = checkFigures(
    { ...seen, metrics: [metric, ...odd.map((change) => ({ ...metric, ...change }))], checkpoint: -4, startedAt: 'soon', nextInMs: -5 },
    [],
  );
  expect(found).toMatchObject({ metrics: [metric], checkpoint: null, startedAt: null, nextInMs: null });
});

test('a price below zero, infinite or upside down is none', () => {
  const quote = { currency: 'USD', low: 1, high: 2, source: 'list', asOf: null } as const;
  expect(checkQuote(quote)).toEqual(quote);
  for (const odd of [{ low: -1 }, { high: Infinity }, { high: NaN }, { low: 3 }]) expect(checkQuote({ ...quote, ...odd })).toBeNull();
  expect(checkQuote(undefined)).toBeNull();
});
