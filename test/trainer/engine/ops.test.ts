import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { toNormals } from '../../../src/lib/random.ts';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { buildBatch } from '../../../src/trainer/engine/batches.ts';
import { computeAndFree } from '../../../src/trainer/engine/network.ts';
import { createDropoutMask } from '../../../src/trainer/engine/dropout.ts';
import { createDropout, createOps, type Ops } from '../../../src/trainer/engine/ops.ts';

interface Case {
  readonly shapes: readonly number[][];
  compute(ops: Ops, tf: TensorFlow, inputs: Tensor[]): Tensor;
}

const sizes = { batch: 2, keys: 4, heads: 2 };
/** The second text has two positions of padding. */
const toMask = (tf: TensorFlow): Tensor => tf.tensor([0, 0, 0, 0, 0, 0, -1e9, -1e9], [2, 1, 1, 4]);
const rows = [
  { ids: [1, 2, 3, 2], typeIds: [0, 0, 1, 1] },
  { ids: [4, 2], typeIds: [0, 0] },
];

/** Every operation that has a gradient, with small inputs. */
const cases: Readonly<Record<string, Case>> = {
  linear: { shapes: [[8, 4], [4, 3], [3]], compute: (ops, _tf, [x, w, b]) => ops.linear(x as Tensor2D, w as Tensor2D, b as Tensor1D) },
  linearOfFrozen: {
    shapes: [[8, 4]],
    compute: (ops, tf, [x]) => ops.linearOfFrozen(x as Tensor2D, tf.tensor2d(toNormals(5, 12, 1), [4, 3]), tf.tensor1d([1, 2, 3])),
  },
  addLowRank: {
    shapes: [
      [8, 3],
      [8, 4],
      [4, 2],
      [2, 3],
    ],
    compute: (ops, _tf, inputs) => {
      const [y, x, a, b] = inputs as [Tensor2D, Tensor2D, Tensor2D, Tensor2D];
      return ops.addLowRank(y, x, { a, b, scale: 0.5 });
    },
  },
  embed: {
    shapes: [
      [6, 4],
      [5, 4],
      [2, 4],
    ],
    compute: (ops, tf, [word, position, type]) =>
      ops.embed(
        word as Tensor2D,
        position as Tensor2D,
        type as Tensor2D,
        buildBatch(tf, rows, { padTokenId: 0, typeVocabSize: 2, maxPositions: 5 }),
      ),
  },
  'embed with fewer positions than the padding has': {
    shapes: [
      [6, 4],
      [3, 4],
      [2, 4],
    ],
    compute: (ops, tf, [word, position, type]) =>
      ops.embed(
        word as Tensor2D,
        position as Tensor2D,
        type as Tensor2D,
        buildBatch(tf, [{ ids: [1, 2, 3], typeIds: [0, 1, 1] }], {
          padTokenId: 0,
          typeVocabSize: 2,
          maxPositions: 3,
        }),
      ),
  },
  'embed without types': {
    shapes: [
      [6, 4],
      [5, 4],
    ],
    compute: (ops, tf, [word, position]) => {
      const batch = buildBatch(tf, rows, { padTokenId: 0, typeVocabSize: 0, maxPositions: 5 });
      return ops.embed(word as Tensor2D, position as Tensor2D, null, batch);
    },
  },
  layerNorm: {
    shapes: [[4, 8], [8], [8]],
    compute: (ops, _tf, [x, weight, bias]) =>
      ops.layerNorm(x as Tensor2D, null, { weight: weight as Tensor1D, bias: bias as Tensor1D, epsilon: 1e-12 }),
  },
  'layerNorm with a residual': {
    shapes: [[4, 8], [4, 8], [8], [8]],
    compute: (ops, _tf, [x, residual, weight, bias]) =>
      ops.layerNorm(x as Tensor2D, residual as Tensor2D, { weight: weight as Tensor1D, bias: bias as Tensor1D, epsilon: 1e-12 }),
  },
  attention: {
    shapes: [
      [8, 4],
      [8, 4],
      [8, 4],
    ],
    compute: (ops, tf, [q, k, v]) =>
      ops.attention(q as Tensor2D, k as Tensor2D, v as Tensor2D, { mask: toMask(tf), sizes: { ...sizes, queries: 4 }, dropout: null }),
  },
  'attention of the first query, with dropout': {
    shapes: [
      [2, 4],
      [8, 4],
      [8, 4],
    ],
    compute: (ops, tf, [q, k, v]) =>
      ops.attention(q as Tensor2D, k as Tensor2D, v as Tensor2D, {
        mask: toMask(tf),
        sizes: { ...sizes, queries: 1 },
        dropout: { rate: 0.3, key: 5 },
      }),
  },
  'attention to near keys only': {
    shapes: [
      [8, 4],
      [8, 4],
      [8, 4],
    ],
    compute: (ops, tf, [q, k, v]) => {
      const padded = tf.tensor([0, 0, 0, 0, 0, 0, 0, -1e9], [2, 1, 1, 4]); // each query sees a key
      const mask = ops.limitMask(padded, { queries: 4, window: 1 });
      return ops.attention(q as Tensor2D, k as Tensor2D, v as Tensor2D, { mask, sizes: { ...sizes, queries: 4 }, dropout: null });
    },
  },
  add: {
    shapes: [
      [4, 4],
      [4, 4],
    ],
    compute: (ops, _tf, [x, y]) => ops.add(x as Tensor2D, y as Tensor2D),
  },
  'add, a row': {
    shapes: [
      [4, 4],
      [1, 4],
    ],
    compute: (ops, _tf, [x, y]) => ops.add(x as Tensor2D, y as Tensor2D),
  },
  multiply: {
    shapes: [
      [4, 4],
      [4, 4],
    ],
    compute: (ops, _tf, [x, y]) => ops.multiply(x as Tensor2D, y as Tensor2D),
  },
  slice: { shapes: [[5, 6]], compute: (ops, _tf, [x]) => ops.slice(x as Tensor2D, [1, 2], [3, 3]) },
  rotate: { shapes: [[8, 8]], compute: (ops, _tf, [x]) => ops.rotate(x as Tensor2D, { positions: 4, heads: 2, theta: 10 }) },
  meanToken: {
    shapes: [[8, 4]],
    compute: (ops, tf, [x]) => ops.meanToken(x as Tensor2D, { mask: toMask(tf), sizes: { texts: 2, positions: 4 } }),
  },
  gelu: { shapes: [[4, 4]], compute: (ops, _tf, [x]) => ops.gelu(x as Tensor2D) },
  tanh: { shapes: [[4, 4]], compute: (ops, _tf, [x]) => ops.tanh(x as Tensor2D) },
  relu: { shapes: [[4, 4]], compute: (ops, _tf, [x]) => ops.relu(x as Tensor2D) },
  dropout: { shapes: [[4, 4]], compute: (ops, _tf, [x]) => ops.dropout(x as Tensor2D, { rate: 0.5, key: 3 }) },
  firstToken: { shapes: [[8, 4]], compute: (ops, _tf, [x]) => ops.firstToken(x as Tensor2D, 2) },
  crossEntropy: {
    shapes: [[2, 2]],
    compute: (ops, tf, [logits]) => ops.crossEntropy(logits as Tensor2D, tf.tensor2d([1, 0, 0, 1], [2, 2])).sum,
  },
};

