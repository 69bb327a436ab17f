/** What the kernels must not do: read past their tensors, make numbers that slow everything down, use weights of the step before. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { toNormals } from '../../../src/lib/random.ts';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { getKernels, windowSize, type KernelMemory } from '../../../src/trainer/kernels/index.ts';
import { computeAndFree } from '../../../src/trainer/engine/network.ts';
import { adamW, sumSquares } from '../../../src/trainer/kernels/adamw.ts';
import * as kernels from '../../../src/trainer/kernels/calls.ts';
import { toKernelDropout } from '../../../src/trainer/kernels/calls.ts';

let tf: TensorFlow;
let memory: KernelMemory;
beforeEach(async () => {
  tf = await startBackend('wasm', 'simd');
  memory = getKernels(tf)!;
});

/** Numbers that are not 0 and have fewer digits than a float: below 2^-126. */
const countSubnormals = (values: Float32Array): number => values.filter((x) => x !== 0 && Math.abs(x) < 2 ** -126).length;
const read = (tensor: Tensor): Float32Array => tensor.dataSync<'float32'>().slice();

describe('tensors that do not fit together are refused', () => {
  const none = toKernelDropout(null);
  const sizes = { batch: 2, keys: 3, queries: 3, heads: 2 };
  const refused: Readonly<Record<string, () => unknown>> = {
    'linear, inner size': () => kernels.linear(memory, tf.ones([2, 3]), { w: tf.ones([4, 5]), b: tf.ones([5]) }),
    'linear, bias': () => kernels.linear(memory, tf.ones([2, 3]), { w: tf.ones([3, 5]), b: tf.ones([4]) }),
    'linear, gradient': () => kernels.linearGradient(memory, tf.ones([2, 4]), { x: tf.ones([2, 3]), w: tf.ones([3, 5]) }),
    'linear, type': () => kernels.linear(memory, tf.ones([2, 3], 'int32'), { w: tf.ones([3, 5]), b: tf.ones([5]) }),
    'linear, empty': () => kernels.linear(memory, tf.ones([0, 3]), { w: tf.ones([3, 5]), b: tf.ones([5]) }),
    layerNorm: () =>
      kernels.layerNorm(memory, { x: tf.ones([2, 3]), residual: null }, { weight: tf.ones([4]), bias: tf.ones([3]), epsilon: 0 }),
    'layerNorm, residual': () =>
      kernels.layerNorm(
        memory,
        { x: tf.ones([2, 3]), residual: tf.ones([3, 3]) },
        { weight: tf.ones([3]), bias: tf.ones([3]), epsilon: 0 },
      ),
    'attention, mask': () => attend({ mask: tf.ones([2, 1, 1, 4]) }),
    'attention, keys': () => attend({ k: tf.ones([4, 4]) }),
    'attention, heads': () => attend({}, { ...sizes, heads: 3 }),
    multiply: () => kernels.multiply(memory, tf.ones([2, 3]), tf.ones([3, 3])),
    'dropout, places': () => kernels.dropout(memory, tf.ones([2, 3]), { ...none, places: tf.tensor1d([0, 1, 2], 'int32') }),
    'first rows, start': () => kernels.firstRows(memory, tf.ones([3, 3]), { starts: tf.tensor1d([0, 3, 4], 'int32') }),
    'first rows, negative start': () => kernels.firstRows(memory, tf.ones([3, 3]), { starts: tf.tensor1d([-1, 1, 3], 'int32') }),
    'compact attention, gap': () => attendCompact([0, 2, 5], 13),
    'compact attention, first text': () => attendCompact([1, 3, 6], 13),
    'compact attention, empty text': () => attendCompact([0, 0, 6], 36),
    'compact attention, backwards': () => attendCompact([0, 7, 6], 50),
    'compact attention, too long': () => attendCompact([0, 2, 6], 20, { ...sizes, keys: 3, queries: 3 }),
    'compact attention, pairs': () => attendCompact([0, 3, 6], 17),
    'compact attention, queries': () => attendCompact([0, 3, 6], 18, { ...sizes, queries: 2 }),
    'embed, word': () => embed([0, 4]),
    'embed, negative word': () => embed([0, -1]),
    'embed, type': () => embed([0, 3], [0, 2]),
    AdamW: () =>
      adamW(
        memory,
        { before: tf.ones([4]), gradient: tf.ones([3]), m: new Float32Array(4), v: new Float32Array(4) },
        { ...factors, rate: 1 },
      ),
  };
  const attend = (other: Partial<Record<'q' | 'k' | 'v' | 'mask', Tensor>>, taken = sizes): unknown =>
    kernels.attention(
      memory,
      { q: tf.ones([6, 4]), k: tf.ones([6, 4]), v: tf.ones([6, 4]), ...other },
      { sizes: taken, dropout: none, mask: other.mask ?? tf.zeros([2, 1, 1, 3]), compact: null },
    );
  const attendCompact = (starts: number[], pairs: number, taken = sizes): unknown =>
    kernels.attention(
      memory,
      { q: tf.ones([6, 4]), k: tf.ones([6, 4]), v: tf.ones([6, 4]) },
      {
        sizes: taken,
        dropout: none,
        mask: null,
        compact: { starts: tf.tensor1d(starts, 'int32'), places: tf.tensor1d([0, 1, 2, 3, 4, 5], 'int32'), pairs, padded: 6 },
      },
    );
  const embed = (ids: number[], typeIds = ids.map(() => 0)): unknown =>
    kernels.embed(
      memory,
      { word: tf.ones([4, 3]), position: tf.ones([2, 3]), type: tf.ones([2, 3]) },
      { ids: tf.tensor1d(ids, 'int32'), typeIds: tf.tensor1d(typeIds, 'int32'), positions: 2, compact: null },
    );
  test.each(Object.keys(refused))('%s', (name) => {
    expect(() => tf.tidy(() => void refused[name]!())).toThrow(/^expected/);
  });
});

