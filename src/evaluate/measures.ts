import { Failure } from '../errors.ts';
import type { Measure } from '../job/measures.ts';
import { findConstantList, judgeLabelSets, scoreLabelSets } from './label-sets.ts';
import { describeExpectedJson, judgeFields, judgeValidity, scoreFields, scoreValidity } from './json-answers.ts';
import { computeErrors, scoreNumbers } from './numbers.ts';
import { divide, sum, type Parts } from './statistics.ts';

export interface ClassMeasures {
  readonly label: string;
  /** Of the rows predicted as this label, the share that has it. */
  readonly precision: number;
  /** Of the rows with this label, the share predicted as it. */
  readonly recall: number;
  /** The harmonic mean of the two. */
  readonly f1: number;
  /** Rows with this label. */
  readonly support: number;
}

/** The scores of one model's answers. */
export interface Scores {
  /** `accuracy` and `macro_f1`; `micro_f1`, `macro_f1` and `exact_match`; `exact_match`; `field_f1`, `valid_json` and `exact_match`; `valid_json`; or `mean_absolute_error`, `pearson` and `spearman`. */
  readonly measures: { readonly [name in Measure | 'macro_f1' | 'pearson' | 'spearman']?: number };
  /** Empty without labels, as `confusion` is; that is also empty where a row has several labels. */
  readonly perClass: readonly ClassMeasures[];
  /** Rows by true label (outer) and predicted label (inner), without the unparseable ones. */
  readonly confusion: readonly (readonly number[])[];
  /** Answers that were no label, or rows without an answer. They count as wrong. */
  readonly unparseable: number;
}

/** Answers beside what was expected; an answer is null where there was none, or it was no label. */
export interface Answered {
  readonly labels: readonly string[];
  readonly expected: readonly string[];
  readonly answers: readonly (string | null)[];
  /** Whether an answer that is JSON is what the job asks for; absent: it asks for nothing. */
  readonly isValid?: ((value: unknown) => boolean) | undefined;
}

export const mostFrequent = 'most frequent label';

interface MeasureRules {
  /** The numbers that a table shows, with their titles. */
  readonly columns: Readonly<Partial<Record<keyof Scores['measures'], string>>>;
  /** Whether the smaller value is better. */
  readonly isError?: true;
  /** The name of what a rule without a model answers; absent: `mostFrequent`. */
  readonly rule?: string;
  /** What is wrong with an answer that cannot be judged; absent: it is no label, or there is none. */
  readonly unparseable?: string;
  /** The best answer that is the same for all rows, from the right answers; absent, or null: there is none to beat. */
  findConstant?(answered: Pick<Answered, 'labels' | 'expected'>): string | null;
  /** How good each answer is: 1 where it is right and 0 where it is wrong, or minus its error; or its parts, where the score is a ratio and no mean. */
  judge(answered: Pick<Answered, 'expected' | 'answers' | 'isValid'>): number[] | Parts[];
  /** What a reader of the scores has to know about the right answers. */
  describeExpected?(expected: readonly string[]): string[];
  score(answered: Answered): Scores;
}

/** How each measure judges an answer and scores a model: all that a new one needs, beside its name in `src/job/measures.ts`. */
export const measures: Readonly<Record<Measure, MeasureRules>> = {
  accuracy: {
    columns: { accuracy: 'accuracy', macro_f1: 'macro-F1' },
    findConstant: ({ labels, expected }) => findMost(labels, expected),
    judge: ({ expected, answers }) => answers.map((answer, row) => Number(answer === expected[row])),
    score: scoreLabels,
  },
  micro_f1: {
    columns: { micro_f1: 'micro-F1', macro_f1: 'macro-F1', exact_match: 'exact match' },
    rule: 'most frequent labels',
    findConstant: ({ expected }) => findConstantList(expected),
    judge: judgeLabelSets,
    score: scoreLabelSets,
  },
  mean_absolute_error: {
    columns: { mean_absolute_error: 'mean abs. error', pearson: 'Pearson', spearman: 'Spearman' },
    isError: true,
    rule: 'median of the training rows',
    judge: ({ expected, answers }) => computeErrors(expected, answers).map((error) => -error),
    score: scoreNumbers,
  },
  field_f1: {
    columns: { field_f1: 'field F1', valid_json: 'valid JSON', exact_match: 'exact match' },
    unparseable: 'no JSON',
    judge: judgeFields,
    describeExpected: describeExpectedJson,
    score: scoreFields,
  },
  valid_json: { columns: { valid_json: 'valid JSON' }, unparseable: 'no JSON', judge: judgeValidity, score: scoreValidity },
  exact_match: {
    columns: { exact_match: 'exact match' },
    judge: ({ expected, answers }) => answers.map((answer, row) => Number(isSameText(answer, expected[row]!))),
    score({ expected, answers }) {
      const right = answers.filter((answer, row) => isSameText(answer, expected[row]!)).length;
      const unparseable = answers.filter((answer) => answer === null).length;
      return { measures: { exact_match: divide(right, answers.length) }, perClass: [], confusion: [], unparseable };
    },
  },
};

/**
 * A margin is in units of the measure.
 * @throws Failure `usage` for one below 0, and for one above 1 of a measure that is a share
 */
export function checkMargin(margin: number, measure: Measure): void {
  const { isError = false } = measures[measure];
  if (margin >= 0 && (isError ? Number.isFinite(margin) : margin <= 1)) return;
  const range = isError ? 'from 0' : `from 0 to 1 for the measure ${measure}`;
  throw new Failure('usage', `expected a margin ${range}, found ${margin}`);
}

/** The most frequent of the right labels; null without labels. */
function findMost(labels: readonly string[], expected: readonly string[]): string | null {
  const counts = labels.map((label) => expected.filter((other) => other === label).length);
  return labels[counts.indexOf(Math.max(...counts))] ?? null;
}

/** A text may differ in the white space around it. */
function isSameText(answer: string | null, expected: string): boolean {
  return answer?.trim() === expected.trim();
}

/**
 * Scores of a classification as scikit-learn defines them with `zero_division=0`: a ratio whose denominator is 0 counts as 0. `macro_f1`
 * is the mean over all labels, including those that no row has, as of `f1_score` when it is given `labels`.
 */
function scoreLabels({ labels, expected, answers }: Answered): Scores {
  const indices = new Map<string | null, number>(labels.map((label, k) => [label, k]));
  const confusion = labels.map(() => labels.map(() => 0));
  let unparseable = 0;
  for (const [row, label] of expected.entries()) {
    const predicted = indices.get(answers[row]!);
    if (predicted === undefined) unparseable++;
    else confusion[indices.get(label)!]![predicted]!++;
  }
  const perClass = labels.map((label, k) => {
    const right = confusion[k]![k]!;
    const answered = sum(confusion.map((counts) => counts[k]!));
    const support = expected.filter((other) => other === label).length;
    return {
      label,
      precision: divide(right, answered),
      recall: divide(right, support),
      f1: divide(2 * right, answered + support),
      support,
    };
  });
  const accuracy = divide(sum(labels.map((_, k) => confusion[k]![k]!)), expected.length);
  const macroF1 = divide(sum(perClass.map(({ f1 }) => f1)), labels.length);
  return { measures: { accuracy, macro_f1: macroF1 }, perClass, confusion, unparseable };
}
