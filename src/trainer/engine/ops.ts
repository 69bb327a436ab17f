/**
 * The operations that the models are made of, each with its own gradient: `@tensorflow/tfjs-core` registers none in Node, and one
 * entry of the tape for a whole operation costs less than one for each kernel.
 *
 * Letters: B texts, S positions a text (padded), M = B * S rows, H numbers a position, K and N inputs and outputs of a linear map,
 * V words, C classes; in attention Q queries and S keys a text, A heads of D numbers, H = A * D. Activations are [M, H]; weights of
 * linear maps are [in, out].
 *
 * A gradient may use only what was given to `save`: everything else of the forward pass is freed when it ends.
 */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import { getKernels } from '../kernels/index.ts';
import { createAttention, type Attention } from './attention.ts';
import type { Batch } from './batches.ts';
import { createDropoutMask, type Dropout } from './dropout.ts';
import { createFamilyOps, type FamilyOps } from './ops-of-families.ts';
import { createPortableParts } from './language-parts.ts';
import { createLanguageOps, type LanguageOps } from './ops-of-language.ts';
import { createKernelOps } from './ops-on-kernels.ts';
import { createDefine, type Save } from './tape.ts';

export { createDropout, type Dropout, type NextDropout } from './dropout.ts';

export interface Ops extends FamilyOps, LanguageOps {
  /** Whether rows may be without padding: then M is the number of tokens, and Q is 1 or as many as a text's tokens. */
  readonly takesCompact: boolean;
  /** `y = x w + b`: x [M, K], w [K, N], b [N] -> [M, N] */
  linear(x: Tensor2D, w: Tensor2D, b: Tensor1D): Tensor2D;
  /** The same with a weight and a bias that are not trained: only `x` has a gradient. */
  linearOfFrozen(x: Tensor2D, w: Tensor2D, b: Tensor1D): Tensor2D;
  /** `y + scale * x A B`, the low-rank change of a linear map: y [M, N], x [M, K], a [K, R], b [R, N] -> [M, N] */
  addLowRank(y: Tensor2D, x: Tensor2D, change: { readonly a: Tensor2D; readonly b: Tensor2D; readonly scale: number }): Tensor2D;
  /** Word + position + type vectors of each position: tables [V, H], [P, H], [T, H] -> [M, H]; null where the model knows no types */
  embed(word: Tensor2D, position: Tensor2D, type: Tensor2D | null, batch: Batch): Tensor2D;
  /** `(x + residual - mean) / √(variance + epsilon) * weight + bias` over each row (Ba et al. 2016): [M, H] -> [M, H] */
  layerNorm(x: Tensor2D, residual: Tensor2D | null, scale: { weight: Tensor1D; bias: Tensor1D; epsilon: number }): Tensor2D;
  /** [B*Q, H], [B*S, H], [B*S, H] -> [B*Q, H] */
  attention: Attention;
  /** `x Φ(x)` with the error function (Hendrycks and Gimpel 2016), element by element */
  gelu(x: Tensor2D): Tensor2D;
  /** Element by element. */
  tanh(x: Tensor2D): Tensor2D;
  /** `max(x, 0)`, element by element */
  relu(x: Tensor2D): Tensor2D;
  /** Element by element; nothing happens where `dropout` is null. */
  dropout(x: Tensor2D, dropout: Dropout | null): Tensor2D;
  /** The first position of each text: [B*S, H] -> [B, H] */
  firstToken(x: Tensor2D, texts: number): Tensor2D;
  /**
   * Sum of `-targets log softmax(logits)` over the rows and classes: [B, C], [B, C] -> a scalar, and the number of rows. A row's targets are 1 for
   * its label, where labels are neither smoothed nor weighted.
   */
  crossEntropy(logits: Tensor2D, targets: Tensor2D): { readonly sum: Tensor; readonly count: number };
  /**
   * Sum over the rows of the mean of `log(1 + exp(x)) - t x` over the labels, for logits x and targets t of 0 and 1: [B, C], [B, C] -> a scalar.
   * The mean over the rows is that of PyTorch's BCEWithLogitsLoss; `weights` [B, C] multiply each number's loss, where they are not null.
   */
  binaryCrossEntropy(logits: Tensor2D, targets: Tensor2D, weights: Tensor2D | null): Tensor;
  /** Sum of the squared differences: [B, 1], [B, 1] -> a scalar */
  squaredError(values: Tensor2D, targets: Tensor2D): Tensor;
}