interface Results {
  readonly value: Float32Array;
  readonly gradients: Float32Array[];
}

const toCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const toInputs = ({ shapes }: Case): Float32Array[] => shapes.map((shape, i) => toNormals(100 + i, toCount(shape), 0.7));

function toValue(tf: TensorFlow, one: Case, inputs: readonly Float32Array[]): Float32Array {
  return computeAndFree(tf, () =>
    one
      .compute(
        createOps(tf),
        tf,
        inputs.map((values, i) => tf.tensor(values.slice(), one.shapes[i])),
      )
      .dataSync<'float32'>()
      .slice(),
  );
}

/** The value, and the gradients of its product with fixed random numbers. */
function toResults(tf: TensorFlow, one: Case): Results {
  return computeAndFree(tf, () => {
    const inputs = toInputs(one).map((values, i) => tf.tensor(values, one.shapes[i]));
    const shape = one.compute(createOps(tf), tf, inputs).shape;
    const { value, grads } = tf.valueAndGrads(() => one.compute(createOps(tf), tf, inputs))(
      inputs,
      tf.tensor(toWeights(toCount(shape)), shape),
    );
    return { value: value.dataSync<'float32'>().slice(), gradients: grads.map((gradient) => gradient.dataSync<'float32'>().slice()) };
  });
}

const toWeights = (count: number): Float32Array => toNormals(7, count, 1);

