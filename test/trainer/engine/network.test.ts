import { expect, test } from 'vitest';
import { startBackend, type TensorFlow } from '../../../src/trainer/backends/index.ts';
import { computeAndFree, copyToStoredLayout } from '../../../src/trainer/engine/network.ts';

test('numbers of a tensor are copied without a search for tensors among them, and nothing is left behind', async () => {
  const tf = await startBackend('cpu');
  const scopes: unknown[] = [];
  const tidy = (work: () => void): unknown => {
    const result = tf.tidy(work);
    scopes.push(result); // `tf.tidy` has looked through all of it
    return result;
  };
  const watched = { ...tf, tidy } as unknown as TensorFlow;
  const tensor = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  const before = tf.memory().numTensors;
  expect([...copyToStoredLayout(watched, tensor, true)]).toEqual([1, 4, 2, 5, 3, 6]);
  expect([...copyToStoredLayout(watched, tensor, false)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(computeAndFree(watched, () => tensor.dataSync())).toHaveLength(6);
  expect(scopes).toEqual([undefined, undefined, undefined]);
  expect(tf.memory().numTensors).toBe(before);
  tensor.dispose();
});
