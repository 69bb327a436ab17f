import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';

/** What the backend that computes is fast with: products in the layouts that gradients need, and the softmax of many tokens. */
export interface Parts {
  /** [M, K] [K, N] */
  plain(x: Tensor2D, w: Tensor2D): Tensor2D;
  /** [M, K] [N, K]ᵀ */
  withTransposed(x: Tensor2D, w: Tensor2D): Tensor2D;
  /** [M, K]ᵀ [M, N] */
  ofTransposed(x: Tensor2D, y: Tensor2D): Tensor2D;
  /** `log softmax(logits)` at a token a row: [M, V], int32 [M] -> [M] */
  pickLogSoftmax(logits: Tensor2D, tokens: Tensor1D): Tensor1D;
  /** Its gradient, `dy (1 at the token - softmax(logits))`, [M, V]. The logits are not used again. */
  toLogitGradient(logits: Tensor2D, picked: { readonly tokens: Tensor1D; readonly dy: Tensor1D }): Tensor2D;
}

/** The same from tfjs's own kernels. */
export function createPortableParts(tf: TensorFlow): Parts {
  return {
    plain: (x, w) => tf.matMul(x, w),
    withTransposed: (x, w) => tf.matMul(x, tf.transpose(w)),
    ofTransposed: (x, y) => tf.matMul(tf.transpose(x), y),
    pickLogSoftmax(logits, tokens) {
      const [M, V] = logits.shape;
      const places = tf.add(tf.mul(tf.range(0, M, 1, 'int32'), tf.scalar(V, 'int32')), tokens);
      return tf.gather(tf.reshape(tf.logSoftmax(logits), [M * V]), tf.cast(places, 'int32'));
    },
    toLogitGradient(logits, { tokens, dy }) {
      const [M, V] = logits.shape;
      const slopes = tf.reshape(dy, [M, 1]);
      const places = tf.stack([tf.range(0, M, 1, 'int32'), tokens], 1);
      return tf.add(tf.scatterND(tf.cast(places, 'int32'), dy, [M, V]), tf.mul(tf.softmax(logits), tf.neg(slopes)));
    },
  };
}
