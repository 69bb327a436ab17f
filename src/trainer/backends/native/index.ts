/** What the backends on TensorFlow have in common: the same kernels, from packages that were compiled for different devices. */
import { availableParallelism } from 'node:os';
import type { Backend, TensorFlow } from '../backend.ts';
import { explainAbsence, findPackage, requirePackage } from './find-package.ts';

interface NativeSettings<Id extends string> {
  readonly id: Id;
  /** The npm package that has it. */
  readonly package: string;
  readonly description: string;
  readonly memory: Backend['memory'];
}

/** What its kernel backend says of itself. */
interface NativeKernelBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

export function createNativeBackend<const Id extends string>({
  id,
  package: name,
  description,
  memory,
}: NativeSettings<Id>): NativeBackend<Id> {
  return {
    id,
    description,
    hint: `\`orchestrate doctor --install ${id}\` builds it on this machine; docs/backends.md has other ways`,
    isOptional: true,
    precision: 'float32',
    threads: availableParallelism(),
    memory,
    assets: [],
    check: (setting) => explainAbsence(name, id, setting),
    findKernels: () => null,
    async load(_kernels, threads) {
      const found = findPackage(name, id);
      if (found === null) return null;
      const { startTfjs } = await import('../tfjs.ts');
      process.env['TF_NUM_INTRAOP_THREADS'] = String(threads); // the bits of a sum depend on it
      // It prints which instructions of the processor it does not use; with CUDA also errors that are none.
      process.env['TF_CPP_MIN_LOG_LEVEL'] ??= memory === 'device' ? '3' : '2';
      return await startTfjs('tensorflow', () => void requirePackage(found));
    },
    describe(tf) {
      const { isUsingGpuDevice, binding } = tf.backend() as unknown as NativeKernelBackend;
      const found = findPackage(name, id);
      const device = isUsingGpuDevice ? 'GPU' : 'CPU';
      const warning = memory === 'device' && device === 'CPU' ? `${id} sees no GPU here: it computes on the CPU` : null;
      return { device, warning, version: `TensorFlow ${binding.TF_Version}, ${name} ${found?.version}`, folder: found?.folder ?? '' };
    },
  };
}

export interface NativeBackend<Id extends string> extends Backend {
  readonly id: Id;
  readonly threads: number;
  describe(tf: TensorFlow): NonNullable<ReturnType<NonNullable<Backend['describe']>>>;
}
