import type { TensorFlow } from '../backends/index.ts';
import { adamW, sumSquares, type KernelMoments } from '../kernels/adamw.ts';
import type { KernelMemory } from '../kernels/index.ts';
import { freeGradients } from './network.ts';
import { createCoefficients, getClipFactor, type AdamW, type AdamWSettings, type Moments } from './optimizer.ts';

interface Averages {
  readonly size: number;
  readonly values: KernelMoments;
}

/**
 * AdamW in one pass over each parameter, in single precision as PyTorch has it. The moments of a small model stay in the backend's memory.
 * Those of a large one wait outside: that memory is 4 GiB at most, and they take twice as much as the parameters.
 */
export function createKernelAdamW(tf: TensorFlow, memory: KernelMemory, settings: AdamWSettings): AdamW {
  const moments = new Map<string, Averages>();
  const findMoments = (name: string, size: number): Averages => {
    const own = moments.get(name) ?? { size, values: createMoments(memory, size) };
    moments.set(name, own);
    return own;
  };
  return {
    memory: 'process',
    step: 0,
    readMoments: () =>
      new Map(
        [...moments].map(([name, own]) => {
          const { m, v } = findNumbers(memory, own);
          return [name, { m: m.slice(), v: v.slice() }];
        }),
      ),
    setMoments(stored) {
      for (const [name, { m, v }] of stored) {
        const { m: toM, v: toV } = findNumbers(memory, findMoments(name, m.length));
        toM.set(m);
        toV.set(v);
      }
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
        const { values } = findMoments(name, before.size);
        const result = adamW(memory, { before, gradient, ...values }, { ...settings, ...getCoefficients(name), clip });
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

function createMoments(memory: KernelMemory, size: number): KernelMoments {
  const m = memory.reserve(2 * size);
  return m === null ? { m: new Float32Array(size), v: new Float32Array(size) } : { m, v: m + 4 * size };
}

/** The averages themselves, wherever they are; not to be kept, since the kernels' memory may move. */
function findNumbers({ view }: KernelMemory, { size, values: { m, v } }: Averages): Moments {
  const find = (average: Float32Array | number): Float32Array => (typeof average === 'number' ? view(average, size) : average);
  return { m: find(m), v: find(v) };
}
