import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { KernelMemory } from '../kernels/index.ts';
import { getPartKey, type Dropout } from './dropout.ts';
import type { Ops } from './ops.ts';
import { createLanguageKernelOps } from './language-ops-on-kernels.ts';
import * as kernels from '../kernels/calls.ts';
import { toKernelDropout, type CompactRows } from '../kernels/calls.ts';
import { createDefine, type Save } from './tape.ts';

/** The dropout of `size` numbers of the rows that are computed here. */
function toDropout(dropout: Dropout | null, size: number): ReturnType<typeof toKernelDropout> {
  return toKernelDropout(dropout && { rate: dropout.rate, key: getPartKey(dropout, size) });
}

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

  /** The texts that were embedded last, where they are without padding: what has as many rows as they have tokens is of their tokens. */
  let compact: CompactRows | null = null;
  const findCompact = (x: Tensor): CompactRows | null => (compact && x.shape[0] === compact.places.shape[0] ? compact : null);

  const attention: Ops['attention'] = (q, k, v, { mask, sizes, dropout }) => {
    if (mask.shape[2] !== 1) return portable.attention(q, k, v, { mask, sizes, dropout }); // the kernel has one mask for all queries
    const compact = findCompact(k);
    const { batch, heads, queries, keys } = sizes;
    const context = { sizes, dropout: toDropout(dropout, batch * heads * queries * keys), mask: compact ? null : mask, compact };
    return define((save, q: Tensor2D, k: Tensor2D, v: Tensor2D) => {
      const { y, P } = kernels.attention(memory, { q, k, v }, context);
      save([q, k, v, P, ...(compact ? [compact.starts] : [])]);
      return {
        value: y,
        gradFunc: (dy, [q, k, v, P, starts]) => {
          const savedContext = { ...context, compact: compact && { ...compact, starts: starts as Tensor1D } };
          return kernels.attentionGradient(memory, { q: q!, k: k!, v: v!, P: P!, dy }, savedContext);
        },
      };
    })(q, k, v);
  };

  const embed: Ops['embed'] = (word, position, type, { ids, typeIds, sizes: { positions }, ...batch }) => {
    compact = batch.compact;
    const rows = batch.compact;
    const lookup = define((save, word: Tensor2D, position: Tensor2D, ...types: Tensor2D[]) => {
      const tables = { word, position, type: types[0] ?? null };
      save([ids, typeIds, ...(rows ? [rows.places] : []), word, position, ...types]);
      return {
        value: kernels.embed(memory, tables, { ids, typeIds, positions, compact: rows }),
        gradFunc: (dy, [ids, typeIds, places]) => {
          const compact = rows && { ...rows, places: places as Tensor1D };
          return kernels.embedGradient(memory, { dy, ...tables }, { ids: ids!, typeIds: typeIds!, positions, compact });
        },
      };
    });
    return type ? lookup(word, position, type) : lookup(word, position);
  };

  const firstToken: Ops['firstToken'] = (x, texts) => {
    const compact = findCompact(x);
    if (!compact) return portable.firstToken(x, texts);
    return define((save, x: Tensor2D) => {
      const M = x.shape[0];
      save([compact.starts]);
      return {
        value: kernels.firstRows(memory, x, compact),
        gradFunc: (dy, [starts]) => kernels.firstRowsGradient(memory, dy, { starts: starts as Tensor1D, M }),
      };
    })(x);
  };

  const gelu = define((save, x: Tensor2D) => {
    const { y, slope } = kernels.gelu(memory, x, { hasSlope: save.isUsed });
    if (slope) save([slope]);
    return { value: y, gradFunc: (dy, [slope]) => kernels.multiply(memory, dy, slope!) };
  });

  const dropout: Ops['dropout'] = (x, dropout) => {
    if (!dropout) return x;
    const rows = findCompact(x);
    const places = rows?.places ?? null;
    const settings = toDropout(dropout, (rows?.padded ?? x.shape[0]) * x.shape[1]);
    return define((save, x: Tensor2D) => {
      if (places) save([places]);
      return {
        value: kernels.dropout(memory, x, { ...settings, places }),
        gradFunc: (dy, [places = null]) => kernels.dropout(memory, dy, { ...settings, places: places as Tensor1D | null }),
      };
    })(x);
  };

  return {
    ...portable,
    ...createLanguageKernelOps(tf, memory, attention),
    takesCompact: true,
    linear,
    linearOfFrozen,
    addLowRank,
    layerNorm,
    attention,
    embed,
    firstToken,
    gelu,
    dropout,
  };
}
