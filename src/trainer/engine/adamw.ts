/**
 * AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), computed as PyTorch does.
 *
 * The arithmetic runs on plain arrays in double precision, rounded to float32 once for each number: one pass, where tensor kernels
 * would need a dozen, and the same on every backend. State is kept by parameter name.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { Parameters } from './parameters.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const adamWDefaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** The moving averages of a parameter's gradient (m) and of its square (v), as many numbers as the parameter. */
interface Moments {
  readonly m: Float32Array;
  readonly v: Float32Array;
}

export interface AdamW {
  readonly settings: AdamWSettings;
  /** Updates done so far. */
  step: number;
  readonly moments: Map<string, Moments>;
}

export function createAdamW(settings: AdamWSettings): AdamW {
  return { settings, step: 0, moments: new Map() };
}

/** Biases and the weights of norms are left without decay. */
export function hasDecay(name: string): boolean {
  return !name.endsWith('bias') && !name.includes('LayerNorm');
}

/** Euclidean norm of all gradients together. */
export function computeGradientNorm(gradients: ReadonlyMap<string, Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients.values()) for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/** The factor that brings the norm of gradients to at most `maxNorm`, as PyTorch's clip_grad_norm_ has it. */
export function getClipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/**
 * One update of every parameter that has a gradient. Each gets a new tensor, the old one is freed; a tensor is never changed in
 * place, because the WASM backend keeps packed copies of weights.
 *
 * Returns false, and changes no parameter, when a result would not be finite.
 */
export function updateParameters(
  tf: TensorFlow,
  optimizer: AdamW,
  {
    parameters,
    gradients,
    learningRate,
    factor,
  }: { parameters: Parameters; gradients: ReadonlyMap<string, Float32Array>; learningRate: number; factor: number },
): boolean {
  optimizer.step++;
  const updated: [string, Tensor, Float32Array][] = [];
  for (const [name, gradient] of gradients) {
    const parameter = parameters.get(name)!;
    const after = computeUpdate(optimizer, name, { before: parameter.dataSync<'float32'>(), gradient, learningRate, factor });
    if (!after) return false;
    updated.push([name, parameter, after]);
  }
  for (const [name, parameter, after] of updated) {
    parameters.set(name, tf.keep(tf.tensor(after, parameter.shape)));
    parameter.dispose();
  }
  return true;
}

function computeUpdate(
  { settings, step, moments }: AdamW,
  name: string,
  { before, gradient, learningRate, factor }: { before: Float32Array; gradient: Float32Array; learningRate: number; factor: number },
): Float32Array | null {
  const { beta1, beta2, epsilon, weightDecay } = settings;
  const { m, v } = moments.get(name) ?? { m: new Float32Array(before.length), v: new Float32Array(before.length) };
  moments.set(name, { m, v });
  const remaining = hasDecay(name) ? 1 - learningRate * weightDecay : 1;
  const rate = learningRate / (1 - beta1 ** step); // both averages begin at zero: the corrections undo that
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const after = new Float32Array(before.length);
  let finite = 0; // becomes NaN with the first number that is not finite
  for (let i = 0; i < after.length; i++) {
    const g = factor * gradient[i]!;
    const mean = (m[i] = beta1 * m[i]! + (1 - beta1) * g);
    const square = (v[i] = beta2 * v[i]! + (1 - beta2) * g * g);
    after[i] = remaining * before[i]! - (rate * mean) / (Math.sqrt(square) * correction + epsilon);
    finite += 0 * after[i]!;
  }
  return Number.isNaN(finite) ? null : after;
}
