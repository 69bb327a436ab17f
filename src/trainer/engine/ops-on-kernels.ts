import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { KernelMemory } from '../kernels/index.ts';
import type { Ops } from './ops.ts';
import * as kernels from '../kernels/calls.ts';
import { toKernelDropout } from '../kernels/calls.ts';
import { createDefine, type Save } from './tape.ts';

/**
 * The engine's operations on the kernels: the same shapes, formulas and dropout bits as the portable ones, which stay for what happens
 * once a text. A gradient may use only what was given to `save`.
 */
export function createKernelOps(tf: TensorFlow, memory: KernelMemory, portable: Ops): Ops {
  const define = createDefine(tf);

  const linear = define((save, x: Tensor2D, w: Tensor2D, b: Tensor1D) => {
    save([x, w]);
    return {
      value: kernels.linear(memory, x, { w, b }),
      gradFunc: (dy, [x, w]) => kernels.linearGradient(memory, dy, { x: x!, w: w! }),
    };
  });

  const linearOfFrozen: Ops['linearOfFrozen'] = (x, w, b) =>
    define((save, x: Tensor2D) => {
      save([w]);
      return { value: kernels.linear(memory, x, { w, b }), gradFunc: (dy, [w]) => kernels.linearInputGradient(memory, dy, w!) };
    })(x);

  const addLowRank: Ops['addLowRank'] = (y, x, { a, b, scale }) =>
    define((save, y: Tensor2D, x: Tensor2D, a: Tensor2D, b: Tensor2D) => {
      const h = kernels.linear(memory, x, { w: a, b: null }); // [M, R]
      save([x, a, b, h]);
      return {
        value: tf.add<Tensor2D>(y, tf.mul(kernels.linear(memory, h, { w: b, b: null }), scale)),
        gradFunc: (dy, [x, a, b, h]) => {
          const [dh, db] = kernels.linearGradient(memory, tf.mul(dy, scale), { x: h!, w: b! });
          const [dx, da] = kernels.linearGradient(memory, dh!, { x: x!, w: a! });
          return [dy.clone(), dx!, da!, db!];
        },
      };
    })(y, x, a, b);

  const layerNorm: Ops['layerNorm'] = (x, residual, { weight, bias, epsilon }) => {
    const normalize = (save: Save, x: Tensor2D, residual: Tensor2D | null, scale: { weight: Tensor1D; bias: Tensor1D }): Tensor2D => {
      const { y, normal, inverse } = kernels.layerNorm(memory, { x, residual }, { ...scale, epsilon });
      save([normal, inverse, scale.weight]);
      return y;
    };
    const toGradients = (dy: Tensor, [normal, inverse, weight]: Tensor[]): [Tensor, Tensor, Tensor] =>
      kernels.layerNormGradient(memory, dy, { normal: normal!, inverse: inverse!, weight: weight! });
    if (!residual)
      return define((save, x: Tensor2D, weight: Tensor1D, bias: Tensor1D) => ({
        value: normalize(save, x, null, { weight, bias }),
        gradFunc: toGradients,
      }))(x, weight, bias);
    return define((save, x: Tensor2D, residual: Tensor2D, weight: Tensor1D, bias: Tensor1D) => ({
      value: normalize(save, x, residual, { weight, bias }),
      gradFunc: (dy, saved) => {
        const [dx, dWeight, dBias] = toGradients(dy, saved);
        return [dx, dx.clone(), dWeight, dBias]; // a tensor of its own for each input: the tape frees them one by one
      },
    }))(x, residual, weight, bias);
  };

  const attention: Ops['attention'] = (q, k, v, { mask, sizes, dropout }) => {
    const context = { sizes, dropout: toKernelDropout(dropout) };
    return define((save, q: Tensor2D, k: Tensor2D, v: Tensor2D) => {
      const { y, P } = kernels.attention(memory, { q, k, v, mask }, context);
      save([q, k, v, P]);
      return {
        value: y,
        gradFunc: (dy, [q, k, v, P]) => kernels.attentionGradient(memory, { q: q!, k: k!, v: v!, P: P!, dy }, context),
      };
    })(q, k, v);
  };

  const embed: Ops['embed'] = (word, position, type, { ids, typeIds, sizes: { positions } }) => {
    const lookup = define((save, word: Tensor2D, position: Tensor2D, ...types: Tensor2D[]) => {
      save([word, position, ids, typeIds, ...types]);
      return {
        value: kernels.embed(memory, { word, position, type: types[0] ?? null }, { ids, typeIds, positions }),
        gradFunc: (dy, saved) => {
          const [word, position, ids, typeIds, type] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor?];
          return kernels.embedGradient(memory, { dy, word, position, type: type ?? null }, { ids, typeIds, positions });
        },
      };
    });
    return type ? lookup(word, position, type) : lookup(word, position);
  };

  const gelu = define((save, x: Tensor2D) => {
    save([x]);
    return { value: kernels.gelu(memory, x), gradFunc: (dy, [x]) => kernels.geluGradient(memory, { x: x!, dy }) };
  });

  const dropout: Ops['dropout'] = (x, dropout) => {
    if (!dropout) return x;
    const settings = toKernelDropout(dropout);
    return define((_save, x: Tensor2D) => ({
      value: kernels.dropout(memory, x, settings),
      gradFunc: (dy) => kernels.dropout(memory, dy, settings),
    }))(x);
  };

  return { ...portable, linear, linearOfFrozen, addLowRank, layerNorm, attention, embed, gelu, dropout };
}
