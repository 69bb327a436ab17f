/** Every kernel beside the portable operations on the cpu backend, on random sizes: with and without multiples of 4, and 1. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { toNormals, toStreamKey, toUint32, toUniform } from '../../../src/lib/random.ts';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { computeAndFree } from '../../../src/trainer/engine/network.ts';
import { buildBatch } from '../../../src/trainer/engine/batches.ts';
import { createDropoutMask } from '../../../src/trainer/engine/dropout.ts';
import { createOps, type Ops } from '../../../src/trainer/engine/ops.ts';
import { kernelVariants, type KernelVariant } from '../../../src/trainer/kernels/index.ts';

interface Case {
  readonly shapes: readonly number[][];
  /** Standard deviation of the inputs. */
  readonly deviation?: number;
  compute(ops: Ops, tf: TensorFlow, inputs: Tensor[]): Tensor;
}

/** A random size from 1 to `most`. */
type NextSize = (most: number) => number;

const toCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Operations with inputs of random sizes. */
const kinds: Readonly<Record<string, (size: NextSize) => Case>> = {
  linear: (size) => {
    const [M, K, N] = [size(70), size(70), size(70)];
    return { shapes: [[M, K], [K, N], [N]], compute: (ops, _tf, [x, w, b]) => ops.linear(x as Tensor2D, w as Tensor2D, b as Tensor1D) };
  },
  'linear, long': (size) => {
    const [M, K, N] = [90 + size(20), 370 + size(40), 2040 + size(20)]; // over the edges of the packed parts
    return { shapes: [[M, K], [K, N], [N]], compute: (ops, _tf, [x, w, b]) => ops.linear(x as Tensor2D, w as Tensor2D, b as Tensor1D) };
  },
  linearOfFrozen: (size) => {
    const [M, K, N] = [size(70), size(70), size(70)];
    return {
      shapes: [[M, K]],
      compute: (ops, tf, [x]) =>
        ops.linearOfFrozen(x as Tensor2D, tf.tensor2d(toNormals(5, K * N, 1), [K, N]), tf.tensor1d(toNormals(6, N, 1))),
    };
  },
  addLowRank: (size) => {
    const [M, K, R, N] = [size(70), size(70), size(9), size(70)];
    return {
      shapes: [
        [M, N],
        [M, K],
        [K, R],
        [R, N],
      ],
      compute: (ops, _tf, inputs) => {
        const [y, x, a, b] = inputs as [Tensor2D, Tensor2D, Tensor2D, Tensor2D];
        return ops.addLowRank(y, x, { a, b, scale: 2 });
      },
    };
  },
  layerNorm: (size) => {
    const [M, H] = [size(20), 1 + size(70)];
    return {
      shapes: [[M, H], [H], [H]],
      compute: (ops, _tf, [x, weight, bias]) =>
        ops.layerNorm(x as Tensor2D, null, { weight: weight as Tensor1D, bias: bias as Tensor1D, epsilon: 1e-5 }),
    };
  },
  'layerNorm with a residual': (size) => {
    const [M, H] = [size(20), 1 + size(70)];
    return {
      shapes: [[M, H], [M, H], [H], [H]],
      compute: (ops, _tf, [x, residual, weight, bias]) =>
        ops.layerNorm(x as Tensor2D, residual as Tensor2D, { weight: weight as Tensor1D, bias: bias as Tensor1D, epsilon: 1e-5 }),
    };
  },
  attention: (size) => toAttention({ batch: size(4), keys: size(40), heads: size(4), width: size(20), isFirst: false, rate: 0 }),
  'attention with dropout': (size) =>
    toAttention({ batch: size(4), keys: size(40), heads: size(4), width: size(20), isFirst: false, rate: 0.1 }),
  'attention of the first query, with dropout': (size) =>
    toAttention({ batch: size(4), keys: size(40), heads: size(4), width: size(20), isFirst: true, rate: 0.3 }),
  'attention, long': (size) => toAttention({ batch: 1, keys: 200 + size(100), heads: 1, width: size(8), isFirst: false, rate: 0.1 }),
  gelu: (size) => ({ shapes: [[size(20), size(20)]], compute: (ops, _tf, [x]) => ops.gelu(x as Tensor2D) }),
  'gelu, wide': (size) => ({
    shapes: [[size(20), size(20)]],
    deviation: 20,
    compute: (ops, _tf, [x]) => ops.gelu(x as Tensor2D),
  }),
  dropout: (size) => {
    const key = toStreamKey('mask', size(1000));
    return { shapes: [[size(20), size(20)]], compute: (ops, _tf, [x]) => ops.dropout(x as Tensor2D, { rate: 0.4, key }) };
  },
  embed: (size) => toEmbedding({ words: size(30), positions: size(20), width: size(30), texts: size(5), types: 2 }, size),
  'embed without types': (size) => toEmbedding({ words: size(30), positions: size(20), width: size(30), texts: size(5), types: 0 }, size),
};

