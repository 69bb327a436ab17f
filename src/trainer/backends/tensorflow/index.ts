import { createNativeBackend } from '../native/index.ts';

/** TensorFlow for processors: kernels in machine code, on all cores. */
export const tensorflow = createNativeBackend({ id: 'tensorflow', package: '@tensorflow/tfjs-node', description: 'TensorFlow' });
