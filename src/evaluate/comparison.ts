import { Failure } from '../errors.ts';
import type { Measure } from '../job/measures.ts';
import { toStreamKey, toUniform } from '../lib/random.ts';
import { measures, mostFrequent, type Scores } from './measures.ts';
import {
  computeBootstrapInterval,
  computeMcNemar,
  computeRandomizationTest,
  computeRatioInterval,
  getVerdict,
  sum,
  toRatio,
  type Parts,
  type Verdict,
} from './statistics.ts';

/** A model, or a rule, with its answers to the held-out rows. */
export interface CandidateAnswers {
  readonly name: string;
  /**
   * `majority` always gives the most frequent training label; `untrained` is the base model before the first step, `base` one that knew
   * the labels before; `reference` is a reference of the job.
   */
  readonly kind: 'majority' | 'untrained' | 'base' | 'reference' | 'tuned';
  /** The run's address, or null. */
  readonly run: string | null;
  /** One a row: a label, null where the answer was none; or a text, null where there was no answer. */
  readonly answers: readonly (string | null)[];
  /** Median milliseconds from sending a request to its whole answer; null where nobody measured it. */
  readonly latency?: number | null;
  /** Dollars of its answers and its training; null where one of them is not known. */
  readonly cost?: number | null;
  /** The day on which the service shuts the model down, ISO 8601; null where no day is known. */
  readonly endsOn?: string | null;
}

export interface ComparisonInput {
  readonly job: string;
  /** The held-out set's name. */
  readonly set: string;
  readonly measure: Measure;
  readonly margin: number;
  /** None for conversations. */
  readonly labels: readonly string[];
  /** The rows' own labels, or texts. */
  readonly expected: readonly string[];
  /** See `Answered`. */
  readonly isValid?: ((value: unknown) => boolean) | undefined;
  readonly candidates: readonly CandidateAnswers[];
  /** The best of the candidates with these names is the reference; a name may belong to no candidate. */
  readonly referenceAmong: readonly string[];
}

/** Candidate minus reference; all null for the reference itself, and for everything that was not tuned. */
interface Difference {
  /** In units of the measure; of an error, by how much it is smaller. */
  readonly difference: number | null;
  /** 95 % interval of the difference. */
  readonly interval: readonly [low: number, high: number] | null;
  /** McNemar's exact test; of a score that is a ratio, such as micro-F1, a randomization test; null of an error. */
  readonly pValue: number | null;
  readonly verdict: Verdict | null;
}

/** The scores of one candidate, and how they differ from those of the reference. */
export interface ComparedCandidate extends Required<Omit<CandidateAnswers, 'answers'>>, Scores, Difference {
  readonly rows: number;
  /** Whether a tuned classifier is better than the most frequent label by more than chance; null where that does not apply. */
  readonly beatsMajority: boolean | null;
}

