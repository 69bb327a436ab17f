import { expect, test } from 'vitest';
import { backendNames, backends, defaultBackend, getBackend, isBackendName, startBackend } from '../../../src/trainer/backends/index.ts';

test('names come from the list, each once, and the first one is the default', () => {
  expect(new Set(backendNames).size).toBe(backends.length);
  expect(defaultBackend).toBe(backendNames[0]);
  expect(backendNames.every(isBackendName)).toBe(true);
  expect(['', 'WASM', 'toString', undefined].some(isBackendName)).toBe(false);
});

test.each(backendNames)('%s can be started, computes in the precision that it names, and can be started again', async (name) => {
  const { check, precision, threads } = getBackend(name);
  expect(check()).toBeNull();
  expect(threads).toBeGreaterThanOrEqual(1);
  for (let i = 0; i < 2; i++) {
    const tf = await startBackend(name);
    expect(tf.getBackend()).toBe(name);
    const sum = tf.tidy(() => tf.add(tf.tensor1d([0.1]), tf.tensor1d([0.2])));
    expect(sum.dtype).toBe(precision);
    expect(sum.dataSync()[0]).toBe(Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    sum.dispose();
  }
});
