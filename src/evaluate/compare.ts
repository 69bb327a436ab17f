import { toClassificationMeasures, type ClassificationMeasures } from './measures.ts';
import { toBootstrapInterval, toMcNemar, toVerdict, type Verdict } from './statistics.ts';

/** What models are compared by: the share of rows with the right label, or with the very text that is expected. */
export type Measure = 'accuracy' | 'exact_match';

/** A model, or a rule, with its answers to the held-out rows. */
export interface Candidate {
  readonly name: string;
  /**
   * `majority` always says the most frequent training label; `untrained` is the base model before the first step; `reference` is a
   * reference of the job.
   */
  readonly kind: 'majority' | 'untrained' | 'reference' | 'tuned';
  /** The run's address, or null. */
  readonly run: string | null;
  /** One a row: a label, null where the answer was none; or a text, null where there was no answer. */
  readonly answers: readonly (string | null)[];
  /** Median milliseconds from asking to the whole answer, where that is known. */
  readonly latency?: number | null;
  /** Dollars of its answers and its training, where both are known. */
  readonly cost?: number | null;
  /** The day on which its service ends it, ISO 8601, as far as anybody has said. */
  readonly endsOn?: string | null;
}

export interface ComparisonInput {
  readonly job: string;
  /** The held-out set's name. */
  readonly set: string;
  readonly measure: Measure;
  readonly margin: number;
  /** None for `exact_match`. */
  readonly labels: readonly string[];
  /** The rows' own labels, or texts. */
  readonly expected: readonly string[];
  readonly candidates: readonly Candidate[];
  /** The names of candidates of which the best is the reference; others may be among them. */
  readonly referenceAmong: readonly string[];
}

/** One candidate beside the reference; of the reference itself, and of what was not tuned, `difference` to `verdict` are null. */
export interface ComparedCandidate {
  readonly name: string;
  readonly kind: Candidate['kind'];
  readonly run: string | null;
  readonly rows: number;
  /** `accuracy` and `macro_f1`, or `exact_match`. */
  readonly measures: { readonly [name in Measure | 'macro_f1']?: number };
  /** Empty without labels, as `confusion` is. */
  readonly perClass: ClassificationMeasures['perClass'];
  readonly confusion: ClassificationMeasures['confusion'];
  /** Answers that were no label, or rows without an answer. They count as wrong. */
  readonly unparseable: number;
  /** Candidate minus reference, in units of the measure. */
  readonly difference: number | null;
  /** 95 % interval of the difference. */
  readonly interval: readonly [low: number, high: number] | null;
  /** McNemar's exact test. */
  readonly pValue: number | null;
  readonly verdict: Verdict | null;
  /** Median milliseconds from asking to the whole answer; null where nobody measured it. */
  readonly latency: number | null;
  /** Dollars of its answers and its training; null where one of them is not known. */
  readonly cost: number | null;
  /** The day on which its service ends it, ISO 8601; null where nobody has said. */
  readonly endsOn: string | null;
}

export interface Comparison {
  readonly schema: 'orchestrate.comparison/1';
  readonly job: string;
  readonly set: string;
  readonly measure: Measure;
  readonly margin: number;
  /** The candidate that tuned ones are held against; null where there is none, or it has not answered. */
  readonly reference: string | null;
  readonly rows: number;
  readonly labels: readonly string[];
  readonly candidates: readonly ComparedCandidate[];
  /** The addresses of finished runs that are not among the candidates; the notes say why. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

const bootstrap = { resamples: 10_000, seed: 1, level: 0.95 };

/** Scores the candidates on the same rows and holds the tuned ones against the reference. Pure, and the same each time. */
export function toComparison(input: ComparisonInput): Comparison {
  const { job, set, measure, margin, labels, expected, candidates, referenceAmong } = input;
  const scored = candidates.map((candidate) => {
    const right = candidate.answers.map((answer, row) => isRight(answer, expected[row]!, measure));
    return { candidate, right, rightRows: right.filter(Boolean).length };
  });
  const reference = scored
    .filter(({ candidate }) => referenceAmong.includes(candidate.name))
    .reduce<(typeof scored)[number] | null>((best, one) => (best === null || one.rightRows > best.rightRows ? one : best), null);
  return {
    schema: 'orchestrate.comparison/1',
    job,
    set,
    measure,
    margin,
    reference: reference?.candidate.name ?? null,
    rows: expected.length,
    labels,
    candidates: scored.map(({ candidate, right, rightRows }) => ({
      name: candidate.name,
      kind: candidate.kind,
      run: candidate.run,
      rows: expected.length,
      ...(measure === 'accuracy' ? toScores(candidate, input) : toTextScores(candidate, rightRows)),
      ...(candidate.kind === 'tuned' && reference !== null && candidate !== reference.candidate
        ? toDifference(right, reference.right, margin)
        : noDifference),
      latency: candidate.latency ?? null,
      cost: candidate.cost ?? null,
      endsOn: candidate.endsOn ?? null,
    })),
    leftOut: [],
    notes: [],
  };
}

/** A label must be the very one; a text may differ in the white space around it. */
function isRight(answer: string | null, expected: string, measure: Measure): boolean {
  return measure === 'accuracy' ? answer === expected : answer?.trim() === expected.trim();
}

type Scores = Pick<ComparedCandidate, 'measures' | 'perClass' | 'confusion' | 'unparseable'>;

function toScores({ answers }: Candidate, { labels, expected }: ComparisonInput): Scores {
  const toIndex = (label: string | null): number | null => (label === null || !labels.includes(label) ? null : labels.indexOf(label));
  const truth = expected.map((label) => toIndex(label)!);
  const scores = toClassificationMeasures({ labels, expected: truth, predicted: answers.map(toIndex) });
  const { accuracy, macroF1, perClass, confusion, unparseable } = scores;
  return { measures: { accuracy, macro_f1: macroF1 }, perClass, confusion, unparseable };
}

function toTextScores({ answers }: Candidate, rightRows: number): Scores {
  const unparseable = answers.filter((answer) => answer === null).length;
  return { measures: { exact_match: answers.length === 0 ? 0 : rightRows / answers.length }, perClass: [], confusion: [], unparseable };
}

const noDifference = { difference: null, interval: null, pValue: null, verdict: null };

function toDifference(
  right: readonly boolean[],
  reference: readonly boolean[],
  margin: number,
): Pick<ComparedCandidate, keyof typeof noDifference> {
  const differences = right.map((isRightRow, row) => Number(isRightRow) - Number(reference[row]));
  const bounds = toBootstrapInterval(differences, bootstrap);
  return {
    difference: differences.reduce((sum, difference) => sum + difference, 0) / differences.length,
    interval: [bounds.low, bounds.high],
    pValue: toMcNemar(right, reference).pValue,
    verdict: toVerdict({ ...bounds, margin }),
  };
}
