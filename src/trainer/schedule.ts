/** Learning rates and step counts as transformers' Trainer computes them. */
import type { TrainingSettings } from './files.ts';

/** Steps with a rising learning rate: a share of all steps, rounded up. */
export function toWarmupSteps(ratio: number, steps: number): number {
  return Math.ceil(steps * ratio);
}

export interface Schedule {
  readonly name: TrainingSettings['schedule'];
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly steps: number;
}

/**
 * The learning rate of a step, counted from 0. Rises in equal parts from 0 during the warm-up, then stays, falls in equal parts to
 * 0, or falls along half a cosine.
 */
export function toLearningRate({ name, learningRate, warmupSteps, steps }: Schedule, step: number): number {
  if (step < warmupSteps) return learningRate * (step / Math.max(1, warmupSteps));
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  switch (name) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * Math.max(0, (steps - step) / Math.max(1, steps - warmupSteps));
    case 'cosine':
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * done)));
  }
}

/** Optimizer steps of one pass over the rows, and of the whole training. A last batch that is not full is a step too. */
export function toStepCounts({
  rows,
  batchSize,
  epochs,
  steps,
}: {
  rows: number;
  batchSize: number;
  epochs: number | null;
  steps: number | null;
}): {
  readonly perEpoch: number;
  readonly total: number;
} {
  const perEpoch = Math.ceil(rows / batchSize);
  return { perEpoch, total: steps ?? Math.ceil((epochs ?? 0) * perEpoch) };
}
