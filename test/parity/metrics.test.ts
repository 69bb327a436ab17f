import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkMetrics } from './metrics.ts';

interface MetricsFixture {
  cases: Record<string, unknown>[];
  comparisons: Record<string, unknown>[];
}

function readFixture(): MetricsFixture {
  return JSON.parse(readFileSync('fixtures/parity/metrics.json', 'utf8')) as MetricsFixture;
}

test("every measure that we have equals scikit-learn's, every statistic SciPy's", () => {
  const { checks, skipped } = checkMetrics(readFixture(), 'metrics.json');
  expect(checks.filter(({ passed }) => !passed)).toEqual([]);
  expect(checks).toHaveLength(131);
  expect(skipped).toContain('metrics.json: cases.*.log_loss');
  expect(skipped).not.toContain('metrics.json: cases.*.accuracy');
});

test.each([
  ['accuracy', 'cases.0.accuracy', (file: MetricsFixture) => (file.cases[0]!['accuracy'] = 0.7333334)],
  ['confusion', 'cases.1.confusion_rows_true', (file: MetricsFixture) => (file.cases[1]!['confusion_rows_true'] = [[1]])],
  ['a short list', 'cases.1.f1.length', (file: MetricsFixture) => (file.cases[1]!['f1'] = [])],
  ['McNemar', 'comparisons.0.mcnemar_exact_p', (file: MetricsFixture) => (file.comparisons[0]!['mcnemar_exact_p'] = 0.0025768281)],
  [
    'an interval',
    'comparisons.1.bootstrap_with_given_indices.1',
    (file: MetricsFixture) =>
      ((
        file.comparisons[1]!['bootstrap_with_given_indices'] as { interval_linear_interpolation: number[] }
      ).interval_linear_interpolation[1]! += 1e-6),
  ],
])('a wrong figure is found: %s', (_, name, change) => {
  const file = readFixture();
  change(file);
  const failed = checkMetrics(file, 'x').checks.filter(({ passed }) => !passed);
  expect(failed.map((check) => check.name)).toContain(`x: ${name}`);
});

test.each([
  [null, 'x: '],
  [{}, 'found none'],
  [{ cases: 3 }, 'x: cases: '],
  [{ cases: [{ classes: 2, labels: [0, 2], predictions: [0, 1] }] }, 'expected labels below "classes"'],
  [{ cases: [{ classes: 2, labels: [0, 1], predictions: [0] }] }, 'expected as many predictions as labels'],
  [{ cases: [{ classes: 1e9, labels: [0], predictions: [0] }] }, 'x: cases.0.classes: '],
  [{ comparisons: [{ a_correct: [1], b_correct: [1, 0] }] }, 'expected as many rows'],
  [
    {
      comparisons: [
        { a_correct: [1], b_correct: [1], bootstrap_with_given_indices: { indices: [[1]], interval_linear_interpolation: [0, 0] } },
      ],
    },
    'expected as many indices of rows',
  ],
])('a file of another format is refused: %j', (file, message) => {
  expect(() => checkMetrics(file, 'x')).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }),
  );
});
