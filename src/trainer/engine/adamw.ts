/**
 * AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), computed as PyTorch does. State is kept by
 * parameter name.
 *
 * There are three ways to compute it. Where the backend has kernels of our own, one of them does it (`adamw-on-kernels.ts`). Where tensors are in this process, the arithmetic runs on their numbers in double precision,
 * rounded to float32 once for each number: one pass, where kernels would need a dozen, and the same on every such backend. Where they
 * are on a device they stay there (`adamw-on-device.ts`). The backend alone decides, so that a resumed training computes as before.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Backend, TensorFlow } from '../backends/index.ts';
import { getKernels } from '../kernels/index.ts';
import { createDeviceAdamW } from './adamw-on-device.ts';
import { createKernelAdamW } from './adamw-on-kernels.ts';
import { freeGradients } from './network.ts';
import {
  createCoefficients,
  getClipFactor,
  type AdamW,
  type AdamWSettings,
  type Moments,
  type Update,
  type UpdateInput,
} from './optimizer.ts';

/** The optimizer for a backend whose tensors are in `memory`. */
export function createAdamW(tf: TensorFlow, settings: AdamWSettings, memory: Backend['memory']): AdamW {
  const kernels = getKernels(tf);
  if (kernels) return createKernelAdamW(tf, kernels, settings);
  return memory === 'device' ? createDeviceAdamW(tf, settings) : createProcessAdamW(tf, settings);
}

function createProcessAdamW(tf: TensorFlow, settings: AdamWSettings): AdamW {
  const moments = new Map<string, Moments>();
  return {
    memory: 'process',
    step: 0,
    readMoments: () => moments,
    setMoments(stored) {
      for (const [name, pair] of stored) moments.set(name, pair);
    },
    update({ parameters, gradients, maxGradNorm, ...rates }: UpdateInput): Update {
      const arrays = new Map([...gradients].map(([name, gradient]) => [name, gradient.dataSync<'float32'>()]));
      freeGradients(gradients);
      const gradNorm = computeGradientNorm(arrays.values());
      if (!Number.isFinite(gradNorm)) return { gradNorm, isFinite: false };
      const factor = getClipFactor(gradNorm, maxGradNorm);
      const getCoefficients = createCoefficients(settings, ++this.step, rates);
      const updated: [string, Tensor, Float32Array][] = [];
      for (const [name, gradient] of arrays) {
        const parameter = parameters.get(name)!;
        const own = moments.get(name) ?? { m: new Float32Array(gradient.length), v: new Float32Array(gradient.length) };
        moments.set(name, own);
        const before = parameter.dataSync<'float32'>();
        const after = computeUpdate(settings, { before, gradient, moments: own, factor, ...getCoefficients(name) });
        if (!after) return { gradNorm, isFinite: false };
        updated.push([name, parameter, after]);
      }
      for (const [name, parameter, after] of updated) {
        parameters.set(name, tf.keep(tf.tensor(after, parameter.shape)));
        parameter.dispose();
      }
      return { gradNorm, isFinite: true };
    },
  };
}

/** Euclidean norm of all gradients together. */
export function computeGradientNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

interface ParameterUpdate {
  readonly before: Float32Array;
  readonly gradient: Float32Array;
  readonly moments: Moments;
  readonly factor: number;
  readonly remaining: number;
  readonly rate: number;
  readonly correction: number;
}

/** The new numbers of a parameter; null where one of them is not finite. The moments are changed in place. */
function computeUpdate(
  { beta1, beta2, epsilon }: AdamWSettings,
  { before, gradient, moments: { m, v }, factor, remaining, rate, correction }: ParameterUpdate,
): Float32Array | null {
  const after = new Float32Array(before.length);
  let finite = 0; // becomes NaN with the first number that is not finite
  for (let i = 0; i < after.length; i++) {
    const g = factor * gradient[i]!;
    const mean = (m[i] = beta1 * m[i]! + (1 - beta1) * g);
    const square = (v[i] = beta2 * v[i]! + (1 - beta2) * g * g);
    after[i] = remaining * before[i]! - (rate * mean) / (Math.sqrt(square) * correction + epsilon);
    finite += 0 * after[i]!;
  }
  return Number.isNaN(finite) ? null : after;
}