function toAttention(sizes: { batch: number; keys: number; heads: number; width: number; isFirst: boolean; rate: number }): Case {
  const { batch, keys, heads, width, isFirst, rate } = sizes;
  const queries = isFirst ? 1 : keys;
  const [H, lengths] = [heads * width, Array.from({ length: batch }, (_, b) => Math.max(1, keys - 3 * b))];
  const mask = lengths.flatMap((length) => Array.from({ length: keys }, (_, s) => (s < length ? 0 : -1e9)));
  return {
    shapes: [
      [batch * queries, H],
      [batch * keys, H],
      [batch * keys, H],
    ],
    compute: (ops, tf, [q, k, v]) =>
      ops.attention(q as Tensor2D, k as Tensor2D, v as Tensor2D, {
        mask: tf.tensor(mask, [batch, 1, 1, keys]),
        sizes: { batch, keys, queries, heads },
        dropout: rate === 0 ? null : { rate, key: 77 },
      }),
  };
}

function toEmbedding(sizes: { words: number; positions: number; width: number; texts: number; types: number }, size: NextSize): Case {
  const { words, positions, width, texts, types } = sizes;
  const rows = Array.from({ length: texts }, () => {
    const ids = Array.from({ length: size(positions) }, () => size(words) - 1);
    return { ids, typeIds: ids.map(() => (types === 0 ? 0 : size(types) - 1)) };
  });
  return {
    shapes: [[words, width], [positions, width], ...(types === 0 ? [] : [[types, width]])],
    compute: (ops, tf, [word, position, type]) =>
      ops.embed(
        word as Tensor2D,
        position as Tensor2D,
        (type as Tensor2D | undefined) ?? null,
        buildBatch(tf, rows, { padTokenId: 0, typeVocabSize: types, maxPositions: positions }),
      ),
  };
}

/** The value, and the gradients of its product with fixed random numbers. */
function toResults(tf: TensorFlow, ops: Ops, one: Case): Float32Array[] {
  return computeAndFree(tf, () => {
    const inputs = one.shapes.map((shape, i) => tf.tensor(toNormals(100 + i, toCount(shape), one.deviation ?? 0.7), [...shape]));
    const { shape } = one.compute(ops, tf, inputs);
    const weights = tf.tensor(toNormals(7, toCount(shape), 1), shape);
    const { value, grads } = tf.valueAndGrads(() => one.compute(ops, tf, inputs))(inputs, weights);
    return [value, ...grads].map((tensor) => tensor.dataSync<'float32'>().slice());
  });
}

const variants = Object.keys(kernelVariants) as KernelVariant[];

describe.each(variants)('kernels with %s', (variant) => {
  test.each(Object.keys(kinds))('%s', async (kind) => {
    const rounds = kind.endsWith('long') ? 1 : 12;
    for (let round = 0; round < rounds; round++) {
      let drawn = 0;
      const key = toStreamKey(kind, round);
      // The first rounds take the least and the largest sizes.
      const nextSize: NextSize = (most) => (round === 0 ? 1 : round === 1 ? most : 1 + Math.floor(most * toUniform(key, drawn++)));
      const one = kinds[kind]!(nextSize);
      const cpu = await startBackend('cpu');
      const expected = toResults(cpu, createOps(cpu), one);
      const tf = await startBackend('wasm', variant);
      const found = toResults(tf, createOps(tf), one);
      expect(found.map((values) => values.length)).toEqual(expected.map((values) => values.length));
      for (const [i, values] of found.entries()) {
        const where = `${JSON.stringify(one.shapes)}, ${i === 0 ? 'value' : `gradient of input ${i - 1}`}`;
        const scale = expected[i]!.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
        expect(toLargestDifference(values, expected[i]!) / scale, where).toBeLessThan(kind.endsWith('long') ? 1e-5 : 4e-6);
      }
    }
  });

  test('dropout has the very bits of the portable operations', async () => {
    const tf = await startBackend('wasm', variant);
    const ops = createOps(tf);
    const dropout = { rate: 0.1, key: toStreamKey(3, 'dropout') };
    const [found, mask] = computeAndFree(tf, () => [
      ops
        .dropout(tf.ones([37, 11]), dropout)
        .dataSync<'float32'>()
        .slice(),
      createDropoutMask(tf, dropout, [37, 11]).dataSync<'float32'>().slice(),
    ]);
    expect(found).toEqual(mask);
    expect(found.filter((value) => value === 0).length).toBe(
      Array.from({ length: 407 }, (_, i) => toUint32(dropout.key, i)).filter((x) => x < 0.1 * 2 ** 32).length,
    );
  });
});

function toLargestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, x, i) => Math.max(most, Number.isNaN(x) ? Infinity : Math.abs(x - b[i]!)), 0);
}