/** The operations on the backend that computes: on kernels of our own where it has some. */
export function createOps(tf: TensorFlow): Ops {
  const [portable, kernels] = [createPortableOps(tf), getKernels(tf)];
  return kernels ? createKernelOps(tf, kernels, portable) : portable;
}

/** The operations from tfjs's own kernels, for any backend. */
export function createPortableOps(tf: TensorFlow): Ops {
  const define = createDefine(tf);

  /** Sum over the rows, [M, N] -> [N]. As a product with ones: a sum over the outer axis would transpose first. */
  const sumRows = (x: Tensor): Tensor => tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x), [x.shape[1]!]);

  const linear = define((save, x: Tensor2D, w: Tensor2D, b: Tensor1D) => {
    save([x, w]);
    return {
      value: tf.fused.matMul({ a: x, b: w, bias: b }) as Tensor2D,
      gradFunc: (dy, [x, w]) => [tf.matMul(dy, tf.transpose(w!)), tf.matMul(tf.transpose(x!), dy), sumRows(dy)],
    };
  });

  const linearOfFrozen: Ops['linearOfFrozen'] = (x, w, b) =>
    define((save, x: Tensor2D) => {
      save([w]);
      return { value: tf.fused.matMul({ a: x, b: w, bias: b }) as Tensor2D, gradFunc: (dy, [w]) => [tf.matMul(dy, tf.transpose(w!))] };
    })(x);

  const addLowRank: Ops['addLowRank'] = (y, x, { a, b, scale }) => {
    const add = define((save, y: Tensor2D, x: Tensor2D, a: Tensor2D, b: Tensor2D) => {
      const h = tf.matMul(x, a); // [M, R]
      save([x, a, b, h]);
      return {
        value: tf.add<Tensor2D>(y, tf.mul(tf.matMul(h, b), scale)),
        gradFunc: (dy, [x, a, b, h]) => {
          const scaled = tf.mul(dy, scale);
          const dh = tf.matMul(scaled, tf.transpose(b!));
          return [dy.clone(), tf.matMul(dh, tf.transpose(a!)), tf.matMul(tf.transpose(x!), dh), tf.matMul(tf.transpose(h!), scaled)];
        },
      };
    });
    return add(y, x, a, b);
  };

  const embed: Ops['embed'] = (word, position, type, { ids, createPlaces, sizes: { positions: S } }) => {
    const lookup = define((save, word: Tensor2D, position: Tensor2D, ...types: Tensor2D[]) => {
      const places = createPlaces();
      save([ids, places]);
      const H = word.shape[1];
      const used = Math.min(S, position.shape[0]);
      const table = tf.concat([tf.slice(position, [0, 0], [used, H]), ...types], 0); // [S + T, H]
      return {
        value: tf.add<Tensor2D>(tf.gather(word, ids), tf.matMul(places, table)),
        gradFunc: (dy, [ids, places]) => {
          const dTable = tf.matMul(tf.transpose(places!), dy); // [S + T, H]
          return [
            tf.scatterND(tf.reshape(ids!, [-1, 1]), dy, word.shape),
            tf.pad(tf.slice(dTable, [0, 0], [used, H]), [
              [0, position.shape[0] - used],
              [0, 0],
            ]),
            ...types.map(({ shape }) => tf.slice(dTable, [used, 0], shape)),
          ];
        },
      };
    });
    return type ? lookup(word, position, type) : lookup(word, position);
  };

  const normalize = (x: Tensor, weight: Tensor, bias: Tensor, { epsilon, save }: { epsilon: number; save: Save }): Tensor2D => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)); // [M, 1]
    const normal = tf.mul(centred, inverse);
    save([normal, inverse, weight]);
    return tf.add(tf.mul(normal, weight), bias);
  };
  const normalizeGradient = (dy: Tensor, [normal, inverse, weight]: Tensor[]): [Tensor, Tensor, Tensor] => {
    const dNormal = tf.mul(dy, weight!);
    const along = tf.mul(normal!, tf.mean(tf.mul(dNormal, normal!), -1, true));
    const dx = tf.mul(inverse!, tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), along));
    return [dx, sumRows(tf.mul(dy, normal!)), sumRows(dy)];
  };
  const layerNorm: Ops['layerNorm'] = (x, residual, { weight, bias, epsilon }) => {
    const alone = define((save, x: Tensor2D, weight: Tensor1D, bias: Tensor1D) => ({
      value: normalize(x, weight, bias, { epsilon, save }),
      gradFunc: normalizeGradient,
    }));
    const withResidual = define((save, x: Tensor2D, residual: Tensor2D, weight: Tensor1D, bias: Tensor1D) => ({
      value: normalize(tf.add(x, residual), weight, bias, { epsilon, save }),
      gradFunc: (dy, saved) => {
        const [dx, dWeight, dBias] = normalizeGradient(dy, saved);
        return [dx, dx.clone(), dWeight, dBias]; // a tensor of its own for each input: the tape frees them one by one
      },
    }));
    return residual ? withResidual(x, residual, weight, bias) : alone(x, weight, bias);
  };

  const gelu = define((save, x: Tensor2D) => {
    const below = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5); // Φ(x)
    save([x, below]);
    return {
      value: tf.mul<Tensor2D>(x, below),
      gradFunc: (dy, [x, below]) => {
        const density = tf.mul(tf.exp(tf.mul(tf.square(x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return [tf.mul(dy, tf.add(below!, tf.mul(x!, density)))];
      },
    };
  });

  const tanh = define((save, x: Tensor2D) => {
    const y = tf.tanh<Tensor2D>(x);
    save([y]);
    return { value: y, gradFunc: (dy, [y]) => [tf.mul(dy, tf.sub(1, tf.square(y!)))] };
  });

  const relu = define((save, x: Tensor2D) => {
    const y = tf.relu<Tensor2D>(x);
    save([y]);
    return { value: y, gradFunc: (dy, [y]) => [tf.mul(dy, tf.step(y!))] };
  });

  const dropout: Ops['dropout'] = (x, dropout) => {
    if (!dropout) return x;
    const drop = define((save, x: Tensor2D) => {
      const mask = createDropoutMask(tf, dropout, x.shape);
      save([mask]);
      return { value: tf.mul<Tensor2D>(x, mask), gradFunc: (dy, [mask]) => [tf.mul(dy, mask!)] };
    });
    return drop(x);
  };

  const firstToken: Ops['firstToken'] = (x, texts) => {
    const [M, H] = x.shape;
    const S = M / texts;
    const first = define((_save, x: Tensor2D) => ({
      value: tf.slice(tf.reshape(x, [texts, S * H]), [0, 0], [texts, H]) as Tensor2D,
      gradFunc: (dy) => [
        tf.reshape(
          tf.pad(dy as Tensor2D, [
            [0, 0],
            [0, (S - 1) * H],
          ]),
          [M, H],
        ),
      ],
    }));
    return first(x);
  };

  const crossEntropy: Ops['crossEntropy'] = (logits, targets) => {
    const sum = define((save, logits: Tensor2D) => {
      const logProbabilities = tf.logSoftmax(logits);
      save([logProbabilities, targets]);
      return {
        value: tf.neg(tf.sum(tf.mul(targets, logProbabilities))),
        gradFunc: (dy, [logProbabilities, targets]) => {
          const mass = tf.sum(targets!, -1, true); // [B, 1]
          return [tf.mul(tf.sub(tf.mul(tf.exp(logProbabilities!), mass), targets!), dy)];
        },
      };
    });
    return { sum: sum(logits), count: logits.shape[0] };
  };

  const binaryCrossEntropy: Ops['binaryCrossEntropy'] = (logits, targets, weights) =>
    define((save, logits: Tensor2D) => {
      const classes = logits.shape[1];
      const weigh = (x: Tensor): Tensor => (weights ? tf.mul(x, weights) : x);
      const beyond = tf.log1p(tf.exp(tf.neg(tf.abs(logits)))); // log(1 + exp(x)) is max(x, 0) and this: nothing overflows
      const losses = tf.sub(tf.add(tf.relu(logits), beyond), tf.mul(logits, targets));
      save([tf.div(weigh(tf.sub(tf.sigmoid(logits), targets)), classes)]);
      return { value: tf.div(tf.sum(weigh(losses)), classes), gradFunc: (dy, [slope]) => tf.mul(slope!, dy) };
    })(logits);

  const squaredError: Ops['squaredError'] = (values, targets) =>
    define((save, values: Tensor2D) => {
      const difference = tf.sub(values, targets);
      save([difference]);
      return { value: tf.sum(tf.square(difference)), gradFunc: (dy, [difference]) => [tf.mul(tf.mul(difference!, 2), dy)] };
    })(values);

  const attention = createAttention(tf);
  return {
    ...createFamilyOps(tf),
    ...createLanguageOps(tf, createPortableParts(tf), attention),
    takesCompact: false,
    linear,
    linearOfFrozen,
    addLowRank,
    embed,
    layerNorm,
    attention,
    gelu,
    tanh,
    relu,
    dropout,
    firstToken,
    crossEntropy,
    binaryCrossEntropy,
    squaredError,
  };
}