const factors = { clip: 1, beta1: 0.9, beta2: 0.999, remaining: 1, rate: 1e-3, correction: 1, epsilon: 1e-8 };

test('padding and far scores leave no subnormal numbers', () => {
  const [B, S, A, D] = [2, 24, 2, 8];
  const lengths = [24, 5];
  const sizes = { batch: B, keys: S, queries: S, heads: A };
  const mask = lengths.flatMap((length) => Array.from({ length: S }, (_, s) => (s < length ? 0 : -1e9)));
  const arrays = computeAndFree(tf, () => {
    // Scores that are up to some hundreds apart: some powers are below what a float can hold.
    const [q, k, v] = [1, 2, 3].map((key) => tf.tensor(toNormals(key, B * S * A * D, key === 3 ? 1 : 6), [B * S, A * D])) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const context = { sizes, dropout: toKernelDropout({ rate: 0.1, key: 3 }), mask: tf.tensor(mask, [B, 1, 1, S]), compact: null };
    const { y, P } = kernels.attention(memory, { q, k, v }, context);
    const dy = tf.tensor(toNormals(4, B * S * A * D, 1e-6), [B * S, A * D]);
    return [y, P, ...kernels.attentionGradient(memory, { q, k, v, P, dy }, context)].map(read);
  });
  expect(arrays[1]!.filter((p) => p > 0 && p < 1e-20).length).toBeGreaterThan(10); // the far ones are there
  expect(arrays.map(countSubnormals)).toEqual(arrays.map(() => 0));
});

