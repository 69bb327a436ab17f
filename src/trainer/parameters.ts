/** A model's parameters by their Hugging Face names, and the way from weight files to tensors and back. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { findParameters, type ParameterRules, type ParameterSpec } from '../model-files/find-parameters.ts';
import { readTensor, type SafetensorsIndex } from '../model-files/safetensors.ts';
import type { TensorToWrite } from '../model-files/write-safetensors.ts';
import type { TensorFlow } from './backend.ts';

/** Live tensors by name. The optimizer replaces them; whoever holds the map sees the newest. */
export type Parameters = Map<string, Tensor>;

/**
 * Reads the parameters that `rules` lists from weight files, widened to float32. Names, shapes and types are checked before the first
 * tensor is read.
 *
 * @throws Failure as `findParameters` and `readTensor`
 */
export function readParameters(tf: TensorFlow, weights: readonly SafetensorsIndex[], rules: ParameterRules): Parameters {
  const found = findParameters(weights, rules);
  return new Map(
    rules.specs.map((spec) => {
      const { index, stored } = found.get(spec.name)!;
      return [spec.name, toParameter(tf, spec, readTensor(index, stored))];
    }),
  );
}

/** A tensor in the layout of the computation from numbers in the layout of the weight file. */
export function toParameter(tf: TensorFlow, { shape, isLinear }: ParameterSpec, data: Float32Array): Tensor {
  return tf.tidy(() => (isLinear ? tf.transpose(tf.tensor2d(data, [shape[0]!, shape[1]!])) : tf.tensor(data, [...shape])));
}

/** The parameters in the layout of the weight file, copied. */
export function toTensorsToWrite(tf: TensorFlow, specs: readonly ParameterSpec[], parameters: Parameters): TensorToWrite[] {
  return specs.map(({ name, shape, isLinear }) => ({ name, shape, data: toStoredLayout(tf, parameters.get(name)!, isLinear) }));
}

/** Numbers of a parameter, or of its gradient, in the layout of the weight file, copied. */
export function toStoredLayout(tf: TensorFlow, tensor: Tensor, isLinear: boolean): Float32Array {
  return tf.tidy(() => (isLinear ? tf.transpose(tensor) : tensor).dataSync<'float32'>().slice());
}
