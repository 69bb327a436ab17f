/**
 * AdamW in kernels, for backends whose tensors are on a device: parameters, gradients and moments stay there, and two numbers a step
 * come back, the norm and whether all is finite. Computed in the backend's own precision.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import { freeGradients } from './network.ts';
import { createCoefficients, getClipFactor, type AdamW, type AdamWSettings, type Coefficients } from './optimizer.ts';

interface DeviceMoments {
  readonly m: Tensor;
  readonly v: Tensor;
}

/** The state of a parameter after an update. */
interface Updated extends DeviceMoments {
  readonly name: string;
  readonly after: Tensor;
}

export function createDeviceAdamW(tf: TensorFlow, settings: AdamWSettings): AdamW {
  const moments = new Map<string, DeviceMoments>();
  const replaceMoments = (name: string, { m, v }: DeviceMoments): void => {
    const old = moments.get(name);
    moments.set(name, { m: tf.keep(m), v: tf.keep(v) });
    old?.m.dispose();
    old?.v.dispose();
  };

  /** One parameter's part of an update; `factor` scales its gradient. */
  const computeUpdate = (name: string, before: Tensor, { gradient, factor, remaining, rate, correction }: Step): Updated => {
    const { beta1, beta2, epsilon } = settings;
    const own = moments.get(name);
    const [m, v] = [own?.m, own?.v].map((moment) => (moment ? tf.reshape(moment, before.shape) : tf.zerosLike(before))) as [Tensor, Tensor];
    const g = factor === 1 ? gradient : tf.mul(gradient, factor);
    const mean = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1));
    const square = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const change = tf.div(tf.mul(mean, rate), tf.add(tf.mul(tf.sqrt(square), correction), epsilon));
    const kept = remaining !== 1 ? tf.mul(before, remaining) : before;
    return { name, m: mean, v: square, after: tf.sub(kept, change) };
  };

  return {
    memory: 'device',
    step: 0,
    readMoments: () => new Map([...moments].map(([name, { m, v }]) => [name, { m: m.dataSync<'float32'>(), v: v.dataSync<'float32'>() }])),
    setMoments(stored) {
      for (const [name, { m, v }] of stored) replaceMoments(name, { m: tf.tensor1d(m), v: tf.tensor1d(v) });
    },
    update({ parameters, gradients, maxGradNorm, ...rates }) {
      const gradNorm = Math.sqrt(readSum(tf, [...gradients.values()], (gradient) => tf.sum(tf.square(gradient))));
      if (!Number.isFinite(gradNorm)) {
        freeGradients(gradients);
        return { gradNorm, isFinite: false };
      }
      const getCoefficients = createCoefficients(settings, ++this.step, rates);
      const factor = getClipFactor(gradNorm, maxGradNorm);
      let isFinite = false;
      tf.tidy(() => {
        const updated = [...gradients].map(([name, gradient]) =>
          computeUpdate(name, parameters.get(name)!, { ...getCoefficients(name), factor, gradient }),
        );
        // A number that is not finite gives NaN when it is multiplied by 0.
        isFinite = readSum(tf, updated.map(({ after }) => after), (after) => tf.sum(tf.mul(after, 0))) === 0; // prettier-ignore
        if (!isFinite) return;
        for (const { name, m, v, after } of updated) {
          replaceMoments(name, { m, v });
          parameters.get(name)!.dispose();
          parameters.set(name, tf.keep(after));
        }
      });
      freeGradients(gradients);
      return { gradNorm, isFinite };
    },
  };
}

interface Step extends Coefficients {
  readonly gradient: Tensor;
  readonly factor: number;
}

/** The sum of one number of each tensor, read in one go. Some devices cannot add more than a few tensors at once (`addN`). */
function readSum(tf: TensorFlow, tensors: readonly Tensor[], reduce: (tensor: Tensor) => Tensor): number {
  let sum = 0;
  tf.tidy(() => {
    sum = tf.sum(tf.stack(tensors.map(reduce))).dataSync()[0]!;
  });
  return sum;
}