test('a thousand steps after a word was seen once, its averages are not subnormal', () => {
  const size = 6;
  let before: Tensor = tf.ones([size]);
  const [m, v] = [new Float32Array(size), new Float32Array(size)];
  const seen = tf.tensor1d([1, 1e-3, 1e-8, -1, -1e-5, 1e-12]);
  const never = tf.zeros([size]);
  const counts: number[] = [];
  for (let step = 1; step <= 1000; step++) {
    const { after, isFinite } = adamW(memory, { before, gradient: step === 1 ? seen : never, m, v }, factors);
    expect(isFinite).toBe(true);
    before.dispose();
    before = after;
    if (step % 100 === 0) counts.push(...[m, v, read(before)].map(countSubnormals));
  }
  expect(counts).toEqual(new Array(30).fill(0));
  expect(m).toEqual(new Float32Array(size));
});

test('AdamW computes as in double precision, and tells numbers that are not finite', () => {
  const size = 2 * windowSize + 1027;
  const given = [0.5, 0.2, 0.1, 0.01].map((deviation, i) => toNormals(i, size, deviation));
  const [before, gradient, m, v] = given.map((values, i) => (i === 3 ? values.map(Math.abs) : values)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const taken = { ...factors, clip: 0.3, remaining: 0.999, rate: 0.01, correction: 2 };
  const tensors = { before: tf.tensor1d(before), gradient: tf.tensor1d(gradient), m: m.slice(), v: v.slice() };
  const { after, isFinite } = adamW(memory, tensors, taken);
  expect(isFinite).toBe(true);
  const [found, means, squares] = [read(after), tensors.m, tensors.v];
  let [wrongM, wrongV, wrong] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    const g = 0.3 * gradient[i]!;
    const mean = 0.9 * m[i]! + 0.1 * g;
    const square = 0.999 * v[i]! + 0.001 * g * g;
    wrongM = Math.max(wrongM, Math.abs(means[i]! - mean));
    wrongV = Math.max(wrongV, Math.abs(squares[i]! - square));
    wrong = Math.max(wrong, Math.abs(found[i]! - (0.999 * before[i]! - (0.01 * mean) / (Math.sqrt(square) * 2 + 1e-8))));
  }
  expect(wrongM).toBeLessThan(1e-7);
  expect(wrongV).toBeLessThan(1e-8);
  expect(wrong).toBeLessThan(3e-6);
  // Averages in the kernels' own memory become the same, to the bit.
  const place = memory.reserve(2 * size)!;
  const inside = { m: place, v: place + 4 * size };
  memory.view(inside.m, size).set(m);
  memory.view(inside.v, size).set(v);
  expect(read(adamW(memory, { ...tensors, ...inside }, taken).after)).toEqual(found);
  expect(memory.view(inside.m, size)).toEqual(means);
  expect(memory.view(inside.v, size)).toEqual(squares);
  expect(memory.reserve(2 ** 24 + 1)).toBe(null); // so much must wait outside
  const infinite = tf.tensor1d([...before.slice(0, -1), Infinity]);
  expect(adamW(memory, { ...tensors, before: infinite }, taken).isFinite).toBe(false);
  const expected = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
  expect(Math.sqrt(sumSquares(memory, tensors.gradient)) / expected).toBeCloseTo(1, 6);
});

test('a product with a weight that was updated is one with the new numbers', () => {
  const x = tf.ones([2, 4]) as Tensor2D;
  const before = tf.ones([4, 4]) as Tensor2D;
  const bias = tf.zeros([4]) as Tensor1D;
  const multiply = (w: Tensor2D): Float32Array[] => [
    read(tf.fused.matMul({ a: x, b: w, bias })), // tfjs keeps a copy of w in an order of its own
    read(kernels.linear(memory, x, { w, b: bias })),
  ];
  multiply(before);
  const { after } = adamW(
    memory,
    { before, gradient: tf.ones([4, 4]), m: new Float32Array(16), v: new Float32Array(16) },
    { ...factors, rate: 1 },
  );
  const weight = read(after)[0]!;
  expect(weight).not.toBe(1);
  for (const product of multiply(after as Tensor2D)) for (const value of product) expect(value).toBeCloseTo(4 * weight, 5);
});
