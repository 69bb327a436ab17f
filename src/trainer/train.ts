/** The training loop: batches, loss, gradients, clipping, AdamW, and a look at the validation rows after each epoch. */
import { Failure } from '../errors.ts';
import { type AdamW, toClipFactor, toGradientNorm, updateParameters } from './adamw.ts';
import type { EncodedRow } from './batch.ts';
import { toEpochBatches, toParts } from './batches.ts';
import { toGradients, type Classifier, type Gradients, type Network } from './classifier.ts';
import { createDropout } from './dropout.ts';
import { evaluate } from './evaluate.ts';
import type { ControlFile, EpochEvaluated, StepFinished, TrainingSettings } from './files.ts';
import { keepWeights, restoreWeights } from './weights-snapshot.ts';
import { toLearningRate, toStepCounts, toWarmupSteps, type Schedule } from './schedule.ts';
import type { TrainingState } from './training-state.ts';

export interface TrainingData {
  readonly rows: readonly EncodedRow[];
  /** Scored after each epoch; empty where there are none. */
  readonly validation: readonly EncodedRow[];
}

/** The loop's only ways to the outside. */
export interface TrainingHooks {
  /** Where the training stands: a new one, or one that is to go on. The loop keeps it up to date. */
  readonly state: TrainingState;
  tell(event: StepFinished | EpochEvaluated): void;
  /** Asked before each step. */
  readControlRequest(): ControlFile['command'] | null;
  /** Called after each step but the last, when all that belongs to it is done. */
  afterStep(isEpochEnd: boolean): void;
  /** Milliseconds on a clock that only goes forward. */
  now(): number;
}

export interface TrainingEnd {
  readonly reason: 'finished' | 'cancelled' | 'paused' | 'diverged';
  /** Optimizer steps done. */
  readonly step: number;
  /** The epoch whose weights were kept, where the best ones were asked for. */
  readonly best: EpochEvaluated | null;
}

/**
 * Trains all parameters of the classifier in place, from where `hooks.state` says; afterwards it holds the last weights, or the best ones where the settings say so.
 * After a loss or gradient that is not finite it holds the last finite weights.
 *
 * @throws Failure `data-invalid` without rows, `configuration-invalid` when the best weights are asked for without validation rows
 */
export function train(
  classifier: Classifier,
  { rows, validation }: TrainingData,
  settings: TrainingSettings,
  hooks: TrainingHooks,
): TrainingEnd {
  if (rows.length === 0) throw new Failure('data-invalid', 'expected at least one training row, found none');
  if (settings.select === 'best' && validation.length === 0) {
    throw new Failure('configuration-invalid', '"select": "best" needs validation rows', {
      hint: 'Set data.validation, or "select": "last".',
    });
  }
  const { batchSize, seed } = settings;
  const { perEpoch, total } = toStepCounts({ rows: rows.length, ...settings });
  const schedule: Schedule = {
    name: settings.schedule,
    learningRate: settings.learningRate,
    steps: total,
    warmupSteps: toWarmupSteps(settings.warmupRatio, total),
  };
  const { state } = hooks;
  const lengths = rows.map((row) => row.ids.length);
  let batches: number[][] | null = null;

  while (state.step < total) {
    const { step } = state;
    const wish = hooks.readControlRequest();
    if (wish !== null) return { reason: wish === 'pause' ? 'paused' : 'cancelled', step, best: null };
    const began = hooks.now();
    if (batches === null || step % perEpoch === 0)
      batches = toEpochBatches(lengths, { batchSize, seed, epoch: Math.floor(step / perEpoch) });
    const batch = batches[step % perEpoch]!.map((i) => rows[i]!);

    const learningRate = toLearningRate(schedule, step);
    const { loss, gradNorm, isFinite } = takeStep(classifier, state.optimizer, batch, { ...settings, step, learningRate });
    if (!isFinite) return { reason: 'diverged', step, best: null };

    state.milliseconds += hooks.now() - began;
    state.rows += batch.length;
    const done = ++state.step;
    const etaSeconds = ((total - done) * state.milliseconds) / done / 1000;
    const epoch = done / perEpoch;
    hooks.tell({
      type: 'step-finished',
      step: done,
      steps: total,
      epoch,
      loss,
      learningRate,
      gradNorm,
      rowsPerSecond: (1000 * state.rows) / state.milliseconds,
      etaSeconds,
    });

    if (validation.length > 0 && (done % perEpoch === 0 || done === total)) {
      const evaluated: EpochEvaluated = {
        type: 'epoch-evaluated',
        step: done,
        epoch,
        rows: validation.length,
        ...evaluate(classifier, validation),
      };
      hooks.tell(evaluated);
      state.evaluations.push(evaluated);
      if (settings.select === 'best' && (state.best === null || evaluated.loss < state.best.epoch.loss))
        state.best = { weights: keepWeights(classifier), epoch: evaluated };
    }
    if (done < total) hooks.afterStep(done % perEpoch === 0);
  }
  if (state.best) restoreWeights(classifier, state.best.weights);
  return { reason: 'finished', step: total, best: state.best?.epoch ?? null };
}

/** What one optimizer step needs besides the rows; `step` is counted from 0. */
export interface StepSettings extends Pick<TrainingSettings, 'microBatchSize' | 'maxGradNorm' | 'seed'> {
  readonly step: number;
  readonly learningRate: number;
}

/** Loss, gradients, clipping, update. The parameters stay as they are where `isFinite` is false. */
export function takeStep(
  classifier: Network,
  optimizer: AdamW,
  batch: readonly EncodedRow[],
  settings: StepSettings,
): { readonly loss: number; readonly gradNorm: number; readonly isFinite: boolean } {
  const { tf, parameters } = classifier;
  const { learningRate, maxGradNorm } = settings;
  const { loss, gradients } = accumulateGradients(classifier, batch, settings);
  const gradNorm = toGradientNorm(gradients);
  const factor = maxGradNorm > 0 ? toClipFactor(gradNorm, maxGradNorm) : 1; // 0 clips nothing, as in transformers
  const isFinite = Number.isFinite(loss) && Number.isFinite(gradNorm);
  return { loss, gradNorm, isFinite: isFinite && updateParameters(tf, optimizer, { parameters, gradients, learningRate, factor }) };
}

/**
 * Mean loss and gradients of a batch, computed in micro-batches that fit the memory. Sums of losses are divided by the rows of the
 * whole batch, so that the parts need not be of one size.
 */
export function accumulateGradients(
  classifier: Network,
  batch: readonly EncodedRow[],
  { microBatchSize, seed, step }: Pick<StepSettings, 'microBatchSize' | 'seed' | 'step'>,
): { readonly loss: number; readonly gradients: Gradients['gradients'] } {
  let lossSum = 0;
  let total: Gradients['gradients'] | null = null;
  for (const [microBatch, part] of toParts(batch, microBatchSize).entries()) {
    const found = toGradients(classifier, part, { rows: batch.length, next: createDropout({ seed, step, microBatch }) });
    lossSum += found.lossSum;
    total = total ? addGradients(total, found.gradients) : found.gradients;
  }
  return { loss: lossSum / batch.length, gradients: total ?? new Map<string, Float32Array>() };
}

function addGradients(a: Gradients['gradients'], b: Gradients['gradients']): Gradients['gradients'] {
  return new Map([...a].map(([name, gradient]) => [name, gradient.map((value, i) => value + b.get(name)![i]!)]));
}
