/** A model in memory: what computes it, its numbers, and their gradients. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { LowRank, NetworkConfig } from '../families/index.ts';
import type { EpochEvaluated } from '../protocol.ts';
import { readTensor, type SafetensorsIndex } from '../safetensors.ts';
import type { TokenRow } from './batches.ts';
import type { NextDropout, Ops } from './ops.ts';
import { findParameters, type ParameterRules, type Parameters, type ParameterSpec } from './parameters.ts';
import type { Helpers } from './shares.ts';
import { findGradients } from './tape.ts';

/** What a model is trained for: its head, the loss, and how well rows are answered. */
export interface Task<Row extends TokenRow, Config extends NetworkConfig = NetworkConfig> {
  /** The sum of the losses of these rows, a scalar. `next` gives each place its dropout; null computes without. */
  computeLoss(network: Network<Row, Config>, rows: readonly Row[], next: NextDropout | null): Tensor;
  /** What a sum of losses is divided by for their mean: the number of rows, their weights together, or the number of tokens that are learned. */
  getWeight(rows: readonly Row[]): number;
  /** The mean loss of a row (of a token, where tokens are learned), and how well rows are answered. */
  evaluate(network: Network<Row, Config>, rows: readonly Row[]): Omit<EpochEvaluated, 'type' | 'step' | 'epoch' | 'rows'>;
}

/** A model that computes, and that can be trained for its task. */
export interface Network<Row extends TokenRow, Config extends NetworkConfig = NetworkConfig> {
  readonly tf: TensorFlow;
  readonly ops: Ops;
  readonly config: Config;
  readonly task: Task<Row, Config>;
  /** Names of what the head gives, one for each. */
  readonly labels: readonly string[];
  readonly parameters: Parameters;
  /** How the matrices of an adapter are used; absent: there are none. */
  readonly lowRank?: LowRank | undefined;
  /** Whether a parameter is trained: the optimizer updates it and checkpoints hold it. Others stay as the model's folder has them. */
  isTrainable(name: string): boolean;
  /** Other threads that compute parts of batches; absent: there are none. */
  readonly helpers?: Helpers<Row> | undefined;
}

/** Frees the tensors. */
export function closeNetwork({ parameters }: Pick<Network<never>, 'parameters'>): void {
  for (const tensor of parameters.values()) tensor.dispose();
  parameters.clear();
}

/** Gradients by name, in the layout of the computation, on the backend that computes. Whoever has them frees them. */
export type Gradients = Map<string, Tensor>;

export function freeGradients(gradients: ReadonlyMap<string, Tensor>): void {
  for (const gradient of gradients.values()) gradient.dispose();
}

/**
 * Forward and backward pass over a micro-batch: the sum of the losses, and the gradients of that sum divided by `rows`, the weight of
 * the whole batch that it is a part of.
 */
export function computeGradients<Row extends TokenRow>(
  network: Network<Row>,
  batch: readonly Row[],
  { rows, next }: { rows: number; next: NextDropout | null },
): { readonly lossSum: number; readonly gradients: Gradients } {
  const { tf, task } = network;
  const trained = getTrained(network);
  return computeAndFree(tf, () => {
    const computeLoss = (): Tensor => task.computeLoss(network, batch, next);
    const { value, gradients } = findGradients(tf, computeLoss, { parameters: trained, scale: 1 / rows });
    return { lossSum: value, gradients };
  });
}

/** The parameters that are trained. */
export function getTrained({ parameters, isTrainable }: Pick<Network<never>, 'parameters' | 'isTrainable'>): Parameters {
  return new Map([...parameters].filter(([name]) => isTrainable(name)));
}

/**
 * Returns what `compute` returns, which must hold plain data or kept tensors only: every other tensor that it made is freed. `tf.tidy` itself
 * looks for tensors in what it returns, also in each number of an array: of a model with 10 million that took 20 s and a gigabyte.
 */
export function computeAndFree<T>(tf: TensorFlow, compute: () => T): T {
  const results: T[] = [];
  tf.tidy(() => {
    results.push(compute());
  });
  return results[0]!;
}

/** A copy of the parameters that are trained, in the layout of the computation. */
export type WeightsSnapshot = ReadonlyMap<string, Float32Array>;

export function copyWeights(network: Pick<Network<never>, 'parameters' | 'isTrainable'>): WeightsSnapshot {
  return new Map([...getTrained(network)].map(([name, tensor]) => [name, tensor.dataSync<'float32'>().slice()]));
}

/** Puts the copy in the place of the present parameters. */
export function restoreWeights({ tf, parameters }: Pick<Network<never>, 'tf' | 'parameters'>, weights: WeightsSnapshot): void {
  for (const [name, values] of weights) {
    const present = parameters.get(name)!;
    parameters.set(name, tf.keep(tf.tensor(values, present.shape)));
    present.dispose();
  }
}

/** A tensor in the layout of the computation from numbers in the layout of the weight file. */
export function createParameter(tf: TensorFlow, { shape, isLinear }: ParameterSpec, data: Float32Array): Tensor {
  return tf.tidy(() => (isLinear ? tf.transpose(tf.tensor2d(data, [shape[0]!, shape[1]!])) : tf.tensor(data, [...shape])));
}

/** Numbers of a parameter, or of its gradient, in the layout of the weight file, copied. */
export function copyToStoredLayout(tf: TensorFlow, tensor: Tensor, isLinear: boolean): Float32Array {
  return computeAndFree(tf, () => (isLinear ? tf.transpose(tensor) : tensor).dataSync<'float32'>().slice());
}

/**
 * The parameters that `rules` lists, from weight files, widened to float32. Names, shapes and types are checked before the first
 * tensor is read.
 */
export function readParameters(tf: TensorFlow, weights: readonly SafetensorsIndex[], rules: ParameterRules): Parameters {
  const found = findParameters(weights, rules);
  return new Map(
    rules.specs.flatMap((spec) => {
      const place = found.get(spec.name);
      return place === undefined ? [] : [[spec.name, createParameter(tf, spec, readTensor(place.index, place.stored))]];
    }),
  );
}
