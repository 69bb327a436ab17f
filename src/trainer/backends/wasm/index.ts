import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type { Backend } from '../backend.ts';

let isFolderSet = false;

/** WebAssembly with SIMD: kernels that come with the package, one thread (in Node the library cannot use more). */
export const wasm = {
  id: 'wasm',
  description: 'WebAssembly with SIMD',
  hint: 'needs a processor with SIMD and a whole installation: install the package again',
  precision: 'float32',
  threads: 1,
  memory: 'process',
  assets: [{ folder: '@tensorflow/tfjs-backend-wasm/dist', ending: '.wasm' }],
  check: () => (findFolder() === null ? `${kernels} is not where the package has it` : null),
  async load() {
    const [{ startTfjs }, { setWasmPaths }] = await Promise.all([import('../tfjs.ts'), import('@tensorflow/tfjs-backend-wasm')]);
    if (!isFolderSet) setWasmPaths(findFolder() + sep);
    isFolderSet = true; // the library refuses a second call
    return await startTfjs('wasm');
  },
} as const satisfies Backend;

const kernels = 'tfjs-backend-wasm-simd.wasm';

/** The folder with the .wasm files: the bundle's own one, or the installed package's. */
function findFolder(): string | null {
  const places = [import.meta.dirname, ...findPackage()];
  return places.find((place) => existsSync(join(place, kernels))) ?? null;
}

function findPackage(): string[] {
  try {
    return [dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))];
  } catch {
    return []; // it is bundled, and not installed
  }
}
