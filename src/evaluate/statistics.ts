/** Whether a difference between two models on the same rows is more than chance. */
import { toStreamKey, toUniform } from '../lib/random.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface McNemar {
  /** Rows that only the first model has right. */
  readonly aOnly: number;
  /** Rows that only the second model has right. */
  readonly bOnly: number;
  /** The probability, were both equally good, of a split at least as uneven. */
  readonly pValue: number;
}

/**
 * McNemar's test (Psychometrika 12, 1947) in its exact two-sided form: of the rows that one model alone has right, those of the
 * first are binomial with share 1/2 if the models are equally good. Precondition: both lists are about the same rows in the same order.
 */
export function toMcNemar(a: readonly boolean[], b: readonly boolean[]): McNemar {
  const aOnly = a.filter((right, row) => right && !b[row]!).length;
  const bOnly = b.filter((right, row) => right && !a[row]!).length;
  return { aOnly, bOnly, pValue: toTwoSidedSignP(aOnly, bOnly) };
}

/** min(1, 2 P(X <= min(a, b))) for X binomial with a + b trials and share 1/2; 1 where there are no trials. */
function toTwoSidedSignP(a: number, b: number): number {
  const trials = a + b;
  const k = Math.min(a, b);
  // The largest term by logarithms, since 2^-trials alone would be 0; the smaller ones as shares of it.
  const largest = Math.exp(toLogFactorial(trials) - toLogFactorial(k) - toLogFactorial(trials - k) - trials * Math.LN2);
  let share = 1;
  let shares = 1;
  for (let i = k; i > 0 && share > Number.EPSILON / 16; i--) {
    share *= i / (trials - i + 1);
    shares += share;
  }
  return Math.min(1, 2 * largest * shares);
}

/** ln(n!) as a sum, compensated after Kahan (1965): the terms' rounding errors would otherwise add up. */
function toLogFactorial(n: number): number {
  let total = 0;
  let lost = 0;
  for (let i = 2; i <= n; i++) {
    const term = Math.log(i) - lost;
    const next = total + term;
    lost = next - total - term;
    total = next;
  }
  return total;
}

/** An interval with the bound that a value is above with the same certainty, where nobody asks how high it is. */
export interface BoundedInterval extends Interval {
  readonly oneSidedLow: number;
}

export interface BootstrapSettings {
  readonly resamples: number;
  readonly seed: number;
  /** For example 0.95. */
  readonly level: number;
}

/**
 * A percentile bootstrap interval of the mean (Efron, Annals of Statistics 7, 1979). With the difference of two models on each row
 * it is paired: rows are drawn, and with a row both models' results. Precondition: at least one row and one resample.
 */
export function toBootstrapInterval(differences: readonly number[], { resamples, seed, level }: BootstrapSettings): BoundedInterval {
  const rows = differences.length;
  const key = toStreamKey(seed, 'bootstrap');
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let total = 0;
    for (let draw = 0; draw < rows; draw++) total += differences[Math.floor(toUniform(key, resample * rows + draw) * rows)]!;
    means[resample] = total / rows;
  }
  return toPercentileInterval(means, level);
}

/** The same from rows that were drawn before: one list of row numbers a resample. */
export function toResampledInterval(differences: readonly number[], drawn: readonly (readonly number[])[], level: number): BoundedInterval {
  const means = drawn.map((rows) => rows.reduce((total, row) => total + differences[row]!, 0) / rows.length);
  return toPercentileInterval(Float64Array.from(means), level);
}

/** The middle `level` of the values, and the upper `level` of them. */
function toPercentileInterval(values: Float64Array, level: number): BoundedInterval {
  const sorted = values.toSorted();
  return {
    low: toQuantile(sorted, (1 - level) / 2),
    high: toQuantile(sorted, (1 + level) / 2),
    oneSidedLow: toQuantile(sorted, 1 - level),
  };
}

/** Linear between the two nearest values: type 7 of Hyndman and Fan (American Statistician 50, 1996), NumPy's default. */
function toQuantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}

export type Verdict = 'better' | 'worse' | 'not worse' | 'equivalent' | 'cannot tell';

/**
 * What an interval of the difference "candidate minus reference" says. `margin` (>= 0) is the largest difference that does not matter:
 * equivalence and non-inferiority by confidence intervals, after Piaggio et al., JAMA 308 (2012). That a model is not worse is a
 * question of one side: it is so where the one-sided lower bound is above -margin, a test of the size 5 % at the level 0.95 (Walker and
 * Nowacki, Journal of General Internal Medicine 26, 2011). A loss that is sure, but surely within the margin, is no "worse".
 */
export function toVerdict({ low, high, oneSidedLow, margin }: BoundedInterval & { readonly margin: number }): Verdict {
  if (low > 0) return 'better';
  if (low >= -margin && high <= margin) return 'equivalent';
  if (oneSidedLow > -margin) return 'not worse';
  return high < 0 ? 'worse' : 'cannot tell';
}

const normal975 = 1.959963984540054; // the standard normal distribution's 97.5th percentile

/** Wilson's score interval (JASA 22, 1927) of a proportion, at the level 0.95; all of [0, 1] where there are no rows. */
export function toWilsonInterval(right: number, rows: number): Interval {
  if (rows === 0) return { low: 0, high: 1 };
  const share = right / rows;
  const z2 = normal975 ** 2 / rows;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = Math.sqrt(z2 * share * (1 - share) + z2 ** 2 / 4) / (1 + z2);
  // Rounding must not take the proportion itself out of its interval, nor the interval out of [0, 1].
  return { low: Math.max(0, Math.min(share, centre - half)), high: Math.min(1, Math.max(share, centre + half)) };
}
