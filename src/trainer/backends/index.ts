/**
 * The list of what can compute. Names, settings and the doctor's checks come from it. A backend's library is loaded when it is
 * started, so that the list can be imported without it.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import { Failure } from '../../errors.ts';

/** The library as the engine sees it; each backend brings its own kernels. */
export type TensorFlow = typeof tfjs;

interface Backend {
  readonly id: string;
  /** For people: what computes, and what to do where it does not start. */
  readonly description: string;
  readonly hint: string;
  /** Loads the library and makes this backend the one that computes; null where it does not start. */
  load(): Promise<TensorFlow | null>;
}

export const backends = [
  {
    id: 'wasm',
    description: 'WebAssembly with SIMD',
    hint: 'needs a processor with SIMD and a whole installation: install the package again',
    load: async () => await (await import('./tfjs.ts')).loadTfjs('wasm'),
  },
  {
    id: 'cpu',
    description: 'plain JavaScript, slow',
    hint: 'install the package again',
    load: async () => await (await import('./tfjs.ts')).loadTfjs('cpu'),
  },
] as const satisfies readonly Backend[];

export type BackendName = (typeof backends)[number]['id'];

export const backendNames: readonly BackendName[] = backends.map(({ id }) => id);

/** The one that is used where nobody chooses. */
export const defaultBackend: BackendName = backends[0].id;

export function isBackendName(name: string | undefined): name is BackendName {
  return backendNames.some((known) => known === name);
}

/** Starts a backend and makes it the one that computes. @throws Failure `unexpected` when it cannot be started */
export async function startBackend(name: BackendName): Promise<TensorFlow> {
  const tf = await backends.find(({ id }) => id === name)!.load();
  if (tf === null) throw new Failure('unexpected', `the backend "${name}" could not be started`);
  return tf;
}

/** Returns what `compute` returns, which must hold plain data only: every tensor that it made is freed. */
export function computeAndFree<T>(tf: TensorFlow, compute: () => T): T {
  const results: T[] = [];
  tf.tidy(() => {
    results.push(compute());
  });
  return results[0]!;
}
