/** Numbers of one sample by the name of what was measured: milliseconds or megabytes. */
export type Sample = Readonly<Record<string, number>>;

/** The numbers of all rounds, by the name of the measure. */
export type Samples = Readonly<Record<string, readonly number[]>>;

/**
 * Takes samples of several cases in turn (A B A B …), so that what disturbs the machine disturbs all of them, after `warmUps`
 * rounds that do not count.
 */
export async function interleave<Case extends string>(
  cases: Readonly<Record<Case, () => Sample | Promise<Sample>>>,
  { warmUps, rounds }: { readonly warmUps: number; readonly rounds: number },
): Promise<Record<Case, Samples>> {
  const taken: Record<string, Record<string, number[]>> = {};
  for (let round = 0; round < warmUps + rounds; round++) {
    for (const [name, take] of Object.entries<() => Sample | Promise<Sample>>(cases)) {
      const sample = await take();
      if (round < warmUps) continue;
      const samples = (taken[name] ??= {});
      for (const [measure, value] of Object.entries(sample)) (samples[measure] ??= []).push(value);
    }
  }
  return taken;
}

/** The middle one; of an even number the mean of the two in the middle. */
export function toMedian(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
