import type * as tfjs from '@tensorflow/tfjs-core';
import type { KernelVariant } from '../kernels/index.ts';

/** The library as the engine sees it; each backend brings its own kernels. */
export type TensorFlow = typeof tfjs;

/** A setting of the user by its name, such as `HOME`; null where there is none. */
export type Setting = (name: string) => string | null;

export interface BackendDescription {
  readonly device: 'CPU' | 'GPU';
  /** What somebody who chose this backend does not expect; else null. */
  readonly warning: string | null;
  readonly version: string;
  /** Where its package is. */
  readonly folder: string;
}

/** What computes. Its library is loaded when it is started, so that the list of backends can be read without it. */
export interface Backend {
  readonly id: string;
  /** For people: what it is, and what to do where it does not start. */
  readonly description: string;
  readonly hint: string;
  /** Not a part of this program: the user installs it. `auto` takes it where it is there, and faster than the first one of the list. */
  readonly isOptional?: boolean;
  /** Tried too little for `auto` to take it. */
  readonly isExperimental?: boolean;
  /** The type of the numbers in its tensors. */
  readonly precision: 'float32';
  /** How many threads compute at once. */
  readonly threads: number;
  /**
   * Where its tensors are: in this process, where reading their numbers costs no more than a copy; or on a device, where they should
   * stay from step to step. The optimizer is chosen by it (see `createAdamW`).
   */
  readonly memory: 'process' | 'device';
  /** Files that its library reads at run time, by their package: they must lie beside a bundle of this program. */
  readonly assets: readonly { readonly folder: string; readonly ending: string }[];
  /** Why it cannot be started on this machine, as far as that can be told without its library; else null. */
  check(setting?: Setting): string | null;
  /** Which kernels of our own are the fastest on this machine; null where it has none, and computes with those of TensorFlow.js alone. */
  findKernels(): KernelVariant | null;
  /** What computes, once it is loaded; absent: the same on every machine. */
  describe?(tf: TensorFlow): BackendDescription;
  /**
   * Loads the library and makes this backend the one that computes; null where it does not start. `threads`: how many may compute, where
   * the backend has more than one.
   */
  load(kernels: KernelVariant | null, threads: number): Promise<TensorFlow | null>;
}
