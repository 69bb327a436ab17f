/** Our measures and statistics beside scikit-learn's and SciPy's. */
import { z } from 'zod';
import { measures } from '../../src/evaluate/measures.ts';
import { computeBootstrapInterval, computeMcNemar } from '../../src/evaluate/statistics.ts';
import { toStreamKey, toUniform } from '../../src/lib/random.ts';
import { Failure } from '../../src/errors.ts';
import { type Check, toCheck, toEqualCheck } from './check.ts';

const index = z.int().min(0);
const averages = z.looseObject({ f1: z.number().optional() });
const Case = z
  .looseObject({
    name: z.string().optional(),
    classes: z.int().min(1).max(1000),
    labels: z.array(index).min(1),
    predictions: z.array(index),
    accuracy: z.number().optional(),
    precision: z.array(z.number()).optional(),
    recall: z.array(z.number()).optional(),
    f1: z.array(z.number()).optional(),
    support: z.array(z.number()).optional(),
    confusion_rows_true: z.array(z.array(z.number())).optional(),
    macro: averages.optional(),
    macro_f1_over_seen_labels_only: z.number().optional(),
    binary_f1_of_class_1: z.number().optional(),
  })
  .refine(({ labels, predictions }) => labels.length === predictions.length, 'expected as many predictions as labels')
  .refine(({ classes, labels, predictions }) => [...labels, ...predictions].every((k) => k < classes), 'expected labels below "classes"');
type Case = z.infer<typeof Case>;

const right = z.array(z.union([z.literal(0), z.literal(1), z.boolean()]).transform(Boolean)).min(1);
const interval = z.tuple([z.number(), z.number()]);
const Comparison = z
  .looseObject({
    a_correct: right,
    b_correct: right,
    mcnemar_exact_p: z.number().optional(),
    bootstrap: z
      .looseObject({
        resamples: z.int().min(1).max(1e6),
        percentiles: interval,
        interval,
        tolerance_for_another_generator: z.number().min(0),
      })
      .optional(),
    bootstrap_with_given_indices: z
      .looseObject({ indices: z.array(z.array(index).min(1)).min(1), interval_linear_interpolation: interval })
      .optional(),
  })
  .refine(({ a_correct: a, b_correct: b }) => a.length === b.length, 'expected as many rows in "b_correct" as in "a_correct"')
  .refine(
    ({ a_correct: a, bootstrap_with_given_indices: given }) =>
      given?.indices.every((drawn) => drawn.length === a.length && drawn.every((row) => row < a.length)) ?? true,
    'expected as many indices of rows in each resample as there are rows',
  );
type Comparison = z.infer<typeof Comparison>;

const MetricsFile = z.looseObject({
  cases: z.array(Case).default([]),
  comparisons: z.array(Comparison).default([]),
});

/**
 * Every figure of a metrics file that we compute too; `skipped` names the others.
 * @param name stands before each check's name.
 * @throws Failure `data-invalid` where the file does not have the format, or has nothing to check.
 */
export function checkMetrics(file: unknown, name: string): { checks: Check[]; skipped: string[] } {
  const parsed = MetricsFile.safeParse(file);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Failure('data-invalid', `${name}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a metrics file'}`);
  }
  const { cases, comparisons } = parsed.data;
  const checks = [
    ...cases.flatMap((item, i) => checkCase(item, `${name}: cases.${i}`)),
    ...comparisons.flatMap((item, i) => checkComparison(item, `${name}: comparisons.${i}`)),
  ];
  if (checks.length === 0) throw new Failure('data-invalid', `${name}: expected cases or comparisons, found none`);
  const skipped = [
    ...Object.keys(parsed.data).filter((key) => !Object.hasOwn(MetricsFile.shape, key)),
    ...toSkipped(cases, Case.shape, 'cases.*'),
    ...toSkipped(
      cases.flatMap(({ macro }) => (macro === undefined ? [] : [macro])),
      averages.shape,
      'cases.*.macro',
    ),
    ...toSkipped(comparisons, Comparison.shape, 'comparisons.*'),
  ];
  return { checks, skipped: [...new Set(skipped)].map((field) => `${name}: ${field}`) };
}

