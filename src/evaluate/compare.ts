import { toClassificationMeasures, type ClassificationMeasures } from './measures.ts';
import { toBootstrapInterval, toMcNemar, toVerdict, type Interval, type Verdict } from './statistics.ts';

/** A model, or a rule, with its answers to the held-out rows. */
export interface Candidate {
  readonly name: string;
  /** `majority` always says the most frequent training label; `untrained` is the base model before the first step. */
  readonly kind: 'majority' | 'untrained' | 'tuned';
  /** The run's address, or null. */
  readonly run: string | null;
  /** One label a row, null where the answer was no label. */
  readonly answers: readonly (string | null)[];
}

export interface ComparisonInput {
  readonly job: string;
  /** The held-out set's name. */
  readonly set: string;
  readonly measure: 'accuracy';
  readonly margin: number;
  readonly labels: readonly string[];
  /** The rows' own labels. */
  readonly expected: readonly string[];
  readonly candidates: readonly Candidate[];
}

/** One candidate beside the reference; of the reference itself, and of what is no run, the last four are null. */
export interface ComparedCandidate {
  readonly name: string;
  readonly kind: Candidate['kind'];
  readonly run: string | null;
  readonly rows: number;
  readonly measures: { readonly accuracy: number; readonly macro_f1: number };
  readonly perClass: ClassificationMeasures['perClass'];
  readonly confusion: ClassificationMeasures['confusion'];
  readonly unparseable: number;
  /** Candidate minus reference, in units of the measure. */
  readonly difference: number | null;
  /** 95 % interval of the difference. */
  readonly interval: readonly [low: number, high: number] | null;
  /** McNemar's exact test. */
  readonly pValue: number | null;
  readonly verdict: Verdict | null;
}

export interface Comparison {
  readonly schema: 'orchestrate.comparison/1';
  readonly job: string;
  readonly set: string;
  readonly measure: 'accuracy';
  readonly margin: number;
  /** The candidate that the others are held against: the best of those that were not trained. */
  readonly reference: string;
  readonly rows: number;
  readonly labels: readonly string[];
  readonly candidates: readonly ComparedCandidate[];
  readonly notes: readonly string[];
}

const bootstrap = { resamples: 10_000, seed: 1, level: 0.95 };

/** Scores the candidates on the same rows and holds the tuned ones against the best of the others. Pure, and the same each time. */
export function toComparison(input: ComparisonInput): Comparison {
  const { expected, labels, candidates } = input;
  const toIndex = (label: string | null): number | null => (label === null || !labels.includes(label) ? null : labels.indexOf(label));
  const truth = expected.map((label) => toIndex(label)!);
  const scored = candidates.map((candidate) => ({
    candidate,
    measures: toClassificationMeasures({ labels, expected: truth, predicted: candidate.answers.map(toIndex) }),
    right: candidate.answers.map((answer, row) => answer === expected[row]),
  }));
  const reference = scored
    .filter(({ candidate }) => candidate.kind !== 'tuned')
    .reduce((best, one) => (one.measures.accuracy > best.measures.accuracy ? one : best));
  return {
    schema: 'orchestrate.comparison/1',
    job: input.job,
    set: input.set,
    measure: input.measure,
    margin: input.margin,
    reference: reference.candidate.name,
    rows: expected.length,
    labels,
    candidates: scored.map(({ candidate, measures, right }) => ({
      name: candidate.name,
      kind: candidate.kind,
      run: candidate.run,
      rows: measures.rows,
      measures: { accuracy: measures.accuracy, macro_f1: measures.macroF1 },
      perClass: measures.perClass,
      confusion: measures.confusion,
      unparseable: measures.unparseable,
      ...(candidate.kind === 'tuned' ? toDifference(right, reference.right, input.margin) : noDifference),
    })),
    notes: [],
  };
}

const noDifference = { difference: null, interval: null, pValue: null, verdict: null };

function toDifference(
  right: readonly boolean[],
  reference: readonly boolean[],
  margin: number,
): Pick<ComparedCandidate, keyof typeof noDifference> {
  const differences = right.map((isRight, row) => Number(isRight) - Number(reference[row]));
  const { low, high }: Interval = toBootstrapInterval(differences, bootstrap);
  return {
    difference: differences.reduce((sum, difference) => sum + difference, 0) / differences.length,
    interval: [low, high],
    pValue: toMcNemar(right, reference).pValue,
    verdict: toVerdict({ low, high, margin }),
  };
}