/** Central differences. Single precision leaves about four digits at this step. */
function toNumericGradients(tf: TensorFlow, one: Case): number[][] {
  const step = 1 / 64;
  const inputs = toInputs(one);
  const toSum = (): number => {
    const value = toValue(tf, one, inputs);
    const weights = toWeights(value.length);
    return value.reduce((sum, x, i) => sum + x * weights[i]!, 0);
  };
  return inputs.map((values) =>
    Array.from(values, (x, i) => {
      values[i] = x + step;
      const above = toSum();
      values[i] = x - step;
      const below = toSum();
      values[i] = x;
      return (above - below) / (2 * step);
    }),
  );
}

function toLargestDifference(a: Iterable<number>, b: readonly number[] | Float32Array): number {
  return [...a].reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}

describe('on the cpu backend, gradients agree with finite differences', () => {
  let tf: TensorFlow;
  beforeEach(async () => {
    tf = await startBackend('cpu');
  });
  test.each(Object.keys(cases))('%s', (name) => {
    const { gradients } = toResults(tf, cases[name]!);
    const numeric = toNumericGradients(tf, cases[name]!);
    expect(gradients.map((gradient) => gradient.length)).toEqual(numeric.map((gradient) => gradient.length));
    for (const [i, gradient] of gradients.entries()) {
      const scale = Math.max(...numeric[i]!.map(Math.abs));
      expect(scale).toBeGreaterThan(0);
      expect(toLargestDifference(gradient, numeric[i]!), `input ${i}`).toBeLessThan(3e-4 * (1 + scale));
    }
  });
});

test.each(Object.keys(cases))('on wasm as on cpu: %s', async (name) => {
  const onCpu = toResults(await startBackend('cpu'), cases[name]!);
  const onWasm = toResults(await startBackend('wasm'), cases[name]!);
  expect(toLargestDifference(onWasm.value, onCpu.value)).toBeLessThan(2e-6);
  for (const [i, gradient] of onWasm.gradients.entries())
    expect(toLargestDifference(gradient, onCpu.gradients[i]!), `input ${i}`).toBeLessThan(5e-6);
});

test('padding has no influence on what is attended to', async () => {
  const tf = await startBackend('cpu');
  const one = cases['attention']!;
  const inputs = toInputs(one);
  const before = toValue(tf, one, inputs);
  for (const values of [inputs[1]!, inputs[2]!]) values.fill(1000, 6 * 4); // the two last positions of the second text
  expect(toValue(tf, one, inputs)).toEqual(before);
});

test('crossEntropy gives the sum and the number of rows', async () => {
  const tf = await startBackend('cpu');
  const { sum, count } = createOps(tf).crossEntropy(
    tf.tensor2d([
      [0, 0],
      [0, 0],
      [0, 0],
    ]),
    tf.tensor2d([
      [1, 0],
      [0, 1],
      [1, 0],
    ]),
  );
  expect(count).toBe(3);
  expect(sum.dataSync()[0]).toBeCloseTo(3 * Math.LN2, 6);
});

test('a mask has its share of zeros, and the rest keeps the mean', async () => {
  const tf = await startBackend('cpu');
  const mask = computeAndFree(tf, () => [...createDropoutMask(tf, { rate: 0.1, key: 9 }, [100, 100]).dataSync()]);
  const zeros = mask.filter((value) => value === 0).length / mask.length;
  expect(zeros).toBeGreaterThan(0.09);
  expect(zeros).toBeLessThan(0.11);
  expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.9)]));
});

test('each place of each pass has its own stream, the same one every time', () => {
  const keys = (step: number, microBatch: number, seed = 1): (number | undefined)[] => {
    const next = createDropout({ seed, step, microBatch });
    return [next(0.1)?.key, next(0.1)?.key];
  };
  expect(keys(1, 0)).toEqual(keys(1, 0));
  const all = [...keys(0, 0), ...keys(1, 0), ...keys(0, 1), ...keys(0, 0, 2)];
  expect(new Set(all).size).toBe(all.length);
});

test('a place without dropout still counts', () => {
  const [a, b] = [createDropout({ seed: 1, step: 0, microBatch: 0 }), createDropout({ seed: 1, step: 0, microBatch: 0 })];
  expect(a(0)).toBeNull();
  b(0.5);
  expect(a(0.5)).toEqual(b(0.5));
});
