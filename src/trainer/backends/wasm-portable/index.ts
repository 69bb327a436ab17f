import type { Backend } from '../backend.ts';
import { wasm } from '../wasm/index.ts';

/** WebAssembly with the kernels of TensorFlow.js alone: slower, the reference for ours, and what trainings of before go on with. */
export const wasmPortable = {
  ...wasm,
  id: 'wasm-portable',
  description: 'WebAssembly with the kernels of TensorFlow.js, slower',
  assets: [],
  findKernels: () => null,
} as const satisfies Backend;
