/** TensorFlow.js itself, which all backends share: each registers its kernels with it. */
import * as tf from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.ts';

/**
 * Makes a backend that has registered its kernels the one that computes; null where it does not start. `register` does so for one that
 * has a copy of the library of its own.
 */
export async function startTfjs(name: string, register?: () => void): Promise<TensorFlow | null> {
  tf.enableProdMode(); // before the first kernel: otherwise the library prints advice
  register?.();
  if (!(await tf.setBackend(name))) return null;
  await tf.ready();
  return tf;
}
