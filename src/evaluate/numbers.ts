/** How well numbers were answered. */
import type { Answered, Scores } from './measures.ts';

/** The number that an answer says; null for anything else. */
export function parseNumber(text: string | null): number | null {
  const number = text === null || text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(number) ? number : null;
}

/** The distance of each answer from the right number. An answer that is no number is as far away as a number of these rows can be. */
export function computeErrors(expected: readonly string[], answers: readonly (string | null)[]): number[] {
  const right = expected.map(Number);
  const [least, most] = right.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  return right.map((value, row) => {
    const answer = parseNumber(answers[row]!);
    return answer === null ? Math.max(value - least, most - value) : Math.abs(answer - value);
  });
}

/** The mean distance over all rows, and the correlations of the answers that are numbers; 0 where all answers are alike, which follow nothing. */
export function scoreNumbers({ expected, answers }: Pick<Answered, 'expected' | 'answers'>): Scores {
  const errors = computeErrors(expected, answers);
  const pairs = expected.flatMap((text, row) => {
    const answer = parseNumber(answers[row]!);
    return answer === null ? [] : [[Number(text), answer] as const];
  });
  const [right, answered] = [pairs.map(([value]) => value), pairs.map(([, answer]) => answer)];
  const measures = {
    mean_absolute_error: getMean(errors),
    pearson: computePearson(right, answered),
    spearman: computePearson(toRanks(right), toRanks(answered)),
  };
  return { measures, perClass: [], confusion: [], unparseable: answers.length - pairs.length };
}

function getMean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Pearson's coefficient: the covariance by the product of the deviations. */
function computePearson(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [getMean(a), getMean(b)];
  const sum = (of: (i: number) => number): number => a.reduce((total, _, i) => total + of(i), 0);
  const deviations = Math.sqrt(sum((i) => (a[i]! - meanA) ** 2) * sum((i) => (b[i]! - meanB) ** 2));
  return deviations === 0 ? 0 : sum((i) => (a[i]! - meanA) * (b[i]! - meanB)) / deviations;
}

/** Ranks from 1; equal values share the mean of theirs. */
function toRanks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
  const ranks = new Array<number>(values.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let i = first; i < end; i++) ranks[order[i]!] = (first + end + 1) / 2;
    first = end;
  }
  return ranks;
}
