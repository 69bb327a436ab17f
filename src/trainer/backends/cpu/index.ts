import type { Backend } from '../backend.ts';

/** Plain JavaScript: slow, on any machine. The reference for the kernels of the others. */
export const cpu = {
  id: 'cpu',
  description: 'plain JavaScript, slow',
  hint: 'install the package again',
  precision: 'float32',
  threads: 1,
  memory: 'process',
  assets: [],
  check: () => null,
  findKernels: () => null,
  async load() {
    const [{ startTfjs }] = await Promise.all([import('../tfjs.ts'), import('@tensorflow/tfjs-backend-cpu')]);
    return await startTfjs('cpu');
  },
} as const satisfies Backend;
