import type { EpochEvaluated } from '../protocol.ts';
import type { EarlyStopping } from '../training-controls.ts';

/** What validations are compared by; the loss where the settings do not say. */
type Comparison = Pick<EarlyStopping, 'by'>;

/** Less is better. What is not a number is worse than all others. */
function toCost({ loss, accuracy, microF1 = NaN, meanAbsoluteError }: EpochEvaluated, by: EarlyStopping['by']): number {
  const cost = by === 'loss' ? loss : (meanAbsoluteError ?? -(accuracy ?? microF1));
  return Number.isNaN(cost) ? Infinity : cost;
}

/** Whether a validation is better than all before it, of which `best` was the best; null: it is the first. */
export function isBetter(scored: EpochEvaluated, best: EpochEvaluated | null, { by }: Comparison = { by: 'loss' }): boolean {
  return best === null || toCost(scored, by) < toCost(best, by);
}

/**
 * The best validation of a training that has to end, because as many as `patience` in a row were no better than the best one before them by
 * more than `minDelta`; null where it goes on. The rule is that of transformers' EarlyStoppingCallback: each better validation is the new best
 * one, also where it is better by less than `minDelta`. All is computed from the validations, so that a checkpoint needs nothing more.
 */
export function findEarlyEnd(evaluations: readonly EpochEvaluated[], settings: EarlyStopping | undefined): EpochEvaluated | null {
  if (!settings) return null;
  const { by, minDelta, patience } = settings;
  let best: EpochEvaluated | null = null;
  let without = 0;
  for (const scored of evaluations) {
    const isProgress = best === null || toCost(best, by) - toCost(scored, by) > minDelta;
    without = isProgress ? 0 : without + 1;
    if (isBetter(scored, best, settings)) best = scored;
  }
  return without >= patience ? best : null;
}
