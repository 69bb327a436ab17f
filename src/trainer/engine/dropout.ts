import type { Tensor } from '@tensorflow/tfjs-core';
import { skipNumbers, toStreamKey, toUint32 } from '../../lib/random.ts';
import type { TensorFlow } from '../backends/index.ts';

/** Dropout (Srivastava et al. 2014) at one place of one forward pass: `key` names its stream of random numbers. */
export interface Dropout {
  /** Share of the numbers that become zero, 0 to 1. */
  readonly rate: number;
  readonly key: number;
  /** Where the rows stand in their micro-batch; absent: they are all of it. */
  readonly part?: Part | undefined;
}

/** The rows of a micro-batch that are computed here, where other threads compute the others. */
export interface Part {
  /** Rows of the micro-batch before these. */
  readonly firstRow: number;
  /** How many these are. */
  readonly rows: number;
  /** Positions that each row of the micro-batch is padded to. */
  readonly positions: number;
}

/** Gives the next place of a forward pass its dropout, or null where the rate is 0. */
export interface NextDropout {
  (rate: number): Dropout | null;
  readonly part?: Part | undefined;
}

/** The dropout of one forward pass: places are counted in the order in which the model asks for them. */
export function createDropout({
  seed,
  step,
  microBatch,
  part,
}: {
  seed: number;
  step: number;
  microBatch: number;
  part?: Part | undefined;
}): NextDropout {
  let place = 0;
  const next = (rate: number): Dropout | null => {
    const key = toStreamKey(seed, 'dropout', step, microBatch, place++);
    return rate === 0 ? null : { rate, key, part };
  };
  return Object.assign(next, { part });
}

/**
 * The key for `size` numbers of the part's rows: random numbers are counted over all rows of the micro-batch, so that it makes no
 * difference how many threads share it.
 */
export function getPartKey({ key, part }: Pick<Dropout, 'key' | 'part'>, size: number): number {
  return part === undefined ? key : skipNumbers(key, (size / part.rows) * part.firstRow);
}

/** 0 for a dropped number, 1 / (1 - rate) for any other. */
export function createDropoutMask(tf: TensorFlow, dropout: Dropout, shape: number[]): Tensor {
  const mask = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const [{ rate }, key] = [dropout, getPartKey(dropout, mask.length)];
  const threshold = rate * 2 ** 32;
  const scale = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = toUint32(key, i) < threshold ? 0 : scale;
  return tf.tensor(mask, shape);
}
