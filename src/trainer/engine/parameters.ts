/** A model's parameters by their Hugging Face names, and where its weight files have them. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { Failure } from '../../errors.ts';
import { formatName } from '../../lib/text.ts';
import { isWidened, type SafetensorsIndex } from '../safetensors.ts';

/** Live tensors by name. The optimizer replaces them; all holders of the map see the newest. */
export type Parameters = Map<string, Tensor>;

export interface ParameterSpec {
  readonly name: string;
  /** As the weight file has it: a linear map's is [out, in]. */
  readonly shape: readonly number[];
  /** Kept transposed in memory, [in, out]: the weight of a linear map. */
  readonly isLinear: boolean;
  /** The weight of a linear map that its file has as [in, out] already; absent: `isLinear` says whether it is one. */
  readonly isMap?: true;
}

/** Which tensors of the weight files are the parameters of a model. */
export interface ParameterRules {
  readonly specs: readonly ParameterSpec[];
  /** What a stored name is called in `specs`. */
  readonly toCanonicalName: (stored: string) => string;
  /** Whether a tensor of this canonical name has no meaning for the model. */
  readonly isIgnored: (name: string) => boolean;
  /** Parameters that the files may lack, all of them together: they are drawn anew then. */
  readonly optional: readonly string[];
}

/** Where a parameter is stored: in which file, under which name. */
export interface FoundParameter {
  readonly index: SafetensorsIndex;
  readonly stored: string;
}

/**
 * Finds each parameter of `specs` in the headers of the weight files, by name; those of `optional` may be absent. No numbers are read.
 *
 * @throws Failure `model-invalid` when a tensor is missing, has another shape or holds no floats, occurs twice, or is not expected and
 *   `isIgnored` does not know it
 */
export function findParameters(
  weights: readonly SafetensorsIndex[],
  { specs: all, toCanonicalName, isIgnored, optional }: ParameterRules,
): Map<string, FoundParameter> {
  const found = findTensors(weights, toCanonicalName);
  const isWithout = optional.length > 0 && !optional.some((name) => found.has(name));
  const specs = isWithout ? all.filter(({ name }) => !optional.includes(name)) : all;
  const wanted = new Set(specs.map((spec) => spec.name));
  for (const [name, { index, stored }] of found) {
    if (wanted.has(name) || isIgnored(name)) continue;
    throw new Failure(
      'model-invalid',
      `${index.path}: tensor ${formatName(stored)} is not part of this model: expected ${wanted.size} tensors from ${specs[0]?.name}`,
      { hint: 'The configuration and the weights do not belong together, or the model has parts that are not supported.' },
    );
  }
  for (const spec of specs) {
    const tensor = found.get(spec.name);
    if (!tensor) {
      throw new Failure('model-invalid', `${weights[0]?.path}: tensor ${spec.name} [${spec.shape.join(', ')}] is missing`, {
        hint: 'Save the model again with all its weights.',
      });
    }
    checkTensor(tensor, spec);
  }
  return new Map(specs.map(({ name }) => [name, found.get(name)!]));
}

function checkTensor({ index, stored }: FoundParameter, { shape }: ParameterSpec): void {
  const { shape: storedShape, dtype } = index.entries.get(stored)!;
  const source = `${index.path}: tensor ${formatName(stored)}`;
  if (storedShape.join() !== shape.join()) {
    throw new Failure('model-invalid', `${source}: config.json says [${shape.join(', ')}], found [${storedShape.join(', ')}]`, {
      hint: 'The configuration and the weights do not belong together: download the model again.',
    });
  }
  if (!isWidened(dtype)) {
    throw new Failure('model-invalid', `${source}: expected F32, F16 or BF16, found ${dtype}`, {
      hint: 'Save the model again in one of these types.',
    });
  }
}

function findTensors(
  weights: readonly SafetensorsIndex[],
  toCanonicalName: ParameterRules['toCanonicalName'],
): Map<string, FoundParameter> {
  const found = new Map<string, FoundParameter>();
  for (const index of weights) {
    for (const stored of index.entries.keys()) {
      const name = toCanonicalName(stored);
      const other = found.get(name);
      if (other)
        throw new Failure(
          'model-invalid',
          `${index.path}: tensor ${formatName(stored)} is also in ${other.index.path}, as ${formatName(other.stored)}`,
        );
      found.set(name, { index, stored });
    }
  }
  return found;
}
