import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { KernelMemory } from '../kernels/index.ts';
import { attention, attentionGradient, linear, linearInputGradient, toKernelDropout, transposedProduct } from '../kernels/calls.ts';
import * as kernels from '../kernels/language-calls.ts';
import type { Attention } from './attention.ts';
import { getPartKey } from './dropout.ts';
import type { Parts } from './language-parts.ts';
import { createLanguageOps, type LanguageOps } from './ops-of-language.ts';
import { createDefine } from './tape.ts';

/** The operations of language models on the kernels: the same formulas as the portable ones, which stay for what the kernels do not have. */
export function createLanguageKernelOps(tf: TensorFlow, memory: KernelMemory, portable: Attention): LanguageOps {
  const define = createDefine(tf);
  const parts: Parts = {
    plain: (x, w) => linear(memory, x, { w, b: null }),
    withTransposed: (x, w) => linearInputGradient(memory, x, w),
    ofTransposed: (x, y) => transposedProduct(memory, x, y),
    pickLogSoftmax(logits, tokens) {
      const { distances, sums } = kernels.logProbabilities(memory, logits, tokens);
      return tf.sub(distances, tf.log(sums));
    },
    toLogitGradient(logits, picked) {
      kernels.turnIntoGradient(memory, logits, picked);
      return logits;
    },
  };

  const rmsNorm: LanguageOps['rmsNorm'] = (x, { weight, epsilon }) =>
    define((save, x: Tensor2D, weight: Tensor1D) => {
      const { y, inverse } = kernels.rmsNorm(memory, x, { weight, epsilon });
      save([x, inverse, weight]);
      return {
        value: y,
        gradFunc: (dy, [x, inverse, weight]) => kernels.rmsNormGradient(memory, dy, { x: x!, inverse: inverse!, weight: weight! }),
      };
    })(x, weight);

  const turn: LanguageOps['turn'] = (x, { cos, sin }) =>
    define((save, x: Tensor2D) => {
      save([cos, sin]);
      return {
        value: kernels.turn(memory, x, { cos, sin, direction: 1 }),
        gradFunc: (dy, [cos, sin]) => kernels.turn(memory, dy, { cos: cos!, sin: sin!, direction: -1 }),
      };
    })(x);

  const gate = define((save, gate: Tensor2D, x: Tensor2D) => {
    save([gate, x]);
    return { value: kernels.gate(memory, gate, x), gradFunc: (dy, [gate, x]) => kernels.gateGradient(memory, dy, { gate: gate!, x: x! }) };
  });

  const causalAttention: LanguageOps['causalAttention'] = (q, k, v, { batch, heads, keyHeads, dropout }) => {
    const { compact, mask, sizes: own } = batch;
    const sizes = { batch: own.texts, queries: own.positions, keys: compact ? own.positions : k.shape[0] / own.texts, heads };
    const key = dropout && getPartKey(dropout, sizes.batch * heads * sizes.queries * sizes.keys);
    const context = {
      sizes,
      dropout: toKernelDropout(dropout && { rate: dropout.rate, key: key! }),
      mask: compact ? null : mask,
      compact,
      causal: { keyHeads },
    };
    return define((save, q: Tensor2D, k: Tensor2D, v: Tensor2D) => {
      const { y, P } = attention(memory, { q, k, v }, context);
      save([q, k, v, P, ...(compact ? [compact.starts] : [])]);
      return {
        value: y,
        gradFunc: (dy, [q, k, v, P, starts]) => {
          const savedContext = { ...context, compact: compact && { ...compact, starts: starts as Tensor1D } };
          return attentionGradient(memory, { q: q!, k: k!, v: v!, P: P!, dy }, savedContext);
        },
      };
    })(q, k, v);
  };

  return { ...createLanguageOps(tf, parts, portable), rmsNorm, turn, gate, causalAttention };
}
