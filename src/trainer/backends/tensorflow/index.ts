import { createNativeBackend } from '../native/index.ts';

/** TensorFlow for processors: kernels in machine code, on all cores. The optimizer takes one pass in JavaScript, where kernels take a dozen. */
export const tensorflow = createNativeBackend({
  id: 'tensorflow',
  package: '@tensorflow/tfjs-node',
  description: 'TensorFlow',
  memory: 'process',
});
