/** What an optimizer is to the training loop and to checkpoints, and what all of them compute alike. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Backend } from '../backends/index.ts';
import type { Parameters } from './parameters.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const adamWDefaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** The moving averages of a parameter's gradient (m) and of its square (v), as many numbers as the parameter. */
export interface Moments {
  readonly m: Float32Array;
  readonly v: Float32Array;
}

export interface UpdateInput {
  /** Each that has a gradient gets a new tensor, and the old one is freed. */
  readonly parameters: Parameters;
  /** Taken over: freed as soon as they are not needed, so that they take no memory beside the new parameters where that can be. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  readonly learningRate: number;
  /** Gradients are scaled down to this Euclidean norm; 0 leaves them as they are. */
  readonly maxGradNorm: number;
  /** What the learning rate of a parameter is multiplied with; absent: 1. */
  readonly getRateFactor?: RateFactor | undefined;
}

export type RateFactor = (name: string) => number;

export interface Update {
  /** Euclidean norm of all gradients together, before clipping. */
  readonly gradNorm: number;
  /** Whether the norm and every new number is finite; no parameter is changed where not. */
  readonly isFinite: boolean;
}

export interface AdamW {
  /** Where it works: see `Backend`. */
  readonly memory: Backend['memory'];
  /** Updates done so far. */
  step: number;
  /** Clips the gradients and takes one step. A tensor is never changed in place: backends may keep packed copies of weights. */
  update(input: UpdateInput): Update;
  /** The moments by the name of their parameter. They may be the optimizer's own: to be read before the next update. */
  readMoments(): ReadonlyMap<string, Moments>;
  setMoments(moments: ReadonlyMap<string, Moments>): void;
}

/** The numbers of one update of a parameter. */
export interface Coefficients {
  /** What weight decay leaves of a parameter. */
  readonly remaining: number;
  readonly rate: number;
  readonly correction: number;
}

/** Those of each parameter by its name. Both averages begin at zero: `rate` and `correction` undo that. `step` is counted from 1. */
export function createCoefficients(
  { beta1, beta2, weightDecay }: AdamWSettings,
  step: number,
  { learningRate, getRateFactor }: Pick<UpdateInput, 'learningRate' | 'getRateFactor'>,
): (name: string) => Coefficients {
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  return (name) => {
    const own = learningRate * (getRateFactor?.(name) ?? 1);
    return { remaining: hasDecay(name) ? 1 - own * weightDecay : 1, rate: own / (1 - beta1 ** step), correction };
  };
}

/**
 * Lower layers learn with smaller rates: the head with the whole rate, the last layer with `decay` of it, and so on down to the tables of
 * vectors, as in BEiT (Bao et al. 2021). A layer's parameters have `.layer.N.` or `.layers.N.` in their names, tables `embeddings`.
 */
export function createLayerDecay(decay: number | undefined, layers: number): RateFactor | undefined {
  if (decay === undefined || decay === 1) return undefined;
  return (name) => {
    const layer = /\.layers?\.(\d+)\./.exec(name)?.[1];
    const below = layer !== undefined ? layers - Number(layer) : name.includes('embeddings') ? layers + 1 : 0;
    return decay ** below;
  };
}

/** Biases and the weights of norms are left without decay; the names are those that transformers' Trainer goes by. */
export function hasDecay(name: string): boolean {
  return !/bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)|\.ln_\w+\./i.test(name);
}

/** The factor that brings the norm of gradients to at most `maxNorm`, as PyTorch's clip_grad_norm_ has it; 1 where that is 0. */
export function getClipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}
