import type { TensorFlow } from '../backends/index.ts';
import { adamW, sumSquares } from '../kernels/calls.ts';
import type { KernelMemory } from '../kernels/index.ts';
import { freeGradients } from './network.ts';
import { createCoefficients, getClipFactor, type AdamW, type AdamWSettings, type Moments } from './optimizer.ts';

/**
 * AdamW in one pass over each parameter, in single precision as PyTorch has it. The moments wait outside of the backend's memory, which is
 * 4 GiB at most: there they would take twice as much as the parameters.
 */
export function createKernelAdamW(tf: TensorFlow, memory: KernelMemory, settings: AdamWSettings): AdamW {
  const moments = new Map<string, Moments>();
  return {
    memory: 'process',
    step: 0,
    readMoments: () => moments,
    setMoments(stored) {
      for (const [name, pair] of stored) moments.set(name, pair);
    },
    update({ parameters, gradients, maxGradNorm, ...rates }) {
      const gradNorm = Math.sqrt([...gradients.values()].reduce((sum, gradient) => sum + sumSquares(memory, gradient), 0));
      if (!Number.isFinite(gradNorm)) {
        freeGradients(gradients);
        return { gradNorm, isFinite: false };
      }
      const getCoefficients = createCoefficients(settings, ++this.step, rates);
      const clip = getClipFactor(gradNorm, maxGradNorm);
      const updated = [...gradients].map(([name, gradient]) => {
        const before = parameters.get(name)!;
        const own = moments.get(name) ?? { m: new Float32Array(before.size), v: new Float32Array(before.size) };
        moments.set(name, own);
        const result = adamW(memory, { before, gradient, ...own }, { ...settings, ...getCoefficients(name), clip });
        gradient.dispose(); // the next parameter may have its place
        return { name, ...result };
      });
      const isFinite = updated.every((one) => one.isFinite);
      for (const { name, after } of updated) {
        (isFinite ? parameters.get(name)! : after).dispose();
        if (isFinite) parameters.set(name, tf.keep(after));
      }
      return { gradNorm, isFinite };
    },
  };
}
