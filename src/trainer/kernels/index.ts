/**
 * The kernels' door to the memory of tfjs's WebAssembly backend: tensors in, addresses out. It uses parts of the backend that tfjs does
 * not promise to keep, so that the version is pinned and everything is looked at once, at the start.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../errors.ts';
import type { DataType, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';

/** The same kernels, compiled twice: relaxed SIMD multiplies and adds in one instruction. Last bits may differ between the two. */
export const kernelVariants = {
  'relaxed-simd': { file: 'kernels-relaxed-simd.wasm', features: ['simd', 'relaxed-simd'] },
  simd: { file: 'kernels-simd.wasm', features: ['simd'] },
} as const;

export type KernelVariant = keyof typeof kernelVariants;

/** What the compiled module has: see assembly/index.ts. Arguments are addresses, sizes and factors. */
type Kernel = (...args: readonly number[]) => number;
type KernelName =
  | 'adamW'
  | 'areStarts'
  | 'attention'
  | 'attentionGradient'
  | 'countScratchBytes'
  | 'dropout'
  | 'embed'
  | 'embedGradient'
  | 'firstRows'
  | 'firstRowsGradient'
  | 'gate'
  | 'gateGradient'
  | 'gelu'
  | 'initialize'
  | 'layerNorm'
  | 'layerNormGradient'
  | 'logProbabilities'
  | 'logProbabilitiesGradient'
  | 'multiply'
  | 'product'
  | 'rmsNorm'
  | 'rmsNormGradient'
  | 'sumRows'
  | 'sumSquares'
  | 'turn';

export interface KernelMemory {
  readonly variant: KernelVariant;
  readonly call: Readonly<Record<KernelName, Kernel>>;
  /** A new tensor of floats, not yet set. */
  create<T extends Tensor = Tensor>(shape: readonly number[]): T;
  /** `windowSize` numbers at each of two addresses, for arrays from outside that are worked on a part after the other. */
  readonly windows: readonly [number, number];
  /** The address of room for so many numbers that stay, all 0; null where too much would be kept so (see `mostReserved`). */
  reserve(count: number): number | null;
  /** So many numbers as they are now: not to be kept, since the memory may move when it grows. */
  view(address: number, count: number): Float32Array;
  /** Where the numbers of a tensor are. @throws Error when it has not this shape and type: kernels trust the sizes that they are told */
  find(tensor: Tensor, shape: readonly number[], type?: DataType): number;
}

/** What is used of WebAssembly: TypeScript types it for browsers only. */
interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer;
}
declare const WebAssembly: {
  validate(module: Uint8Array): boolean;
  readonly Module: new (module: Uint8Array) => object;
  readonly Instance: new (module: object, imports: { env: { memory: WebAssemblyMemory } }) => { readonly exports: object };
  readonly Memory: new (description: { initial: number }) => WebAssemblyMemory;
};

/** The parts of tfjs's backend that are used here. */
interface Backend {
  readonly wasm: { readonly asm: { readonly memory: WebAssemblyMemory }; _malloc(bytes: number): number };
  makeOutput(shape: number[], type: DataType): TensorInfo;
  getMemoryOffset(dataId: object): number;
  incRef(dataId: object): void;
}

/** Small enough for a processor's second-level cache. */
export const windowSize = 16_384;

/** Bytes that are never given back: few beside the 4 GiB that the memory can have. */
const mostReserved = 64 * 2 ** 20;

/** By backend: what was opened, and what is used. */
const opened = new WeakMap<object, Map<KernelVariant, KernelMemory>>();
const used = new WeakMap<object, KernelMemory | null>();

/** The best variant that this processor's WebAssembly takes. */
export function findVariant(): KernelVariant {
  return WebAssembly.validate(readModule('relaxed-simd')) ? 'relaxed-simd' : 'simd';
}

/** The kernels that are used on the backend that computes; null where all is left to TensorFlow.js. */
export function getKernels(tf: TensorFlow): KernelMemory | null {
  return used.get(tf.backend()) ?? null;
}

