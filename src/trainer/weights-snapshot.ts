import type { Classifier } from './classifier.ts';

/** A copy of all parameters, in the layout of the computation. */
export type WeightsSnapshot = ReadonlyMap<string, Float32Array>;

export function keepWeights({ parameters }: Classifier): WeightsSnapshot {
  return new Map([...parameters].map(([name, tensor]) => [name, tensor.dataSync<'float32'>().slice()]));
}

/** Puts the copy in the place of the present parameters. */
export function restoreWeights({ tf, parameters }: Classifier, weights: WeightsSnapshot): void {
  for (const [name, values] of weights) {
    const present = parameters.get(name)!;
    parameters.set(name, tf.keep(tf.tensor(values, present.shape)));
    present.dispose();
  }
}
