/** Learning to answer: the cross-entropy of the tokens that are learned, each given all tokens before it. */
import type { TokenRow } from '../../engine/batches.ts';
import { computeAndFree, type Task } from '../../engine/network.ts';
import { sortIntoBatches } from '../../engine/batches.ts';
import type { CausalConfig } from '../../families/index.ts';
import { computeLogProbabilities, type LanguageNetwork } from '../../language/model.ts';

/** A conversation as the model reads it. */
export interface ChatRow extends TokenRow {
  /** Whether each token is learned; as many as `ids`. */
  readonly learned: readonly boolean[];
}

/** The tokens that are learned; the first of a row is given. */
export function listLearned(rows: readonly ChatRow[]): { readonly row: number; readonly token: number }[] {
  return rows.flatMap(({ learned }, row) => learned.flatMap((isLearned, token) => (isLearned && token > 0 ? [{ row, token }] : [])));
}

export const chat: Task<ChatRow, CausalConfig> = {
  computeLoss(network, rows, next) {
    const places = listLearned(rows);
    return network.ops.negativeSum(computeLogProbabilities(network, rows, { places, next }));
  },
  getWeight: (rows) => listLearned(rows).length,
  evaluate(network, rows) {
    let loss = 0;
    for (const batch of sortIntoBatches(
      rows.map(({ ids }) => ids.length),
      rowsPerBatch,
    )) {
      loss -= sumLogProbabilities(
        network,
        batch.map((i) => rows[i]!),
      );
    }
    return { loss: loss / chat.getWeight(rows) };
  },
};

const rowsPerBatch = 16;

function sumLogProbabilities(network: LanguageNetwork<ChatRow>, rows: readonly ChatRow[]): number {
  const places = listLearned(rows);
  const all = computeAndFree(network.tf, () => computeLogProbabilities(network, rows, { places, next: null }).dataSync<'float32'>());
  return all.reduce((sum, value) => sum + value, 0);
}
