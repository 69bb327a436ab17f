/** The backends that TensorFlow.js brings with it: WebAssembly and plain JavaScript. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

let isWasmFound = false;

/** Starts one of them; null where it does not start. */
export async function loadTfjs(name: 'wasm' | 'cpu'): Promise<typeof tf | null> {
  tf.enableProdMode(); // before the first kernel: otherwise the cpu backend prints advice
  if (name === 'wasm' && !isWasmFound) {
    setWasmPaths(findWasmFolder() + sep);
    isWasmFound = true; // the library refuses a second call
  }
  if (!(await tf.setBackend(name))) return null;
  await tf.ready();
  return tf;
}

/** The folder with the .wasm files: the bundle's own one, or the installed package's. */
function findWasmFolder(): string {
  const file = 'tfjs-backend-wasm-simd.wasm';
  if (existsSync(join(import.meta.dirname, file))) return import.meta.dirname;
  return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
}
