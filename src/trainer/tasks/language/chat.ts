/** Learning to answer: the cross-entropy of the tokens that are learned, each given all tokens before it. */
import { sortIntoBatches } from '../../engine/batches.ts';
import { computeAndFree, type Task } from '../../engine/network.ts';
import type { CausalConfig } from '../../families/index.ts';
import { computeLogProbabilities, type LanguageNetwork } from '../../language/model.ts';
import type { LearnedRow } from './rows.ts';

/** The tokens that are learned; the first of a row is given. */
export function listLearned(rows: readonly LearnedRow[]): { readonly row: number; readonly token: number }[] {
  return rows.flatMap(({ learned }, row) => learned.flatMap((isLearned, token) => (isLearned && token > 0 ? [{ row, token }] : [])));
}

export const chat: Task<LearnedRow, CausalConfig> = {
  computeLoss(network, rows, next) {
    const places = listLearned(rows);
    return network.ops.negativeSum(computeLogProbabilities(network, rows, { places, next }));
  },
  getWeight: (rows) => listLearned(rows).length,
  evaluate(network, rows) {
    const sums = sumLogProbabilities(network, rows);
    return { loss: -sums.reduce((all, sum) => all + sum, 0) / listLearned(rows).length };
  },
};

/** So many rows are computed together, and so many tokens with the padding of the longest: enough to be fast, few enough for the memory. */
const rowsPerBatch = 16;
const tokensPerBatch = 4096;

/** The log-probability of all that is learned of each row, in the order of the rows. */
export function sumLogProbabilities(network: Omit<LanguageNetwork<never>, 'task'>, rows: readonly LearnedRow[]): number[] {
  const sums = new Array<number>(rows.length).fill(0);
  const lengths = rows.map(({ ids }) => ids.length);
  const longest = Math.max(1, ...lengths);
  const most = Math.max(1, Math.min(rowsPerBatch, Math.floor(tokensPerBatch / longest)));
  for (const batch of sortIntoBatches(lengths, most)) {
    const own = batch.map((i) => rows[i]!);
    const places = listLearned(own);
    const found = computeAndFree(network.tf, () => computeLogProbabilities(network, own, { places, next: null }).dataSync<'float32'>());
    for (const [i, { row }] of places.entries()) sums[batch[row]!]! += found[i]!;
  }
  return sums;
}