function checkCase(item: Case, at: string): Check[] {
  const { classes, labels: expected, predictions: predicted } = item;
  const rows = { expected: expected.map(String), answers: predicted.map(String) };
  const found = measures.accuracy.score({ labels: Array.from({ length: classes }, (_, k) => String(k)), ...rows });
  const ofSeen = measures.accuracy.score({ labels: [...new Set([...rows.expected, ...rows.answers])], ...rows });
  const perClass = (measure: 'precision' | 'recall' | 'f1'): Check[] =>
    checkList(
      `${at}.${measure}`,
      found.perClass.map((one) => one[measure]),
      item[measure],
    );
  const supports = found.perClass.map(({ support }) => support);
  return [
    ...checkNumber(`${at}.accuracy`, found.measures.accuracy!, item.accuracy),
    ...perClass('precision'),
    ...perClass('recall'),
    ...perClass('f1'),
    ...(item.support === undefined ? [] : [toEqualCheck(`${at}.support`, supports, item.support)]),
    ...(item.confusion_rows_true === undefined
      ? []
      : [toEqualCheck(`${at}.confusion_rows_true`, found.confusion, item.confusion_rows_true)]),
    ...checkNumber(`${at}.macro.f1`, found.measures.macro_f1!, item.macro?.f1),
    ...checkNumber(`${at}.macro_f1_over_seen_labels_only`, ofSeen.measures.macro_f1!, item.macro_f1_over_seen_labels_only),
    ...checkNumber(`${at}.binary_f1_of_class_1`, found.perClass[1]?.f1 ?? NaN, item.binary_f1_of_class_1),
  ];
}

function checkComparison(item: Comparison, at: string): Check[] {
  const { a_correct: a, b_correct: b, bootstrap, bootstrap_with_given_indices: given } = item;
  const differences = a.map((right, row) => Number(b[row]) - Number(right));
  const checks = [...checkNumber(`${at}.mcnemar_exact_p`, computeMcNemar(a, b), item.mcnemar_exact_p)];
  if (bootstrap !== undefined) {
    const { resamples, percentiles, interval: expected, tolerance_for_another_generator: tolerance } = bootstrap;
    const key = toStreamKey(42, 'bootstrap');
    const level = (percentiles[1] - percentiles[0]) / 100;
    const found = computeBootstrapInterval(differences, { resamples, level, random: (i) => toUniform(key, i) });
    checks.push(
      toEqualCheck(`${at}.bootstrap.percentiles`, 100 - percentiles[0], percentiles[1]), // our intervals leave out the same share at both ends
      toCheck(`${at}.bootstrap.interval.0`, found.low, expected[0], tolerance),
      toCheck(`${at}.bootstrap.interval.1`, found.high, expected[1], tolerance),
    );
  }
  if (given !== undefined) {
    const drawn = given.indices.flat();
    const random = (i: number): number => (drawn[i]! + 0.5) / a.length; // the middle of the row's share of [0, 1)
    const { low, high } = computeBootstrapInterval(differences, { resamples: given.indices.length, level: 0.95, random });
    checks.push(...checkList(`${at}.bootstrap_with_given_indices`, [low, high], given.interval_linear_interpolation));
  }
  return checks;
}

function checkList(at: string, found: readonly number[], expected: readonly number[] | undefined): Check[] {
  if (expected === undefined) return [];
  const length = toEqualCheck(`${at}.length`, found.length, expected.length);
  return [...(length.passed ? [] : [length]), ...expected.flatMap((value, i) => checkNumber(`${at}.${i}`, found[i] ?? NaN, value))];
}

/** Within 1e-8 of the figure, or within 1e-8 where the figure itself is smaller. Nothing where the file lacks it. */
function checkNumber(at: string, found: number, expected: number | undefined): Check[] {
  if (expected === undefined) return [];
  return [toCheck(at, found, expected, Math.abs(expected) < 1e-8 ? 1e-8 : 1e-8 * Math.abs(expected))];
}

/** The fields of the items that the shape does not have. */
function toSkipped(items: readonly object[], shape: object, section: string): string[] {
  return items
    .flatMap(Object.keys)
    .filter((key) => !Object.hasOwn(shape, key))
    .map((key) => `${section}.${key}`);
}
