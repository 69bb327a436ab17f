/**
 * Measures of a classification, defined as scikit-learn does with `zero_division=0`: a ratio whose denominator is 0 counts as 0.
 */

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

/** Precondition: `predicted` is as long as `expected`, and all indices are of `labels`. */
export function toClassificationMeasures({ labels, expected, predicted }: Classification): ClassificationMeasures {
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
    mcc: toMcc({ rows, right, support, answered: [...answered, unparseable] }),
    perClass,
    confusion,
    unparseable,
  };
}

/** `answered` has one class more than `support`: the unparseable answers are a class that no row has. */
function toMcc(counts: { rows: number; right: number; support: readonly number[]; answered: readonly number[] }): number {
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
