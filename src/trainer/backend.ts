import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { Failure } from '../errors.ts';
import type { BackendName } from './files.ts';

/** The library as the engine sees it; each backend brings its own kernels. */
export type TensorFlow = typeof tf;

const names: readonly string[] = ['wasm', 'cpu'] satisfies readonly BackendName[];

export function isBackendName(name: string | undefined): name is BackendName {
  return name !== undefined && names.includes(name);
}

let isWasmFound = false;

/**
 * Starts a backend and makes it the one that computes.
 *
 * @throws Failure `unexpected` when it cannot be started
 */
export async function startBackend(name: BackendName): Promise<TensorFlow> {
  tf.enableProdMode(); // before the first kernel: otherwise the cpu backend prints advice
  if (name === 'wasm' && !isWasmFound) {
    setWasmPaths(findWasmFolder() + sep);
    isWasmFound = true; // the library refuses to be told twice
  }
  if (!(await tf.setBackend(name))) throw new Failure('unexpected', `the ${name} backend could not be started`);
  await tf.ready();
  return tf;
}

/** The folder with the .wasm files: the bundle's own one, or the installed package's. */
function findWasmFolder(): string {
  const file = 'tfjs-backend-wasm-simd.wasm';
  if (existsSync(join(import.meta.dirname, file))) return import.meta.dirname;
  return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
}

/** What `compute` returns, which holds plain data only: every tensor that it made is freed. */
export function computeAndFree<T>(tf: TensorFlow, compute: () => T): T {
  const results: T[] = [];
  tf.tidy(() => {
    results.push(compute());
  });
  return results[0]!;
}
