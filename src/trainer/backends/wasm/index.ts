import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type { Backend } from '../backend.ts';
import { findVariant, useKernels } from '../../kernels/index.ts';

let isFolderSet = false;

/** WebAssembly with SIMD and kernels of our own (see ../../kernels), one thread (in Node the library cannot use more). */
export const wasm = {
  id: 'wasm',
  description: 'WebAssembly with SIMD',
  hint: 'needs a processor with SIMD and a whole installation: install the package again',
  precision: 'float32',
  threads: 1,
  memory: 'process',
  // The library's builds for threads, and for processors without SIMD, are never loaded here.
  assets: [{ folder: '@tensorflow/tfjs-backend-wasm/dist', ending: '-wasm-simd.wasm' }],
  check: () => (findFolder() === null ? `${library} is not where the package has it` : null),
  findKernels: findVariant,
  async load(kernels) {
    const [{ startTfjs }, { setWasmPaths }] = await Promise.all([import('../tfjs.ts'), import('@tensorflow/tfjs-backend-wasm')]);
    if (!isFolderSet) setWasmPaths(findFolder() + sep);
    isFolderSet = true; // the library refuses a second call
    const tf = await startTfjs('wasm');
    if (tf) useKernels(tf, kernels);
    return tf;
  },
} as const satisfies Backend;

const library = 'tfjs-backend-wasm-simd.wasm';

/** The folder with the .wasm files: the bundle's own one, or the installed package's. */
function findFolder(): string | null {
  const places = [import.meta.dirname, ...findPackage()];
  return places.find((place) => existsSync(join(place, library))) ?? null;
}

function findPackage(): string[] {
  try {
    return [dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))];
  } catch {
    return []; // it is bundled, and not installed
  }
}
