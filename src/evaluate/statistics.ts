/** Whether a difference between two models on the same rows is more than chance. */

/**
 * The p-value of McNemar's test (Psychometrika 12, 1947) in its exact two-sided form: of the rows that one model alone has right, those of
 * the first are binomial with share 1/2 if the models are equally good. Precondition: both lists are about the same rows in the same order.
 */
export function computeMcNemar(a: readonly boolean[], b: readonly boolean[]): number {
  const aOnly = a.filter((right, row) => right && !b[row]!).length;
  const bOnly = b.filter((right, row) => right && !a[row]!).length;
  return computeSignTest(aOnly, bOnly);
}

/** min(1, 2 P(X <= min(a, b))) for X binomial with a + b trials and share 1/2; 1 where there are no trials. */
function computeSignTest(a: number, b: number): number {
  const trials = a + b;
  const k = Math.min(a, b);
  // The largest term by logarithms, since 2^-trials alone would be 0; the smaller ones as shares of it.
  const largest = Math.exp(computeLogFactorial(trials) - computeLogFactorial(k) - computeLogFactorial(trials - k) - trials * Math.LN2);
  let share = 1;
  let shares = 1;
  for (let i = k; i > 0 && share > Number.EPSILON / 16; i--) {
    share *= i / (trials - i + 1);
    shares += share;
  }
  return Math.min(1, 2 * largest * shares);
}

/** ln(n!) as a sum, compensated after Kahan (1965): the terms' rounding errors would otherwise add up. */
function computeLogFactorial(n: number): number {
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

/** An interval, and the bound that a value is above with the same certainty where nobody asks how high it is. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly oneSidedLow: number;
}

export interface BootstrapSettings {
  readonly resamples: number;
  /** For example 0.95. */
  readonly level: number;
  /** Random number `index`, uniform in [0, 1): number `resample * rows + draw` decides which row is drawn. */
  random(index: number): number;
}

/**
 * A percentile bootstrap interval of the mean (Efron, Annals of Statistics 7, 1979). With the difference of two models on each row
 * it is paired: rows are drawn, and with a row both models' results. Precondition: at least one row and one resample.
 */
export function computeBootstrapInterval(differences: readonly number[], { resamples, level, random }: BootstrapSettings): Interval {
  const rows = differences.length;
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let total = 0;
    for (let draw = 0; draw < rows; draw++) total += differences[Math.floor(random(resample * rows + draw) * rows)]!;
    means[resample] = total / rows;
  }
  return toInterval(means, level);
}

function toInterval(values: Float64Array, level: number): Interval {
  const sorted = values.sort();
  return {
    low: computeQuantile(sorted, (1 - level) / 2),
    high: computeQuantile(sorted, (1 + level) / 2),
    oneSidedLow: computeQuantile(sorted, 1 - level),
  };
}

/** What a row adds to a score that is a ratio: `Σ gain / Σ weight` over the rows. In a mean each row weighs 1. */
export interface Parts {
  readonly gain: number;
  readonly weight: number;
}

export function toRatio(parts: readonly Parts[]): number {
  return divide(sum(parts.map(({ gain }) => gain)), sum(parts.map(({ weight }) => weight)));
}

export function divide(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The same interval of the difference of two ratios: with a row both models' parts are drawn, and the ratios are computed of what was drawn. */
export function computeRatioInterval(a: readonly Parts[], b: readonly Parts[], { resamples, level, random }: BootstrapSettings): Interval {
  const rows = a.length;
  const differences = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let [gainA, weightA, gainB, weightB] = [0, 0, 0, 0];
    for (let draw = 0; draw < rows; draw++) {
      const row = Math.floor(random(resample * rows + draw) * rows);
      gainA += a[row]!.gain;
      weightA += a[row]!.weight;
      gainB += b[row]!.gain;
      weightB += b[row]!.weight;
    }
    differences[resample] = divide(gainA, weightA) - divide(gainB, weightB);
  }
  return toInterval(differences, level);
}

/**
 * The p-value of a paired randomization test of two ratios (Yeh, "More accurate tests for the statistical significance of result differences",
 * COLING 2000): if the models are equally good, their results on a row may change places. It is the share of random exchanges, the real
 * one counted, after which the ratios are at least as far apart. McNemar's test asks for rows that are right or wrong.
 */
export function computeRandomizationTest(
  a: readonly Parts[],
  b: readonly Parts[],
  { resamples, random }: Pick<BootstrapSettings, 'resamples' | 'random'>,
): number {
  const rows = a.length;
  const apart = Math.abs(toRatio(a) - toRatio(b));
  let count = 1;
  for (let resample = 0; resample < resamples; resample++) {
    let [gainA, weightA, gainB, weightB] = [0, 0, 0, 0];
    for (let row = 0; row < rows; row++) {
      const [first, second] = random(resample * rows + row) < 0.5 ? [b[row]!, a[row]!] : [a[row]!, b[row]!];
      gainA += first.gain;
      weightA += first.weight;
      gainB += second.gain;
      weightB += second.weight;
    }
    if (Math.abs(divide(gainA, weightA) - divide(gainB, weightB)) >= apart - 1e-12) count++; // sums in another order
  }
  return count / (resamples + 1);
}

/** Linear between the two nearest values: type 7 of Hyndman and Fan (American Statistician 50, 1996), NumPy's default. */
function computeQuantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}

export type Verdict = 'better' | 'worse' | 'not worse' | 'equivalent' | 'cannot tell';

/**
 * The verdict on an interval of the difference "candidate minus reference". `margin` (>= 0) is the largest difference that does not matter:
 * equivalence and non-inferiority by confidence intervals, after Piaggio et al., JAMA 308 (2012). That a model is not worse is a
 * question of one side: it is so where the one-sided lower bound is above -margin, a test of the size 5 % at the level 0.95 (Walker and
 * Nowacki, Journal of General Internal Medicine 26, 2011). A certain loss that is certainly within the margin is not "worse".
 */
export function getVerdict({ low, high, oneSidedLow, margin }: Interval & { readonly margin: number }): Verdict {
  if (low > 0) return 'better';
  if (low >= -margin && high <= margin) return 'equivalent';
  if (oneSidedLow > -margin) return 'not worse';
  return high < 0 ? 'worse' : 'cannot tell';
}
