import type { Measure } from '../job/measures.ts';
import { computeErrors, scoreNumbers } from './numbers.ts';

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
  /** `accuracy` and `macro_f1`; `exact_match`; or `mean_absolute_error`, `pearson` and `spearman`. */
  readonly measures: { readonly [name in Measure | 'macro_f1' | 'pearson' | 'spearman']?: number };
  /** Empty without labels, as `confusion` is. */
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
}

interface MeasureRules {
  /** The numbers that a table shows, with their titles. */
  readonly columns: Readonly<Partial<Record<keyof Scores['measures'], string>>>;
  /** Whether the smaller value is better. */
  readonly isError?: true;
  /** The name of what a rule without a model answers; absent: the most frequent label. */
  readonly rule?: string;
  /** How good each answer is: 1 where it is right and 0 where it is wrong, or minus its error. */
  judge(answered: Pick<Answered, 'expected' | 'answers'>): number[];
  score(answered: Answered): Scores;
}

/** How each measure judges an answer and scores a model: all that a new one needs, beside its name in `src/job/measures.ts`. */
export const measures: Readonly<Record<Measure, MeasureRules>> = {
  accuracy: {
    columns: { accuracy: 'accuracy', macro_f1: 'macro-F1' },
    judge: ({ expected, answers }) => answers.map((answer, row) => Number(answer === expected[row])),
    score: scoreLabels,
  },
  mean_absolute_error: {
    columns: { mean_absolute_error: 'mean abs. error', pearson: 'Pearson', spearman: 'Spearman' },
    isError: true,
    rule: 'median of the training rows',
    judge: ({ expected, answers }) => computeErrors(expected, answers).map((error) => -error),
    score: scoreNumbers,
  },
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

function divide(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
