/** TensorFlow.js itself, which all backends share: each registers its kernels with it. */
import * as tf from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.ts';

/** Makes a backend that has registered its kernels the one that computes; null where it does not start. */
export async function startTfjs(name: string): Promise<TensorFlow | null> {
  tf.enableProdMode(); // before the first kernel: otherwise the library prints advice
  if (!(await tf.setBackend(name))) return null;
  await tf.ready();
  return tf;
}
