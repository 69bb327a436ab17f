import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildComparison, type CandidateAnswers } from '../../src/evaluate/comparison.ts';
import { computeErrors, scoreNumbers } from '../../src/evaluate/numbers.ts';

/** Figures of NumPy: see make-controls.py. */
const { regression } = JSON.parse(readFileSync('fixtures/parity/controls.json', 'utf8')) as {
  readonly regression: {
    readonly expected: readonly number[];
    readonly answers: readonly number[];
    readonly scores: Readonly<Record<'mean_absolute_error' | 'pearson' | 'spearman', number>>;
  };
};
const expected = regression.expected.map(String);
const answers = regression.answers.map(String);

test('numbers are scored as NumPy scores them, ranks with ties too', () => {
  const { measures, unparseable } = scoreNumbers({ expected, answers });
  for (const [name, value] of Object.entries(regression.scores)) expect(measures[name as keyof typeof measures]).toBeCloseTo(value, 12);
  expect(unparseable).toBe(0);
  expect(new Set(answers).size).toBeLessThan(answers.length);
});

test('an answer that is no number is as far away as a number of the rows can be, and follows nothing', () => {
  expect(computeErrors(['0', '4', '1'], ['', null, 'about 2'])).toEqual([4, 4, 3]);
  expect(scoreNumbers({ expected: ['0', '4', '1'], answers: ['0', null, '1'] })).toMatchObject({
    measures: { mean_absolute_error: 4 / 3, pearson: 1, spearman: 1 },
    unparseable: 1,
  });
  expect(scoreNumbers({ expected, answers: expected.map(() => '2') }).measures).toMatchObject({ pearson: 0, spearman: 0 });
});

function compare(kinds: Readonly<Record<string, readonly [CandidateAnswers['kind'], (value: number, row: number) => number]>>) {
  const right = Array.from({ length: 60 }, (_, row) => (row * 7) % 11);
  const candidates = Object.entries(kinds).map(([name, [kind, answer]]): CandidateAnswers => {
    return { name, kind, run: null, answers: right.map((value, row) => String(answer(value, row))) };
  });
  const shared = { job: 'a', set: 'test', measure: 'mean_absolute_error', margin: 0.1, labels: [] } as const;
  return buildComparison({ ...shared, expected: right.map(String), candidates, referenceAmong: ['median', 'base'] });
}

test('the smaller error is better: the verdict, the reference and the rule to beat go by it', () => {
  const { candidates, reference, notes } = compare({
    median: ['majority', () => 5],
    base: ['untrained', () => 0],
    close: ['tuned', (value, row) => value + (row % 2)],
    far: ['tuned', () => 9],
  });
  expect(reference).toBe('median');
  const [, , close, far] = candidates;
  expect(close).toMatchObject({ verdict: 'better', beatsMajority: true, pValue: null, measures: { mean_absolute_error: 0.5 } });
  expect(close!.difference).toBeCloseTo(candidates[0]!.measures.mean_absolute_error! - 0.5, 12);
  expect(far).toMatchObject({ verdict: 'worse', beatsMajority: false });
  expect(notes).toEqual([]);
});
