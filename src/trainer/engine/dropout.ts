import type { Tensor } from '@tensorflow/tfjs-core';
import { toStreamKey, toUint32 } from '../../lib/random.ts';
import type { TensorFlow } from '../backends/index.ts';

/** Dropout (Srivastava et al. 2014) at one place of one forward pass: `key` names its stream of random numbers. */
export interface Dropout {
  /** Share of the numbers that become zero, 0 to 1. */
  readonly rate: number;
  readonly key: number;
}

/** Gives the next place of a forward pass its dropout, or null where the rate is 0. */
export type NextDropout = (rate: number) => Dropout | null;

/** The dropout of one forward pass: places are counted in the order in which the model asks for them. */
export function createDropout({ seed, step, microBatch }: { seed: number; step: number; microBatch: number }): NextDropout {
  let place = 0;
  return (rate) => {
    const key = toStreamKey(seed, 'dropout', step, microBatch, place++);
    return rate === 0 ? null : { rate, key };
  };
}

/** 0 for a dropped number, 1 / (1 - rate) for any other. */
export function createDropoutMask(tf: TensorFlow, { rate, key }: Dropout, shape: number[]): Tensor {
  const mask = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const threshold = rate * 2 ** 32;
  const scale = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = toUint32(key, i) < threshold ? 0 : scale;
  return tf.tensor(mask, shape);
}
