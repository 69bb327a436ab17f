/**
 * What threads tell each other, and the numbers that they share. Requests and answers are messages; numbers of tensors lie in shared
 * memory: each side writes what is its own (the main thread weights, a worker its gradients) while the other one does not look, which is
 * so from a request to its answer for the worker, and at all other times for the main thread.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { MessagePort } from 'node:worker_threads';
import type { FailureData } from '../../errors.ts';
import type { BackendName, TensorFlow } from '../backends/index.ts';
import type { BatchSettings, Share } from '../engine/shares.ts';
import type { LowRank, ModelConfig } from '../families/index.ts';
import { getKernels, type KernelVariant } from '../kernels/index.ts';
import type { EncodedRow } from '../tasks/classification/rows.ts';

/** A parameter whose numbers several threads can read. */
export interface SharedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numbers: Float32Array;
}

/** What a worker is started with. */
export interface Opening {
  readonly backend: BackendName;
  readonly kernels: KernelVariant | null;
  readonly config: ModelConfig;
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
  readonly lowRank: LowRank | undefined;
  /** All parameters of the network. */
  readonly parameters: readonly SharedTensor[];
  /** Where its gradients are to be put: one for each parameter that is trained. */
  readonly gradients: readonly SharedTensor[];
  /** Its answers go there; then their number is counted up in `answered`, for a main thread that waits. */
  readonly port: MessagePort;
  readonly answered: Int32Array;
}

/** What a worker computes. */
export type Task =
  | { readonly type: 'gradients'; readonly batch: readonly EncodedRow[]; readonly settings: BatchSettings & { readonly share: Share } }
  | { readonly type: 'logits'; readonly batches: readonly (readonly EncodedRow[])[] };

/** What it is asked for; `changed` are parameters that have new numbers since its last request. */
export interface Request {
  readonly changed: readonly string[];
  readonly task: Task;
}

export type Answer =
  | { readonly type: 'opened' }
  /** The gradients are in the shared memory, where there are some: a share may have no rows. */
  | { readonly type: 'gradients'; readonly lossSum: number; readonly hasRows: boolean }
  | { readonly type: 'logits'; readonly logits: number[][][] }
  | { readonly type: 'failed'; readonly failure: FailureData };

export function createShared(name: string, { shape, size }: Tensor): SharedTensor {
  return { name, shape, numbers: new Float32Array(new SharedArrayBuffer(4 * size)) };
}

/** Copies a tensor's numbers into shared memory. */
export function writeShared(tf: TensorFlow, tensor: Tensor, { numbers }: SharedTensor): void {
  numbers.set(viewNumbers(tf, tensor) ?? tensor.dataSync<'float32'>());
}

/** A new tensor with shared numbers. */
export function createTensor(tf: TensorFlow, { numbers, shape }: SharedTensor): Tensor {
  const kernels = getKernels(tf);
  if (kernels === null) return tf.keep(tf.tensor(numbers.slice(), [...shape])); // a backend may keep the array itself
  const tensor = tf.keep(kernels.create(shape));
  viewNumbers(tf, tensor)!.set(numbers);
  return tensor;
}

/** The sum of a gradient, which is taken over, and shared numbers. */
export function addShared(tf: TensorFlow, gradient: Tensor, { numbers }: SharedTensor): Tensor {
  const own = viewNumbers(tf, gradient);
  if (own === null) {
    const sum = tf.tidy(() => tf.keep(tf.add(gradient, tf.tensor(numbers.slice(), gradient.shape))));
    gradient.dispose();
    return sum;
  }
  for (let i = 0; i < own.length; i++) own[i]! += numbers[i]!;
  return gradient;
}

/** The numbers themselves, where the kernels can reach them: not to be kept. */
function viewNumbers(tf: TensorFlow, tensor: Tensor): Float32Array | null {
  const kernels = getKernels(tf);
  return kernels && kernels.view(kernels.find(tensor, tensor.shape), tensor.size);
}
