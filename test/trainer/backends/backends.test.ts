import { expect, test } from 'vitest';
import { getKernels } from '../../../src/trainer/kernels/index.ts';
import {
  backendNames,
  backends,
  defaultBackend,
  chooseKernels,
  getBackend,
  isBackendName,
  startBackend,
} from '../../../src/trainer/backends/index.ts';

test('names come from the list, each once, and the first one is the default', () => {
  expect(new Set(backendNames).size).toBe(backends.length);
  expect(defaultBackend).toBe(backendNames[0]);
  expect(backendNames.every(isBackendName)).toBe(true);
  expect(['', 'WASM', 'toString', undefined].some(isBackendName)).toBe(false);
});

const own = backendNames.filter((name) => getBackend(name).isOptional !== true);

test.each(own)('%s can be started, computes in the precision that it names, and can be started again', async (name) => {
  const { check, precision, threads } = getBackend(name);
  expect(check()).toBeNull();
  expect(threads).toBeGreaterThanOrEqual(1);
  for (let i = 0; i < 2; i++) {
    const tf = await startBackend(name);
    expect(name.startsWith(tf.getBackend())).toBe(true);
    const sum = tf.tidy(() => tf.add(tf.tensor1d([0.1]), tf.tensor1d([0.2])));
    expect(sum.dtype).toBe(precision);
    expect(sum.dataSync()[0]).toBe(Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    sum.dispose();
  }
});

test('a new training gets the fastest kernels, one that was begun keeps its own, or none', () => {
  expect(chooseKernels('wasm', null)).toBe('relaxed-simd');
  expect(chooseKernels('wasm', { backend: 'wasm', kernels: 'simd' })).toBe('simd');
  expect(chooseKernels('wasm', { backend: 'wasm', kernels: 'relaxed-simd' })).toBe('relaxed-simd');
  expect(chooseKernels('wasm', { backend: 'wasm', kernels: null })).toBeNull();
  expect(chooseKernels('wasm', { backend: 'wasm' })).toBeNull(); // before there were any
  expect(chooseKernels('wasm', { backend: 'cpu', kernels: null })).toBe('relaxed-simd');
  expect(chooseKernels('cpu', null)).toBeNull();
});

test('a backend computes with the kernels that it was started with last', async () => {
  const toVariant = async (...args: Parameters<typeof startBackend>): Promise<string | undefined> =>
    getKernels(await startBackend(...args))?.variant;
  expect(await toVariant('wasm')).toBe('relaxed-simd');
  expect(await toVariant('wasm', 'simd')).toBe('simd');
  expect(await toVariant('wasm-portable')).toBeUndefined();
  expect(await toVariant('wasm')).toBe('relaxed-simd');
  expect(await toVariant('cpu')).toBeUndefined();
});
