import { isWidened, readSafetensorsIndex, readTensor, type TensorDtype } from '../../src/trainer/safetensors.ts';

/** A tensor's numbers as float32, row by row; null where the file holds integers, booleans, or floats that are not widened exactly. */
export interface StoredTensor {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly data: Float32Array | null;
}

/** All tensors of a safetensors file by name. */
export function readTensors(path: string): Map<string, StoredTensor> {
  const index = readSafetensorsIndex(path);
  return new Map(
    [...index.entries].map(([name, { dtype, shape }]) => [name, { dtype, shape, data: isWidened(dtype) ? readTensor(index, name) : null }]),
  );
}
