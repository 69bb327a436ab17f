import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { toNormals } from '../../../src/lib/random.ts';
import { backendNames, startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { computeAndFree, freeGradients } from '../../../src/trainer/engine/network.ts';
import { createOps } from '../../../src/trainer/engine/ops.ts';
import { createDefine, findGradients } from '../../../src/trainer/engine/tape.ts';

const shapes: Readonly<Record<string, number[]>> = { word: [8, 8], w: [8, 8], b: [8], frozen: [8, 8], norm: [8] };

function createTensors(tf: TensorFlow): Map<string, Tensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape], i) => [name, tf.tensor(toNormals(i, shape[0]! * (shape[1] ?? 1), 0.5), shape)] as const),
  );
}

/** Uses and keeps a value and a parameter several times, beside what has no gradient. */
function toLoss(tf: TensorFlow, tensors: ReadonlyMap<string, Tensor>): Tensor {
  const ops = createOps(tf);
  const [x, w, b] = ['word', 'w', 'b'].map((name) => tensors.get(name)!) as [Tensor2D, Tensor2D, Tensor1D];
  const [frozen, norm] = [tensors.get('frozen') as Tensor2D, tensors.get('norm') as Tensor1D];
  const constant = ops.gelu(ops.linearOfFrozen(frozen, frozen, norm));
  const y = ops.gelu(ops.linear(x, w, b));
  const z = ops.linear(ops.dropout(y, { rate: 0.3, key: 5 }), w, b);
  const sum = ops.layerNorm(z, ops.linear(y, w, b), { weight: b, bias: b, epsilon: 1e-5 });
  const all = ops.layerNorm(ops.linear(sum, constant, b), ops.linear(y, constant, b), { weight: b, bias: b, epsilon: 1e-5 });
  return ops.crossEntropy(all, tf.oneHot(tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7], 'int32'), 8) as Tensor2D).sum;
}

const trained = ['word', 'w', 'b'];

test.each(backendNames)('gradients are those of tfjs, and all else is freed: %s', async (name) => {
  const tf = await startBackend(name);
  const tensors = createTensors(tf);
  const parameters = new Map(trained.map((one) => [one, tf.keep(tensors.get(one)!)]));
  const before = tf.memory().numTensors;
  const expected = computeAndFree(tf, () => {
    const { value, grads } = tf.valueAndGrads(() => toLoss(tf, tensors))([...parameters.values()], tf.scalar(0.25));
    return [value, ...grads].map((tensor) => tensor.dataSync().slice());
  });
  const { value, gradients } = computeAndFree(tf, () => findGradients(tf, () => toLoss(tf, tensors), { parameters, scale: 0.25 }));
  expect([...gradients.keys()]).toEqual(trained);
  expect(value).toBe(expected[0]![0]);
  expect([...gradients.values()].map((gradient) => gradient.dataSync())).toEqual(expected.slice(1)); // to the bit
  freeGradients(gradients);
  expect(tf.memory().numTensors).toBe(before);
});

test('a parameter that the loss does not reach by the operations is named, and nothing is left behind', async () => {
  const tf = await startBackend('wasm');
  const tensors = createTensors(tf);
  const parameters = new Map([...trained, 'norm'].map((one) => [one, tf.keep(tensors.get(one)!)]));
  const before = tf.memory().numTensors;
  const find = (compute: () => Tensor): unknown => computeAndFree(tf, () => findGradients(tf, compute, { parameters, scale: 1 }));
  expect(() => find(() => tf.mul(toLoss(tf, tensors), 2))).toThrow('no gradient of word');
  parameters.delete('norm');
  expect(() =>
    find(() => {
      toLoss(tf, tensors);
      throw new Error('no memory');
    }),
  ).toThrow('no memory');
  const fail = createDefine(tf)((save, x: Tensor) => {
    save([x]);
    return {
      value: tf.mul(x, 1),
      gradFunc: () => {
        throw new Error('no memory behind');
      },
    };
  });
  expect(() => find(() => fail(toLoss(tf, tensors)))).toThrow('no memory behind');
  expect(tf.memory().numTensors).toBe(before);
});
