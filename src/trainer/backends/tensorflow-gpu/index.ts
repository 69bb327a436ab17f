import { createNativeBackend } from '../native/index.ts';

/** TensorFlow for a graphics card of NVIDIA. Where it sees none, it computes on the processor. */
export const tensorflowGpu = createNativeBackend({
  id: 'tensorflow-gpu',
  package: '@tensorflow/tfjs-node-gpu',
  description: 'TensorFlow with CUDA',
  memory: 'device',
});
