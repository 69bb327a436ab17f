/** The list of what can compute. Names, settings, the doctor's checks and the bundle's files come from it. */
import { Failure } from '../../errors.ts';
import type { KernelVariant } from '../kernels/index.ts';
import type { Backend, TensorFlow } from './backend.ts';
import { cpu } from './cpu/index.ts';
import { tensorflow } from './tensorflow/index.ts';
import { tensorflowGpu } from './tensorflow-gpu/index.ts';
import { wasm } from './wasm/index.ts';
import { webgpu } from './webgpu/index.ts';
import { wasmPortable } from './wasm-portable/index.ts';

export type { Backend, BackendDescription, TensorFlow } from './backend.ts';
export { folderSetting, getInstallFolder, placeSettings, tfjsVersion } from './native/find-package.ts';

/** A further backend is a folder beside these and an entry here. The first one is used where nobody chooses. */
export const backends = [wasm, wasmPortable, cpu, tensorflow, tensorflowGpu, webgpu] as const satisfies readonly Backend[];

export type BackendName = (typeof backends)[number]['id'];

export const backendNames: readonly BackendName[] = backends.map(({ id }) => id);

export const defaultBackend: BackendName = backends[0].id;

export function isBackendName(name: string | undefined): name is BackendName {
  return backendNames.some((known) => known === name);
}

export function getBackend(name: BackendName): Backend {
  return backends.find(({ id }) => id === name)!;
}

/**
 * Starts a backend and makes it the one that computes, with these kernels of our own (see `chooseKernels`) or without (null); by default
 * with the fastest ones, and with as many threads as it has.
 *
 * @throws Failure `unexpected` when it cannot be started
 */
export async function startBackend(
  name: BackendName,
  kernels = getBackend(name).findKernels(),
  threads = getBackend(name).threads,
): Promise<TensorFlow> {
  const { check, load, hint } = getBackend(name);
  const problem = check();
  const tf = problem === null ? await load(kernels, threads) : null;
  if (tf === null)
    throw new Failure('unexpected', `the backend "${name}" could not be started${problem === null ? '' : `: ${problem}`}`, { hint });
  return tf;
}

/**
 * The kernels for a training: a new one gets the fastest ones, and one that was begun before keeps those that it began with, so that its
 * bits stay what they are. Where this machine does not have those, it gets the ones that there are.
 */
export function chooseKernels(
  name: BackendName,
  begun: { readonly backend: string; readonly kernels?: KernelVariant | null | undefined } | null,
): KernelVariant | null {
  const fastest = getBackend(name).findKernels();
  if (begun === null || begun.backend !== name) return fastest;
  const own = begun.kernels ?? null; // before there were any, nothing was said about them
  return own === 'relaxed-simd' ? fastest : own;
}