export interface Comparison extends Omit<ComparisonInput, 'candidates' | 'expected' | 'isValid' | 'referenceAmong'> {
  readonly schema: 'orchestrate.comparison/1';
  /** The candidate that tuned models are compared with; null where there is none, or it has not answered. */
  readonly reference: string | null;
  readonly rows: number;
  readonly candidates: readonly ComparedCandidate[];
  /** The addresses of finished runs that are not among the candidates; the notes say why. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

/** Scores the candidates on the same rows, and compares the tuned ones with the reference. Pure: the same input gives the same figures. */
export function buildComparison(input: ComparisonInput): Comparison {
  const { job, set, measure, margin, labels, expected, isValid, referenceAmong } = input;
  const { judge, score, findConstant, describeExpected, isError = false } = measures[measure];
  const candidates = input.candidates.map((candidate) => {
    const worth = judge({ expected, answers: candidate.answers, isValid });
    return { candidate, worth, value: toScore(worth) };
  });
  const reference = candidates
    .filter(({ candidate }) => referenceAmong.includes(candidate.name))
    .reduce<(typeof candidates)[number] | null>((best, next) => (best === null || next.value > best.value ? next : best), null);
  const constant = findConstant?.({ labels, expected }) ?? null; // where no rule stands among the candidates
  const majority =
    candidates.find(({ candidate }) => candidate.kind === 'majority')?.worth ??
    (constant === null ? null : judge({ expected, answers: expected.map(() => constant) }));
  const compared = candidates.map(({ candidate, worth }): ComparedCandidate => {
    const { name, kind, run, answers, latency = null, cost = null, endsOn = null } = candidate;
    const isCompared = kind === 'tuned' && reference !== null && candidate !== reference.candidate;
    const difference = isCompared ? computeDifference(worth, reference.worth, { margin, isError }) : noDifference;
    const toMajorityVerdict = (): Verdict | null =>
      majority === null || majority === reference?.worth
        ? difference.verdict
        : computeDifference(worth, majority, { margin, isError }).verdict;
    return {
      name,
      kind,
      run,
      rows: expected.length,
      ...score({ labels, expected, answers, isValid }),
      ...difference,
      beatsMajority: kind === 'tuned' && majority !== null ? toMajorityVerdict() === 'better' : null,
      latency,
      cost,
      endsOn,
    };
  });
  return {
    schema: 'orchestrate.comparison/1',
    job,
    set,
    measure,
    margin,
    reference: reference?.candidate.name ?? null,
    rows: expected.length,
    labels,
    candidates: compared,
    leftOut: [],
    notes: [
      ...(describeExpected?.(expected) ?? []),
      ...compared.flatMap((candidate) => describeWorth(candidate, measure, majority === null ? 0 : toScore(majority))),
      ...(isError ? [] : describeRows(expected.length, measure)),
    ],
  };
}

/** How good each answer of a candidate is: see `measures`. */
type Worth = readonly number[] | readonly Parts[];

function isOfParts(worth: Worth): worth is readonly Parts[] {
  return typeof worth[0] === 'object';
}

/** For which larger is better. */
function toScore(worth: Worth): number {
  return isOfParts(worth) ? toRatio(worth) : sum(worth) / worth.length;
}

/** What the score of a tuned model is worth, where a verdict alone would sound better than it is. */
function describeWorth({ name, measures: scores, beatsMajority }: ComparedCandidate, measure: Measure, majority: number): string[] {
  const score = scores[measure];
  const { columns, rule = mostFrequent, isError = false } = measures[measure];
  if (beatsMajority === null || score === undefined || isError) return [];
  const figures = `${columns[measure]} ${score.toFixed(3)}, and ${majority.toFixed(3)} for the ${rule} alone`;
  if (!beatsMajority) return [`${name} does not beat the ${rule} by more than chance: ${figures}`];
  return measure === 'accuracy' && score < 0.5 ? [`${name} is wrong on more than half of the rows: ${figures}`] : [];
}

/** With fewer rows chance moves a score by more than a seventh. */
const fewRows = 50;

/** Twice the standard error of a share of one half, the most that there is; of a ratio nobody knows the most. */
function describeRows(rows: number, measure: Measure): string[] {
  if (rows >= fewRows) return [];
  const few = `${rows} held-out ${rows === 1 ? 'row is' : 'rows are'} few`;
  return [
    measure === 'micro_f1'
      ? `${few}: chance moves a score a good deal`
      : `${few}: chance alone moves a score by up to ${(1 / Math.sqrt(rows)).toFixed(2)}`,
  ];
}

const noDifference: Difference = { difference: null, interval: null, pValue: null, verdict: null };

const bootstrapKey = toStreamKey(1, 'bootstrap');
const bootstrap = { resamples: 10_000, level: 0.95, random: (index: number) => toUniform(bootstrapKey, index) };

const exchangeKey = toStreamKey(1, 'exchange');
const exchanges = { resamples: 10_000, random: (index: number) => toUniform(exchangeKey, index) };

/** Both about the same rows, in their order. */
function computeDifference(
  worth: Worth,
  reference: Worth,
  { margin, isError }: { readonly margin: number; readonly isError: boolean },
): Difference {
  if (isOfParts(worth) && isOfParts(reference)) {
    const interval = computeRatioInterval(worth, reference, bootstrap);
    return {
      difference: toRatio(worth) - toRatio(reference),
      interval: [interval.low, interval.high],
      pValue: computeRandomizationTest(worth, reference, exchanges),
      verdict: getVerdict({ ...interval, margin }),
    };
  }
  const [own, others] = [worth as readonly number[], reference as readonly number[]];
  const differences = own.map((value, row) => value - others[row]!);
  const interval = computeBootstrapInterval(differences, bootstrap);
  return {
    difference: sum(differences) / differences.length,
    interval: [interval.low, interval.high],
    // Of answers that are right or wrong.
    pValue: isError ? null : computeMcNemar(own.map((value) => value === 1), others.map((value) => value === 1)), // prettier-ignore
    verdict: getVerdict({ ...interval, margin }),
  };
}

/** What may be the reference of a comparison. */
export interface ReferenceChoice {
  /** The candidates that have answered, and those that are left out. */
  readonly known: readonly Pick<CandidateAnswers, 'name' | 'kind'>[];
  /** The names of the job's references. */
  readonly references: readonly string[];
  /** The reference that the user names; absent: the job's reference where it has just one, else the best model without training. */
  readonly wanted?: string | undefined;
}

/**
 * The names among which the best is the reference: a reference of the job, `base` (a model before training), `majority`, or a name of
 * the table.
 * @throws Failure `usage` where nothing has the wanted name
 */
export function chooseReference({ known, references, wanted }: ReferenceChoice): string[] {
  const getNames = (isChosen: (candidate: ReferenceChoice['known'][number]) => boolean): string[] =>
    known.filter(isChosen).map(({ name }) => name);
  const bases = getNames(({ kind }) => kind === 'untrained' || kind === 'base');
  const majority = getNames(({ kind }) => kind === 'majority');
  if (wanted === undefined) return references.length === 1 ? [...references] : [...majority, ...bases];
  const bare = wanted.replace(/ \(reference\)$/, ''); // the table adds this to the name
  const own = references.find((name) => name === bare || name === `${bare} (reference)`);
  if (own !== undefined) return [own];
  if (wanted === 'base' && bases.length > 0) return bases;
  if (wanted === 'majority' && majority.length > 0) return majority;
  const named = getNames(({ name, kind }) => name === wanted || (kind === 'tuned' && `${name} (tuned)` === wanted));
  if (named.length > 0) return named;
  const names = new Set([...references, ...known.map(({ name }) => name), ...(bases.length > 0 ? ['base'] : [])]);
  throw new Failure('usage', `--reference: there is no model "${wanted}" in this comparison`, {
    hint: `choose one of ${[...names].map((name) => `"${name}"`).join(', ')}, or the path of a predictions file`,
  });
}

/** What tuned models have to be, beside the reference. */
export const requirements = ['better', 'not-worse', 'equivalent'] as const;

export type Requirement = (typeof requirements)[number];

/** One sentence for each finished run that does not meet the requirement; empty where all do. It is not met where there is none to judge. */
export function listFailedRequirements(comparisons: readonly Comparison[], requirement: Requirement): string[] {
  const judged = comparisons.flatMap((comparison) => {
    const { candidates, reference, set, leftOut } = comparison;
    const where = set === 'test' ? '' : ` (${set})`;
    // The reference may be a tuned model itself.
    const tuned = candidates.filter(({ name, kind }) => kind === 'tuned' && name !== reference);
    return [
      ...tuned.map((candidate) => (isMet(candidate, comparison, requirement) ? null : `${formatFinding(candidate, comparison)}${where}`)),
      ...leftOut.map((run) => `${run} is left out and cannot be judged${where}`),
    ];
  });
  return judged.length === 0 ? ['there is no tuned model to judge'] : judged.filter((finding) => finding !== null);
}

/** One sentence for each tuned model that meets the requirement and is no better than the most frequent label all the same. */
export function listHollowResults(comparisons: readonly Comparison[], requirement: Requirement): string[] {
  return comparisons.flatMap((comparison) =>
    comparison.candidates
      .filter((candidate) => candidate.beatsMajority === false && isMet(candidate, comparison, requirement))
      .map(({ name }) => `met, but ${name} does not beat the ${measures[comparison.measure].rule ?? mostFrequent} by more than chance`),
  );
}

function isMet({ verdict, interval }: ComparedCandidate, { margin }: Comparison, requirement: Requirement): boolean {
  switch (requirement) {
    case 'better':
      return verdict === 'better';
    case 'not-worse':
      return verdict === 'better' || verdict === 'not worse' || verdict === 'equivalent';
    case 'equivalent': // a better model may still be so by less than what matters
      return verdict === 'equivalent' || (verdict === 'better' && interval![1] <= margin);
  }
}

function formatFinding({ name, verdict }: ComparedCandidate, { reference }: Comparison): string {
  if (verdict === null || reference === null) return `${name} is compared with nothing`;
  if (verdict === 'cannot tell') return `${name} cannot be told from ${reference}`;
  return verdict === 'equivalent' ? `${name} and ${reference} are equivalent` : `${name} is ${verdict} than ${reference}`;
}
