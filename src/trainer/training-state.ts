import { type AdamW, adamWDefaults, createAdamW } from './adamw.ts';
import type { EpochEvaluated, TrainingSettings } from './files.ts';
import type { WeightsSnapshot } from './weights-snapshot.ts';

/**
 * Where a training stands, beside the parameters: all that changes from step to step. Random numbers and batches depend on the seed
 * and the step only, so that no more is needed to go on.
 */
export interface TrainingState {
  /** Optimizer steps done. */
  step: number;
  readonly optimizer: AdamW;
  /** The best weights so far and the look at the validation rows that found them so, where the best ones are asked for. */
  best: { readonly weights: WeightsSnapshot; readonly epoch: EpochEvaluated } | null;
  readonly evaluations: EpochEvaluated[];
  /** Rows trained on and the time spent on them, in milliseconds: what `rowsPerSecond` is computed from. */
  rows: number;
  milliseconds: number;
}

export function createTrainingState({ weightDecay }: Pick<TrainingSettings, 'weightDecay'>): TrainingState {
  return { step: 0, optimizer: createAdamW({ ...adamWDefaults, weightDecay }), best: null, evaluations: [], rows: 0, milliseconds: 0 };
}