/**
 * Which kernels are used from now on; null: those of TensorFlow.js.
 * @throws Error when what computes is not tfjs's WebAssembly backend as we know it
 */
export function useKernels(tf: TensorFlow, variant: KernelVariant | null): void {
  const backend = checkBackend(tf.backend());
  if (!used.has(backend)) shareClones(tf);
  used.set(backend, variant === null ? null : openKernels(tf, backend, variant));
}

/** Puts the kernels on the memory of the backend that computes, once. */
function openKernels(tf: TensorFlow, backend: Backend, variant: KernelVariant): KernelMemory {
  const known = opened.get(backend) ?? new Map<KernelVariant, KernelMemory>();
  opened.set(backend, known);
  const memory = known.get(variant) ?? createMemory(tf, backend, variant);
  known.set(variant, memory);
  return memory;
}

function readModule(variant: KernelVariant): Uint8Array {
  const path = join(import.meta.dirname, kernelVariants[variant].file);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure('unexpected', `${path} is not where the package has it`, { hint: 'Install the package again.', error });
  }
}

/** The backend, when it has what is used here. */
function checkBackend(backend: unknown): Backend {
  const found = backend as Partial<Backend>;
  const functions = [found.makeOutput, found.getMemoryOffset, found.incRef, found.wasm?._malloc];
  if (!(found.wasm?.asm?.memory instanceof WebAssembly.Memory) || functions.some((part) => typeof part !== 'function'))
    throw new Error("the WebAssembly backend of tfjs is not as expected: its memory or its functions can't be found");
  return backend as Backend;
}

/** tfjs copies the numbers of every tensor that a gradient saves. Tensors are never changed, and so a clone can share them. */
function shareClones(tf: TensorFlow): void {
  const backendName = tf.getBackend();
  tf.unregisterKernel('Identity', backendName);
  tf.registerKernel({
    kernelName: 'Identity',
    backendName,
    kernelFunc: ({ inputs, backend }) => {
      const { dataId, shape, dtype } = inputs['x']!;
      (backend as Backend).incRef(dataId);
      return { dataId, shape, dtype };
    },
  });
}

function createMemory(tf: TensorFlow, backend: Backend, variant: KernelVariant): KernelMemory {
  const { memory } = backend.wasm.asm;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readModule(variant)), { env: { memory } });
  const call = instance.exports as KernelMemory['call'];
  const bytes = call.countScratchBytes();
  const scratch = backend.wasm._malloc(bytes + 8 * windowSize);
  if (scratch === 0) throw new Error('allocation failed: no room for the working memory of the kernels');
  call.initialize(scratch);
  let reserved = 0;
  return {
    variant,
    call,
    windows: [scratch + bytes, scratch + bytes + 4 * windowSize],
    reserve(count) {
      if (reserved + 4 * count > mostReserved) return null;
      const address = backend.wasm._malloc(4 * count);
      if (address === 0) return null;
      reserved += 4 * count;
      new Float32Array(memory.buffer, address, count).fill(0);
      return address;
    },
    view: (address, count) => new Float32Array(memory.buffer, address, count),
    create: <T extends Tensor>(shape: readonly number[]) =>
      tf.engine().makeTensorFromTensorInfo(backend.makeOutput([...shape], 'float32')) as T,
    find(tensor, shape, type = 'float32') {
      const isSame = tensor.shape.length === shape.length && shape.every((size, i) => size === tensor.shape[i] && size > 0);
      if (!isSame || tensor.dtype !== type)
        throw new Error(`expected a tensor ${type} [${shape.join(', ')}], found ${tensor.dtype} [${tensor.shape.join(', ')}]`);
      const address = backend.getMemoryOffset(tensor.dataId);
      if (address === 0) throw new Error(`allocation failed: no room for a tensor [${shape.join(', ')}]`);
      return address;
    },
  };
}
