/**
 * Learning which of two answers is better, by direct preference optimization (Rafailov et al. 2023): the reward of an answer is how much more
 * probable it has become than it was at the start, and the loss is that of a classifier of the difference of two rewards.
 */
import type { TokenRow } from '../../engine/batches.ts';
import type { Task } from '../../engine/network.ts';
import type { CausalConfig } from '../../families/index.ts';
import { computeLogProbabilities, type LanguageNetwork } from '../../language/model.ts';
import { listLearned, sumLogProbabilities } from './chat.ts';
import type { LearnedRow, PreferencePair } from './rows.ts';

/** Two answers to one prompt, with their log-probabilities at the start of the training. */
export interface PreferenceRow extends TokenRow, PreferencePair {
  readonly start: { readonly chosen: number; readonly rejected: number };
}

/** How the loss is computed. */
export interface PreferenceSettings {
  /** How strongly the model is held to what it was. */
  readonly beta: number;
  /** The share of pairs that are assumed to be the wrong way round (Mitchell 2023). */
  readonly labelSmoothing: number;
}

/** Rows with the log-probabilities that a model gives them as it is, without an adapter. */
export function addStart(
  network: Omit<LanguageNetwork<never>, 'task'>,
  pairs: readonly (PreferencePair | undefined)[],
): (PreferenceRow | undefined)[] {
  const known = pairs.filter((pair) => pair !== undefined);
  const base = { ...network, lowRank: undefined };
  const [chosen, rejected] = (['chosen', 'rejected'] as const).map((side) =>
    sumLogProbabilities(
      base,
      known.map((pair) => pair[side]),
    ),
  );
  let i = -1;
  return pairs.map((pair) => {
    if (pair === undefined) return undefined;
    i++;
    const longer = pair.chosen.ids.length >= pair.rejected.ids.length ? pair.chosen : pair.rejected;
    return { ...pair, ids: longer.ids, start: { chosen: chosen![i]!, rejected: rejected![i]! } };
  });
}

export function createPreference({ beta, labelSmoothing }: PreferenceSettings): Task<PreferenceRow, CausalConfig> {
  return {
    computeLoss(network, rows, next) {
      const both = rows.flatMap(({ chosen, rejected }): LearnedRow[] => [chosen, rejected]);
      const places = listLearned(both);
      const signs = new Float32Array(rows.length * places.length);
      for (const [n, { row }] of places.entries()) signs[Math.floor(row / 2) * places.length + n] = row % 2 === 0 ? 1 : -1;
      const start = Float32Array.from(rows, ({ start }) => start.chosen - start.rejected);
      return network.ops.pairLoss(computeLogProbabilities(network, both, { places, next }), { signs, start, beta, labelSmoothing });
    },
    getWeight: (rows) => rows.length,
    evaluate(network, rows) {
      const [chosen, rejected] = (['chosen', 'rejected'] as const).map((side) =>
        sumLogProbabilities(
          network,
          rows.map((row) => row[side]),
        ),
      );
      let [loss, right] = [0, 0];
      for (const [i, { start }] of rows.entries()) {
        const margin = beta * (chosen![i]! - start.chosen - (rejected![i]! - start.rejected)); // between the two rewards
        loss += (1 - labelSmoothing) * softplus(-margin) + labelSmoothing * softplus(margin);
        if (margin > 0) right++;
      }
      return { loss: loss / rows.length, rewardAccuracy: right / rows.length };
    },
  };
}

/** `log(1 + e^x)` */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
