import type { Measure } from '../job/measures.ts';

/** The scores of one model's answers. */
export interface Scores {
  /** `accuracy` and `macro_f1`, or `exact_match`. */
  readonly measures: { readonly [name in Measure | 'macro_f1']?: number };
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
  isRight(answer: string | null, expected: string): boolean;
  score(answered: Answered): Scores;
}

/** How each measure judges an answer and scores a model: all that a new one needs, beside its name in `src/job/measures.ts`. */
export const measures: Readonly<Record<Measure, MeasureRules>> = {
  accuracy: {
    columns: { accuracy: 'accuracy', macro_f1: 'macro-F1' },
    isRight: (answer, expected) => answer === expected,
    score({ labels, expected, answers }) {
      const getIndex = (label: string | null): number | null => (label === null || !labels.includes(label) ? null : labels.indexOf(label));
      const truth = expected.map((label) => getIndex(label)!);
      const { accuracy, macroF1, perClass, confusion, unparseable } = measureClassification({
        labels,
        expected: truth,
        predicted: answers.map(getIndex),
      });
      return { measures: { accuracy, macro_f1: macroF1 }, perClass, confusion, unparseable };
    },
  },
  exact_match: {
    columns: { exact_match: 'exact match' },
    isRight: isSameText,
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

export interface ClassificationMeasures {
  readonly rows: number;
  readonly accuracy: number;
  /** Mean over all labels, those that no row has included: as scikit-learn's `f1_score` when it is given `labels`. */
  readonly macroF1: number;
  /** Mean over the labels, weighted by their rows. */
  readonly weightedF1: number;
  /** Matthews' correlation coefficient for several classes (Gorodkin, Computational Biology and Chemistry 28, 2004); 0 where undefined. */
  readonly mcc: number;
  readonly perClass: readonly ClassMeasures[];
  /** Rows by true label (outer) and predicted label (inner), without the unparseable ones. */
  readonly confusion: readonly (readonly number[])[];
  /** Rows whose answer was no label. They count as wrong everywhere. */
  readonly unparseable: number;
}

export interface Classification {
  readonly labels: readonly string[];
  /** Indices into `labels`, one a row. */
  readonly expected: readonly number[];
  /** The same; null where the answer was no label. */
  readonly predicted: readonly (number | null)[];
}

/**
 * Measures of a classification as scikit-learn defines them with `zero_division=0`: a ratio whose denominator is 0 counts as 0.
 * Precondition: `predicted` is as long as `expected`, and all indices are of `labels`.
 */
export function measureClassification({ labels, expected, predicted }: Classification): ClassificationMeasures {
  const confusion = labels.map(() => labels.map(() => 0));
  const support = labels.map(() => 0);
  const answered = labels.map(() => 0);
  let unparseable = 0;
  for (const [row, truth] of expected.entries()) {
    support[truth]!++;
    const answer = predicted[row] ?? null;
    if (answer === null) unparseable++;
    else {
      answered[answer]!++;
      confusion[truth]![answer]!++;
    }
  }

  const perClass = labels.map((label, k) => {
    const right = confusion[k]![k]!;
    return {
      label,
      precision: divide(right, answered[k]!),
      recall: divide(right, support[k]!),
      f1: divide(2 * right, answered[k]! + support[k]!),
      support: support[k]!,
    };
  });
  const rows = expected.length;
  const right = sum(labels.map((_, k) => confusion[k]![k]!));
  return {
    rows,
    accuracy: divide(right, rows),
    macroF1: divide(sum(perClass.map(({ f1 }) => f1)), labels.length),
    weightedF1: divide(sum(perClass.map(({ f1, support: weight }) => f1 * weight)), rows),
    mcc: computeMcc({ rows, right, support, answered: [...answered, unparseable] }),
    perClass,
    confusion,
    unparseable,
  };
}

/** `answered` has one class more than `support`: the unparseable answers are a class that no row has. */
function computeMcc(counts: { rows: number; right: number; support: readonly number[]; answered: readonly number[] }): number {
  const { rows, right, support, answered } = counts;
  const covariance = right * rows - sum(support.map((count, k) => count * answered[k]!));
  const ofSupport = rows ** 2 - sum(support.map((count) => count ** 2));
  const ofAnswers = rows ** 2 - sum(answered.map((count) => count ** 2));
  return divide(covariance, Math.sqrt(ofSupport) * Math.sqrt(ofAnswers));
}

function divide(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
