import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import { createDropoutMask, type Dropout } from './dropout.ts';
import { createDefine } from './tape.ts';

interface AttentionSizes {
  /** Texts. */
  readonly batch: number;
  /** Keys and values a text. */
  readonly keys: number;
  /** Queries a text: as many as keys, or 1. */
  readonly queries: number;
  readonly heads: number;
}

export type Attention = (
  q: Tensor2D, // [B*Q, H]
  k: Tensor2D, // [B*S, H]
  v: Tensor2D, // [B*S, H]
  context: { readonly mask: Tensor; readonly sizes: AttentionSizes; readonly dropout: Dropout | null }, // mask [B, 1, 1, S], or [B, 1, Q, S] where queries see different keys: 0, or -1e9 at padding
) => Tensor2D; // [B*Q, H]

/**
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1): `P = softmax(q kᵀ / √D + mask)`, `y = dropout(P) v`.
 *
 * Transposes are explicit and of small tensors: products with a transpose flag are twenty times slower in WebAssembly, and so every
 * product below has its operands in order, the gradients of k and v as transposes of what is wanted.
 */
export function createAttention(tf: TensorFlow): Attention {
  const define = createDefine(tf);
  return (q, k, v, { mask, sizes: { batch: B, keys: S, queries: Q, heads: A }, dropout }) => {
    const D = q.shape[1] / A;
    const scale = 1 / Math.sqrt(D);
    /** [B*n, H] -> [B, A, n, D] */
    const split = (x: Tensor, n: number): Tensor => tf.transpose(tf.reshape(x, [B, n, A, D]), [0, 2, 1, 3]);
    /** [B*n, H] -> [B, A, D, n] */
    const splitTransposed = (x: Tensor, n: number): Tensor => tf.transpose(tf.reshape(x, [B, n, A, D]), [0, 2, 3, 1]);
    /** [B, A, n, D] -> [B*n, H] */
    const join = (x: Tensor, n: number): Tensor2D => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B * n, A * D]);
    /** [B, A, D, n] -> [B*n, H] */
    const joinTransposed = (x: Tensor, n: number): Tensor2D => tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [B * n, A * D]);

    const attend = define((save, q: Tensor2D, k: Tensor2D, v: Tensor2D) => {
      const scores = tf.add(tf.mul(tf.matMul(split(q, Q), splitTransposed(k, S)), scale), mask); // [B, A, Q, S]
      const P = tf.softmax(scores);
      const M = dropout && createDropoutMask(tf, dropout, P.shape);
      const dropped = M ? tf.mul(P, M) : P;
      save(M ? [q, k, v, P, dropped, M] : [q, k, v, P]);
      const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] => {
        const [q, k, v, P] = saved as [Tensor, Tensor, Tensor, Tensor];
        const [dropped, M] = [saved[4] ?? P, saved[5]];
        const dDropped = tf.matMul(split(dy, Q), splitTransposed(v, S)); // [B, A, Q, S]
        const dP = M ? tf.mul(dDropped, M) : dDropped;
        const dScores = tf.mul(tf.mul(P, tf.sub(dP, tf.sum(tf.mul(dP, P), -1, true))), scale);
        return [
          join(tf.matMul(dScores, split(k, S)), Q),
          joinTransposed(tf.matMul(splitTransposed(q, Q), dScores), S),
          joinTransposed(tf.matMul(splitTransposed(dy, Q), dropped), S),
        ];
      };
      return { value: join(tf.matMul(dropped, split(v, S)), Q), gradFunc };
    });
    return attend(q, k, v);
  };
}
