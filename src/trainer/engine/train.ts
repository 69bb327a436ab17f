/** The training loop: learning rate, batches, loss, gradients, clipping, AdamW, and the validation rows after each epoch. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { Failure } from '../../errors.ts';
import type { Backend, TensorFlow } from '../backends/index.ts';
import type { ControlRequest, EpochEvaluated, StepFinished, TrainerNews, TrainingSettings } from '../protocol.ts';
import { getKernels } from '../kernels/index.ts';
import { createAdamW } from './adamw.ts';
import { findEarlyEnd, isBetter } from './early-stopping.ts';
import { findRowsOfBatches, planEpoch, toParts, type TokenRow } from './batches.ts';
import { computeGradients, copyWeights, freeGradients, restoreWeights } from './network.ts';
import type { Gradients, Network, WeightsSnapshot } from './network.ts';
import { createDropout } from './ops.ts';
import { adamWDefaults, createLayerDecay, type AdamW } from './optimizer.ts';
import { takeShare, wholeBatch, type BatchGradients, type BatchSettings, type Share } from './shares.ts';

/** What is trained on. */
export interface TrainingData<Row extends TokenRow> {
  /** Undefined: a row that no step reads. */
  readonly rows: readonly (Row | undefined)[];
  /** Scored after each epoch; empty where there are none. */
  readonly validation: readonly Row[];
  readonly settings: TrainingSettings;
}

/**
 * The state of a training beside the parameters: all that changes from step to step. Random numbers and batches depend on the seed
 * and the step only, so that no more is needed to go on.
 */
export interface TrainingState {
  /** Optimizer steps done. */
  step: number;
  readonly optimizer: AdamW;
  /** The best weights so far and the validation that found them so, where the best ones are asked for. */
  best: { readonly weights: WeightsSnapshot; readonly epoch: EpochEvaluated } | null;
  readonly evaluations: EpochEvaluated[];
  /** Rows trained on and the time spent on them, in milliseconds: `rowsPerSecond` is computed from them. */
  rows: number;
  milliseconds: number;
}

/** The state before the first step, on a backend whose tensors are in `memory`. */
export function createTrainingState(
  tf: TensorFlow,
  { weightDecay }: Pick<TrainingSettings, 'weightDecay'>,
  memory: Backend['memory'],
): TrainingState {
  const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay }, memory);
  return { step: 0, optimizer, best: null, evaluations: [], rows: 0, milliseconds: 0 };
}

