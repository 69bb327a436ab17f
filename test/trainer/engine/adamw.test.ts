import { expect, test } from 'vitest';
import {
  adamWDefaults,
  createAdamW,
  hasDecay,
  getClipFactor,
  computeGradientNorm,
  updateParameters,
} from '../../../src/trainer/engine/adamw.ts';
import { startBackend } from '../../../src/trainer/backends/index.ts';

test('three steps follow the formula of the paper', async () => {
  const tf = await startBackend('cpu');
  const optimizer = createAdamW({ ...adamWDefaults, weightDecay: 0.1 });
  const parameters = new Map([['w.weight', tf.keep(tf.tensor1d([1, -2]))]]);
  const [before, gradients] = [
    [1, -2],
    [
      [0.5, 0.1],
      [-0.2, 0.3],
      [0.4, -0.1],
    ],
  ];
  const expected = before.map((x, i) => {
    let [m, v] = [0, 0];
    return gradients.reduce((w, gradient, t) => {
      m = 0.9 * m + 0.1 * gradient[i]!;
      v = 0.999 * v + 0.001 * gradient[i]! ** 2;
      return w - 0.01 * 0.1 * w - (0.01 * (m / (1 - 0.9 ** (t + 1)))) / (Math.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8);
    }, x);
  });
  for (const gradient of gradients) {
    updateParameters(tf, optimizer, {
      parameters,
      gradients: new Map([['w.weight', Float32Array.from(gradient)]]),
      learningRate: 0.01,
      factor: 1,
    });
  }
  for (const [i, value] of parameters.get('w.weight')!.dataSync().entries()) expect(value).toBeCloseTo(expected[i]!, 6);
});

test('state belongs to a name, not to a position', async () => {
  const tf = await startBackend('cpu');
  const run = (names: string[]): Map<string, number> => {
    const parameters = new Map(['a.weight', 'b.weight'].map((name) => [name, tf.keep(tf.tensor1d([1]))]));
    const optimizer = createAdamW({ ...adamWDefaults, weightDecay: 0 });
    for (const order of [names, names.toReversed()]) {
      const gradients = new Map(order.map((name) => [name, Float32Array.of(name === 'a.weight' ? 10 : 0.1)]));
      updateParameters(tf, optimizer, { parameters, gradients, learningRate: 0.1, factor: 1 });
    }
    return new Map([...parameters].map(([name, tensor]) => [name, tensor.dataSync()[0]!]));
  };
  expect(run(['a.weight', 'b.weight'])).toEqual(run(['b.weight', 'a.weight']));
});

test('no decay for biases and norms', () => {
  expect(
    ['bert.pooler.dense.weight', 'bert.pooler.dense.bias', 'bert.embeddings.LayerNorm.weight', 'classifier.weight'].map(hasDecay),
  ).toEqual([true, false, false, true]);
});

test('clipping shortens to the norm and leaves shorter gradients alone', () => {
  const norm = computeGradientNorm(
    new Map([
      ['a', Float32Array.of(3, 4)],
      ['b', Float32Array.of(12)],
    ]),
  );
  expect(norm).toBe(13);
  expect(getClipFactor(norm, 1)).toBeCloseTo(1 / 13, 7);
  expect(getClipFactor(0.5, 1)).toBe(1);
});

test('a result that is not finite changes nothing', async () => {
  const tf = await startBackend('cpu');
  const parameters = new Map(['a.weight', 'b.weight'].map((name) => [name, tf.keep(tf.tensor1d([1]))]));
  const gradients = new Map([
    ['a.weight', Float32Array.of(1)],
    ['b.weight', Float32Array.of(1)],
  ]);
  const optimizer = createAdamW({ ...adamWDefaults, weightDecay: 0 });
  expect(updateParameters(tf, optimizer, { parameters, gradients, learningRate: 1e39, factor: 1 })).toBe(false);
  expect([...parameters.values()].map((tensor) => tensor.dataSync()[0])).toEqual([1, 1]);
});
