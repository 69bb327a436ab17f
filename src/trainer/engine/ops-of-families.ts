import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { Batch } from './batches.ts';
import { createDefine } from './tape.ts';

type Pair = readonly [rows: number, columns: number];

/** Operations that only some families of models need: from tfjs's own kernels on every backend. Letters as in ops.ts. */
export interface FamilyOps {
  /** What stands for a bias or a table that a model does not have. */
  zeros<T extends Tensor>(shape: readonly number[]): T;
  /** [M, H] + [M, H], or one row [1, H] that is added to each */
  add(x: Tensor2D, y: Tensor2D): Tensor2D;
  /** Element by element. */
  multiply(x: Tensor2D, y: Tensor2D): Tensor2D;
  /** The block of `size` that begins at the row and the column of `begin` */
  slice(x: Tensor2D, begin: Pair, size: Pair): Tensor2D;
  /**
   * Rotary positions (Su et al. 2021): number j of a head's first half and the one of the second half are turned by `s * theta^(-2j/D)`
   * at position s. [M, H] -> [M, H]
   */
  rotate(x: Tensor2D, turns: { readonly positions: number; readonly heads: number; readonly theta: number }): Tensor2D;
  /** The mean of each text's positions but for padding: [M, H] -> [B, H] */
  meanToken(x: Tensor2D, batch: Pick<Batch, 'mask' | 'sizes'>): Tensor2D;
  /** The mask of an attention that sees no further than `window` positions: [B, 1, 1, S] -> [B, 1, Q, S], of the first Q queries */
  limitMask(mask: Tensor, window: { readonly queries: number; readonly window: number }): Tensor;
}

export function createFamilyOps(tf: TensorFlow): FamilyOps {
  const define = createDefine(tf);

  const add = define((_save, x: Tensor2D, y: Tensor2D) => ({
    value: tf.add<Tensor2D>(x, y),
    gradFunc: (dy) => [dy.clone(), y.shape[0] === x.shape[0] ? dy.clone() : tf.matMul(tf.ones([1, x.shape[0]]), dy)],
  }));

  const multiply = define((save, x: Tensor2D, y: Tensor2D) => {
    save([x, y]);
    return { value: tf.mul<Tensor2D>(x, y), gradFunc: (dy, [x, y]) => [tf.mul(dy, y!), tf.mul(dy, x!)] };
  });

  const slice: FamilyOps['slice'] = (x, [row, column], [rows, columns]) => {
    const [M, N] = x.shape;
    const around: [Pair, Pair] = [
      [row, M - row - rows],
      [column, N - column - columns],
    ];
    return define((_save, x: Tensor2D) => ({
      value: tf.slice(x, [row, column], [rows, columns]),
      gradFunc: (dy) => [tf.pad(dy as Tensor2D, around as [[number, number], [number, number]])],
    }))(x);
  };

  const rotate: FamilyOps['rotate'] = (x, { positions: S, heads: A, theta }) => {
    const [M, H] = x.shape;
    const D = H / A;
    const [cos, sin] = createTurns(tf, { S, A, D, theta });
    /** [M, H] -> the same with the halves of each head exchanged, the new first one negative */
    const exchange = (x: Tensor2D): Tensor => {
      const heads = tf.reshape(x, [M * A, D]);
      const [first, second] = [tf.slice(heads, [0, 0], [M * A, D / 2]), tf.slice(heads, [0, D / 2], [M * A, D / 2])];
      return tf.reshape(tf.concat([tf.neg(second), first], 1), [M / S, S, H]);
    };
    const turn = (x: Tensor2D, cos: Tensor, sin: Tensor): Tensor2D =>
      tf.reshape(tf.add(tf.mul(tf.reshape(x, [M / S, S, H]), cos), tf.mul(exchange(x), sin)), [M, H]);
    return define((save, x: Tensor2D) => {
      save([cos, sin]);
      return { value: turn(x, cos, sin), gradFunc: (dy, [cos, sin]) => [turn(dy as Tensor2D, cos!, tf.neg(sin!))] };
    })(x);
  };

  const meanToken: FamilyOps['meanToken'] = (x, { mask, sizes: { texts: B, positions: S } }) => {
    const H = x.shape[1];
    const read = tf.cast(tf.equal(tf.reshape(mask, [B, 1, S]), 0), 'float32');
    const shares = tf.div(read, tf.sum(read, -1, true)); // [B, 1, S]
    return define((save, x: Tensor2D) => {
      save([shares]);
      const means: Tensor2D = tf.reshape(tf.matMul(shares, tf.reshape(x, [B, S, H])), [B, H]);
      return {
        value: means,
        gradFunc: (dy, [shares]) => [tf.reshape(tf.matMul(tf.reshape(shares!, [B, S, 1]), tf.reshape(dy, [B, 1, H])), [B * S, H])],
      };
    })(x);
  };

  const limitMask: FamilyOps['limitMask'] = (mask, { queries: Q, window }) => {
    const S = mask.shape[3]!;
    if (S - 1 <= window) return mask;
    const far = Float32Array.from({ length: Q * S }, (_, i) => (Math.abs(Math.floor(i / S) - (i % S)) <= window ? 0 : -1e9));
    return tf.add(mask, tf.tensor(far, [1, 1, Q, S]));
  };

  const zeros: FamilyOps['zeros'] = <T extends Tensor>(shape: readonly number[]) => tf.zeros([...shape]) as T;

  return { zeros, add, multiply, slice, rotate, meanToken, limitMask };
}

/** Cosines and sines of the angles, [1, S, H], rounded to single precision at the steps at which PyTorch does it. */
function createTurns(tf: TensorFlow, { S, A, D, theta }: { S: number; A: number; D: number; theta: number }): [cos: Tensor, sin: Tensor] {
  const H = A * D;
  const frequencies = Array.from({ length: D / 2 }, (_, j) => Math.fround(1 / Math.fround(theta ** Math.fround((2 * j) / D))));
  const angles = Float32Array.from({ length: S * H }, (_, i) => Math.floor(i / H) * frequencies[((i % H) % D) % (D / 2)]!);
  return [tf.tensor(angles.map(Math.cos), [1, S, H]), tf.tensor(angles.map(Math.sin), [1, S, H])];
}
