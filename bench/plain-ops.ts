import type { Rank, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../src/trainer/backends/index.ts';
import { createPortableOps, type Dropout, type Ops } from '../src/trainer/engine/ops.ts';

/**
 * The trainer's operations written as anyone would with tfjs: from its public functions, differentiated by its own gradients. One
 * exception: looking up words has the trainer's gradient, because tfjs's asks for a kernel that its WASM backend does not have.
 */
export function createPlainOps(tf: TensorFlow): Ops {
  const lookUp = (word: Tensor2D, ids: Tensor1D): Tensor2D =>
    tf.customGrad<Tensor2D>((...args) => {
      const [word, save] = args as unknown as [Tensor2D, (saved: Tensor[]) => void];
      save([ids]);
      const gradFunc = (dy: Tensor, [ids]: Tensor[]): Tensor => tf.scatterND(tf.reshape(ids!, [-1, 1]), dy, word.shape);
      return { value: tf.gather(word, ids), gradFunc };
    })(word);
  const softmaxOf = (scores: Tensor, dropout: Dropout | null): Tensor => {
    const P = tf.softmax(scores);
    return dropout ? tf.dropout(P, dropout.rate, undefined, dropout.key) : P;
  };
  return {
    ...createPortableOps(tf), // BERT needs none of the others
    takesCompact: false,
    linear: (x, w, b) => tf.add(tf.matMul(x, w), b),
    linearOfFrozen: (x, w, b) => tf.add(tf.matMul(x, w), b),
    addLowRank: (y, x, { a, b, scale }) => tf.add(y, tf.mul(tf.matMul(tf.matMul(x, a), b), scale)),
    embed(word, position, type, { ids, sizes, createPlaces }) {
      const used = Math.min(sizes.positions, position.shape[0]);
      const table = tf.concat([tf.slice(position, [0, 0], [used, position.shape[1]]), ...(type ? [type] : [])], 0);
      return tf.add(lookUp(word, ids), tf.matMul(createPlaces(), table));
    },
    layerNorm(x, residual, { weight, bias, epsilon }) {
      const sum = residual ? tf.add<Tensor2D>(x, residual) : x;
      const { mean, variance } = tf.moments(sum, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(sum, mean), tf.rsqrt(tf.add(variance, epsilon))), weight), bias);
    },
    attention(q, k, v, { mask, sizes: { batch: B, keys: S, queries: Q, heads: A }, dropout }) {
      const D = q.shape[1] / A;
      const split = (x: Tensor, n: number): Tensor => tf.transpose(tf.reshape(x, [B, n, A, D]), [0, 2, 1, 3]);
      const scores = tf.add(tf.mul(tf.matMul(split(q, Q), split(k, S), false, true), 1 / Math.sqrt(D)), mask);
      const attended = tf.matMul(softmaxOf(scores, dropout), split(v, S));
      return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [B * Q, A * D]);
    },
    gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
    tanh: (x) => tf.tanh(x),
    relu: (x) => tf.relu(x),
    dropout: (x, dropout) => (dropout ? (tf.dropout(x, dropout.rate, undefined, dropout.key) as Tensor2D) : x),
    firstToken(x, texts) {
      const [M, H] = x.shape;
      return tf.slice(tf.reshape<Rank.R2>(x, [texts, (M / texts) * H]), [0, 0], [texts, H]);
    },
    crossEntropy: (logits, labels) => ({ sum: tf.neg(tf.sum(tf.mul(labels, tf.logSoftmax(logits)))), count: logits.shape[0] }),
    binaryCrossEntropy: (logits, targets, weights) => {
      const losses = tf.sub(tf.softplus(logits), tf.mul(logits, targets));
      return tf.div(tf.sum(weights ? tf.mul(losses, weights) : losses), logits.shape[1]);
    },
    squaredError: (values, targets) => tf.sum(tf.square(tf.sub(values, targets))),
  };
}
