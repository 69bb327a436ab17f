import type { ComparedCandidate, Comparison } from './compare.ts';

/** What tuned models have to be, beside the reference. */
export type Requirement = 'better' | 'not-worse' | 'equivalent';

export const requirements: readonly Requirement[] = ['better', 'not-worse', 'equivalent'];

/** The finished runs that do not reach it, one sentence each; empty where all do. None to judge does not reach it either. */
export function failedRequirements(comparisons: readonly Comparison[], requirement: Requirement): string[] {
  const judged = comparisons.flatMap((comparison) => {
    const { candidates, reference, set, leftOut } = comparison;
    const where = set === 'test' ? '' : ` (${set})`;
    // The reference may be a tuned model itself.
    const tuned = candidates.filter(({ name, kind }) => kind === 'tuned' && name !== reference);
    return [
      ...tuned.map((candidate) => (isReached(candidate, comparison, requirement) ? null : `${toFinding(candidate, comparison)}${where}`)),
      ...leftOut.map((run) => `${run} is left out and cannot be judged${where}`),
    ];
  });
  if (judged.length === 0) return ['there is no tuned model to judge'];
  return judged.filter((finding) => finding !== null);
}

function isReached({ verdict, interval }: ComparedCandidate, { margin }: Comparison, requirement: Requirement): boolean {
  switch (requirement) {
    case 'better':
      return verdict === 'better';
    case 'not-worse':
      return verdict === 'better' || verdict === 'not worse' || verdict === 'equivalent';
    case 'equivalent': // what is better may still be so by less than what matters
      return verdict === 'equivalent' || (verdict === 'better' && interval![1] <= margin);
  }
}

function toFinding({ name, verdict }: ComparedCandidate, { reference }: Comparison): string {
  if (verdict === null || reference === null) return `${name} is held against nothing`;
  if (verdict === 'cannot tell') return `${name} cannot be told from ${reference}`;
  return verdict === 'equivalent' ? `${name} and ${reference} are equivalent` : `${name} is ${verdict} than ${reference}`;
}