/** The loop's only ways to the outside. */
export interface TrainingHooks {
  /** A new state, or that of a training that goes on. The loop updates it. */
  readonly state: TrainingState;
  write(event: StepFinished | EpochEvaluated | Extract<TrainerNews, { type: 'training-ended-early' }>): void;
  /** Asked before each step. */
  readControlRequest(): ControlRequest | null;
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
 * Trains the network's parameters in place, from `hooks.state` on, to the last step or to an early end. Afterwards it holds the last weights,
 * or the best ones where the settings say so; after a loss or gradient that is not finite it holds the last finite weights.
 *
 * @throws Failure `data-invalid` without rows, `configuration-invalid` when the best weights are asked for without validation rows
 */
export function train<Row extends TokenRow>(
  network: Network<Row>,
  { rows, validation, settings }: TrainingData<Row>,
  hooks: TrainingHooks,
): TrainingEnd {
  if (rows.length === 0) throw new Failure('data-invalid', 'expected at least one training row, found none');
  if (validation.length === 0 && (settings.select === 'best' || settings.earlyStopping)) {
    const field = settings.select === 'best' ? '"select": "best"' : '"earlyStopping"';
    throw new Failure('configuration-invalid', `${field} needs validation rows`, { hint: 'Set data.validation, or leave the field out.' });
  }
  const { state } = hooks;
  const { batchSize, seed } = settings;
  const { perEpoch, total } = countSteps(rows.length, settings);
  const schedule: Schedule = {
    name: settings.schedule,
    learningRate: settings.learningRate,
    steps: total,
    warmupSteps: countWarmupSteps(settings.warmupRatio, total),
  };
  const getLength = (row: number): number => rows[row]!.ids.length;
  let getBatch: ((place: number) => number[]) | null = null;

  while (state.step < total) {
    const { step } = state;
    const request = hooks.readControlRequest();
    if (request !== null) return { reason: request === 'pause' ? 'paused' : 'cancelled', step, best: null };
    const began = hooks.now();
    if (getBatch === null || step % perEpoch === 0) {
      getBatch = planEpoch({ count: rows.length, batchSize, seed, epoch: Math.floor(step / perEpoch) }, getLength);
    }
    const batch = getBatch(step % perEpoch).map((i) => rows[i]!);

    const learningRate = getLearningRate(schedule, step);
    const { loss, gradNorm, isFinite } = takeStep(network, batch, { ...settings, optimizer: state.optimizer, step, learningRate });
    if (!isFinite) return { reason: 'diverged', step, best: null };

    state.milliseconds += hooks.now() - began;
    state.rows += batch.length;
    const done = ++state.step;
    const epoch = done / perEpoch;
    const rowsPerSecond = (1000 * state.rows) / state.milliseconds;
    const etaSeconds = ((total - done) * state.milliseconds) / done / 1000;
    hooks.write({ type: 'step-finished', step: done, steps: total, epoch, loss, learningRate, gradNorm, rowsPerSecond, etaSeconds });

    if (validation.length > 0 && (done % perEpoch === 0 || done === total)) {
      const scored: EpochEvaluated = {
        type: 'epoch-evaluated',
        step: done,
        epoch,
        rows: validation.length,
        ...network.task.evaluate(network, validation),
      };
      hooks.write(scored);
      state.evaluations.push(scored);
      if (settings.select === 'best' && isBetter(scored, state.best?.epoch ?? null, settings.earlyStopping))
        state.best = { weights: copyWeights(network), epoch: scored };
      const best = done < total ? findEarlyEnd(state.evaluations, settings.earlyStopping) : null;
      if (best) {
        const { patience, by } = settings.earlyStopping!;
        hooks.write({ type: 'training-ended-early', step: done, steps: total, best: best.step, patience, by });
        break;
      }
    }
    if (done < total) hooks.afterStep(done % perEpoch === 0);
  }
  if (state.best) restoreWeights(network, state.best.weights);
  return { reason: 'finished', step: state.step, best: state.best?.epoch ?? null };
}

/** What one optimizer step needs besides the rows; `step` is counted from 0. */
export interface StepSettings extends Pick<TrainingSettings, 'microBatchSize' | 'maxGradNorm' | 'seed' | 'layerDecay'> {
  readonly optimizer: AdamW;
  readonly step: number;
  readonly learningRate: number;
}

/** Loss, gradients, clipping, update. The parameters stay as they are where `isFinite` is false. */
export function takeStep<Row extends TokenRow>(
  network: Network<Row>,
  batch: readonly Row[],
  settings: StepSettings,
): { readonly loss: number; readonly gradNorm: number; readonly isFinite: boolean } {
  const { optimizer, learningRate, maxGradNorm, layerDecay } = settings;
  const { loss, gradients } = accumulateGradients(network, batch, { ...settings, memory: optimizer.memory });
  if (Number.isFinite(loss)) {
    const getRateFactor = createLayerDecay(layerDecay, network.config.layers);
    return { loss, ...optimizer.update({ parameters: network.parameters, gradients, learningRate, maxGradNorm, getRateFactor }) };
  }
  freeGradients(gradients);
  return { loss, gradNorm: NaN, isFinite: false };
}

/** Mean loss and gradients of a batch, with the helpers of the network where it has some. */
export function accumulateGradients<Row extends TokenRow>(
  network: Network<Row>,
  batch: readonly Row[],
  settings: BatchSettings,
): { readonly loss: number; readonly gradients: Gradients } {
  const { helpers } = network;
  const addOthers = helpers?.startGradients(batch, settings);
  const own = accumulateShare(network, batch, { ...settings, share: helpers ? { index: 0, of: 1 + helpers.count } : wholeBatch });
  const { lossSum, gradients } = addOthers ? addOthers(own) : own;
  return { loss: lossSum / network.task.getWeight(batch), gradients };
}

/**
 * Losses and gradients of a share of a batch, computed in micro-batches that fit the memory. Sums of losses are divided by the weight of
 * the whole batch, so that the parts need not be of one size. In the memory of the process the sums wait as arrays: beside the next
 * micro-batch, the backend has the whole of its own memory.
 */
export function accumulateShare<Row extends TokenRow>(
  network: Network<Row>,
  batch: readonly Row[],
  { microBatchSize, seed, step, memory, share }: BatchSettings & { readonly share: Share },
): BatchGradients {
  const { tf } = network;
  const microBatches = toParts(batch, microBatchSize);
  const sum = memory === 'device' || microBatches.length === 1 ? sumOnBackend(tf) : sumInProcess(tf);
  const weight = network.task.getWeight(batch);
  let lossSum = 0;
  for (const [microBatch, all] of microBatches.entries()) {
    const { rows, part } = takeShare(all, share, microBatch);
    if (rows.length === 0) continue;
    const found = computeGradients(network, rows, { rows: weight, next: createDropout({ seed, step, microBatch, part }) });
    lossSum += found.lossSum;
    sum.add(found.gradients);
  }
  return { lossSum, gradients: sum.take() };
}

interface GradientSum {
  /** Takes the gradients over. */
  add(gradients: Gradients): void;
  take(): Gradients;
}

function sumOnBackend(tf: TensorFlow): GradientSum {
  const total: Gradients = new Map<string, Tensor>();
  return {
    add(gradients) {
      for (const [name, gradient] of gradients) {
        const before = total.get(name);
        total.set(name, before ? tf.keep(tf.add(before, gradient)) : gradient);
        if (before) tf.dispose([before, gradient]);
      }
    },
    take: () => total,
  };
}

function sumInProcess(tf: TensorFlow): GradientSum {
  const total = new Map<string, { readonly shape: number[]; readonly sum: Float32Array }>();
  const kernels = getKernels(tf);
  /** Without a copy, where the kernels can reach them. */
  const view = (gradient: Tensor): Float32Array =>
    kernels ? kernels.view(kernels.find(gradient, gradient.shape), gradient.size) : gradient.dataSync<'float32'>();
  return {
    add(gradients) {
      for (const [name, gradient] of gradients) {
        const [before, added] = [total.get(name)?.sum, view(gradient)];
        if (before === undefined) total.set(name, { shape: gradient.shape, sum: added.slice() });
        else for (let i = 0; i < before.length; i++) before[i] = before[i]! + added[i]!; // ten times as fast as `map`
      }
      freeGradients(gradients);
    },
    take: () => new Map([...total].map(([name, { shape, sum }]) => [name, tf.keep(tf.tensor(sum, shape))])),
  };
}

/** Steps with a rising learning rate: a share of all steps, rounded up. */
export function countWarmupSteps(ratio: number, steps: number): number {
  return Math.ceil(steps * ratio);
}

/** Learning rates and step counts are those of transformers' Trainer. */
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
export function getLearningRate({ name, learningRate, warmupSteps, steps }: Schedule, step: number): number {
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

/** The rows that a training reads of so many; null: all of them. */
export function findNeededRows(
  count: number,
  settings: Pick<TrainingSettings, 'batchSize' | 'epochs' | 'steps' | 'seed'>,
): ReadonlySet<number> | null {
  const { batchSize, seed } = settings;
  const { perEpoch, total } = countSteps(count, settings);
  return total >= perEpoch ? null : findRowsOfBatches({ count, batchSize, seed, epoch: 0 }, total);
}

/** Optimizer steps of one pass over the rows, and of the whole training. A last batch that is not full is a step too. */
export function countSteps(
  rows: number,
  { batchSize, epochs, steps }: Pick<TrainingSettings, 'batchSize' | 'epochs' | 'steps'>,
): { readonly perEpoch: number; readonly total: number } {
  const perEpoch = Math.ceil(rows / batchSize);
  return { perEpoch, total: steps ?? Math.ceil((epochs ?? 0) * perEpoch) };
}
