/** A model's parameters by their Hugging Face names, and the way from weight files to tensors and back. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { Failure } from '../failure.ts';
import { readTensor, type SafetensorsIndex } from '../model-files/safetensors.ts';
import type { TensorToWrite } from '../model-files/write-safetensors.ts';
import type { TensorFlow } from './backend.ts';

export interface ParameterSpec {
  readonly name: string;
  /** As the weight file has it: a linear map's is [out, in]. */
  readonly shape: readonly number[];
  /** Kept transposed in memory, [in, out]: the weight of a linear map. */
  readonly isLinear: boolean;
}

/** Live tensors by name. The optimizer replaces them; whoever holds the map sees the newest. */
export type Parameters = Map<string, Tensor>;

/** Finds the stored name of a parameter's tensor: an exact match of what `toCanonicalName` makes of the names in the files. */
export type CanonicalName = (stored: string) => string;

/**
 * Reads the parameters that `specs` lists from weight files, widened to float32.
 *
 * @throws Failure `model-invalid` when a tensor is missing, has another shape, occurs twice, or is not expected and `isIgnored` does not know it
 */
export function readParameters(
  tf: TensorFlow,
  weights: readonly SafetensorsIndex[],
  rules: {
    readonly specs: readonly ParameterSpec[];
    readonly toCanonicalName: CanonicalName;
    readonly isIgnored: (name: string) => boolean;
  },
): Parameters {
  const found = findTensors(weights, rules.toCanonicalName);
  const wanted = new Set(rules.specs.map((spec) => spec.name));
  for (const [name, { index, stored }] of found) {
    if (!wanted.has(name) && !rules.isIgnored(name)) {
      throw new Failure(
        'model-invalid',
        `${index.path}: tensor ${stored} is not part of this model: expected ${wanted.size} tensors from ${rules.specs[0]?.name}`,
        {
          hint: 'The configuration and the weights do not belong together, or the model has parts that are not supported.',
        },
      );
    }
  }
  // All shapes are checked before the first tensor is read.
  for (const { name, shape } of rules.specs) {
    const tensor = found.get(name);
    if (!tensor) throw new Failure('model-invalid', `${weights[0]?.path}: tensor ${name} [${shape.join(', ')}] is missing`);
    const stored = tensor.index.entries.get(tensor.stored)!.shape;
    if (stored.join() !== shape.join()) {
      throw new Failure(
        'model-invalid',
        `${tensor.index.path}: tensor ${tensor.stored}: config.json says [${shape.join(', ')}], found [${stored.join(', ')}]`,
      );
    }
  }
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

function findTensors(
  weights: readonly SafetensorsIndex[],
  toCanonicalName: CanonicalName,
): Map<string, { index: SafetensorsIndex; stored: string }> {
  const found = new Map<string, { index: SafetensorsIndex; stored: string }>();
  for (const index of weights) {
    for (const stored of index.entries.keys()) {
      const name = toCanonicalName(stored);
      const other = found.get(name);
      if (other) throw new Failure('model-invalid', `${index.path}: tensor ${stored} is also in ${other.index.path}, as ${other.stored}`);
      found.set(name, { index, stored });
    }
  }
  return found;
}
