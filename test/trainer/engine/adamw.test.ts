import { describe, expect, test } from 'vitest';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { computeGradientNorm, createAdamW } from '../../../src/trainer/engine/adamw.ts';
import { adamWDefaults, getClipFactor, hasDecay, type AdamW, type Update } from '../../../src/trainer/engine/optimizer.ts';
import type { Parameters } from '../../../src/trainer/engine/parameters.ts';

type Numbers = Readonly<Record<string, readonly number[]>>;

function createParameters(tf: TensorFlow, numbers: Numbers): Parameters {
  return new Map(Object.entries(numbers).map(([name, values]) => [name, tf.keep(tf.tensor1d([...values]))]));
}

function takeUpdate(
  tf: TensorFlow,
  optimizer: AdamW,
  {
    parameters,
    gradients,
    learningRate,
    maxGradNorm = 0,
  }: { parameters: Parameters; gradients: Numbers; learningRate: number; maxGradNorm?: number },
): Update {
  const tensors = new Map(Object.entries(gradients).map(([name, values]) => [name, tf.tensor1d([...values])]));
  return optimizer.update({ parameters, gradients: tensors, learningRate, maxGradNorm });
}

function readValues(parameters: Parameters): number[][] {
  return [...parameters.values()].map((tensor) => [...tensor.dataSync()]);
}

describe.each(['process', 'device'] as const)('where tensors are in memory "%s"', (memory) => {
  test('three steps follow the formula of the paper', async () => {
    const tf = await startBackend('cpu');
    const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.1 }, memory);
    const [before, gradients] = [
      [1, -2],
      [
        [0.5, 0.1],
        [-0.2, 0.3],
        [0.4, -0.1],
      ],
    ];
    const parameters = createParameters(tf, { 'w.weight': before });
    const expected = before.map((x, i) => {
      let [m, v] = [0, 0];
      return gradients.reduce((w, gradient, t) => {
        m = 0.9 * m + 0.1 * gradient[i]!;
        v = 0.999 * v + 0.001 * gradient[i]! ** 2;
        return w - 0.01 * 0.1 * w - (0.01 * (m / (1 - 0.9 ** (t + 1)))) / (Math.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8);
      }, x);
    });
    for (const gradient of gradients) takeUpdate(tf, optimizer, { parameters, gradients: { 'w.weight': gradient }, learningRate: 0.01 });
    for (const [i, value] of readValues(parameters)[0]!.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  });

  test('state belongs to a name, not to a position', async () => {
    const tf = await startBackend('cpu');
    const run = (names: string[]): Map<string, number> => {
      const parameters = createParameters(tf, { 'a.weight': [1], 'b.weight': [1] });
      const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0 }, memory);
      for (const order of [names, names.toReversed()]) {
        const gradients = Object.fromEntries(order.map((name) => [name, [name === 'a.weight' ? 10 : 0.1]]));
        takeUpdate(tf, optimizer, { parameters, gradients, learningRate: 0.1 });
      }
      return new Map([...parameters].map(([name, tensor]) => [name, tensor.dataSync()[0]!]));
    };
    expect(run(['a.weight', 'b.weight'])).toEqual(run(['b.weight', 'a.weight']));
  });

  test('gradients are clipped to the norm, which is that before clipping', async () => {
    const tf = await startBackend('cpu');
    const [clipped, scaled] = [createParameters(tf, { 'a.weight': [1, 1] }), createParameters(tf, { 'a.weight': [1, 1] })];
    const create = (): AdamW => createAdamW(tf, { ...adamWDefaults, epsilon: 1, weightDecay: 0 }, memory); // else the size would not count
    const input = { learningRate: 0.1, gradients: { 'a.weight': [3, 4] } };
    expect(takeUpdate(tf, create(), { ...input, parameters: clipped, maxGradNorm: 1 })).toEqual({ gradNorm: 5, isFinite: true });
    takeUpdate(tf, create(), { ...input, parameters: scaled, gradients: { 'a.weight': [0.6, 0.8] } });
    for (const [i, value] of readValues(clipped)[0]!.entries()) expect(value).toBeCloseTo(readValues(scaled)[0]![i]!, 6);
  });

  test('a result that is not finite changes nothing, and neither does such a gradient', async () => {
    const tf = await startBackend('cpu');
    const parameters = createParameters(tf, { 'a.weight': [1], 'b.weight': [1] });
    const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0 }, memory);
    const gradients = { 'a.weight': [1], 'b.weight': [1] };
    expect(takeUpdate(tf, optimizer, { parameters, gradients: { ...gradients, 'b.weight': [NaN] }, learningRate: 1 }).isFinite).toBe(false);
    expect(takeUpdate(tf, optimizer, { parameters, gradients, learningRate: 1e39 }).isFinite).toBe(false);
    expect(readValues(parameters)).toEqual([[1], [1]]);
  });

  test('an optimizer that is given the moments and the step of another one goes on with its bits', async () => {
    const tf = await startBackend('cpu');
    const settings = { ...adamWDefaults, weightDecay: 0.1 };
    const start = { 'a.weight': [1, -2], 'b.bias': [0.5] };
    const [whole, other] = [createAdamW(tf, settings, memory), createAdamW(tf, settings, memory)];
    const parameters = createParameters(tf, start);
    const gradients = { 'a.weight': [0.3, 0.1], 'b.bias': [-0.2] };
    takeUpdate(tf, whole, { parameters, gradients, learningRate: 0.01 });
    const copies = createParameters(tf, { 'a.weight': readValues(parameters)[0]!, 'b.bias': readValues(parameters)[1]! });
    other.step = whole.step;
    other.setMoments(new Map([...whole.readMoments()].map(([name, { m, v }]) => [name, { m: m.slice(), v: v.slice() }])));
    for (const [optimizer, own] of [
      [whole, parameters],
      [other, copies],
    ] as const)
      takeUpdate(tf, optimizer, { parameters: own, gradients, learningRate: 0.02 });
    expect(readValues(copies)).toEqual(readValues(parameters));
    expect(other.readMoments()).toEqual(whole.readMoments());
  });

  test('a step leaves as many tensors as it found', async () => {
    const tf = await startBackend('cpu');
    const parameters = createParameters(tf, { 'a.weight': [1, 2] });
    const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay: 0.1 }, memory);
    const take = (): number => {
      takeUpdate(tf, optimizer, { parameters, gradients: { 'a.weight': [1, 2] }, learningRate: 0.1, maxGradNorm: 1 });
      return tf.memory().numTensors;
    };
    expect(take()).toBe(take());
  });
});

test('no decay for biases and norms, whatever a family calls them', () => {
  const names = ['bert.pooler.dense.weight', 'classifier.weight', 'bert.embeddings.word_embeddings.weight'];
  expect(names.every(hasDecay)).toBe(true);
  const without = ['bert.pooler.dense.bias', 'bert.embeddings.LayerNorm.weight', 'layer.0.sa_layer_norm.weight', 'model.norm.weight'];
  expect(without.some(hasDecay)).toBe(false);
});

test('clipping shortens to the norm and leaves shorter gradients alone', () => {
  const norm = computeGradientNorm([Float32Array.of(3, 4), Float32Array.of(12)]);
  expect(norm).toBe(13);
  expect(getClipFactor(norm, 1)).toBeCloseTo(1 / 13, 7);
  expect(getClipFactor(0.5, 1)).toBe(1);
  expect(getClipFactor(0.5, 0)).toBe(1);
});
