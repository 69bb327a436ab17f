/*
 * node .ci/random-model.ts FROM TO: copies a model's folder with random weights in place of the trained ones, drawn as BERT's are before
 * pre-training: N(0, 0.02²), LayerNorm 1 and 0, biases 0. The same weights each time.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { toNormals, toStreamKey } from '../src/lib/random.ts';
import { readSafetensorsIndex, writeSafetensors } from '../src/trainer/safetensors.ts';

const seed = 1;
const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('expected two arguments: the folder to copy and the new one');

cpSync(from, to, { recursive: true });
const { entries } = readSafetensorsIndex(join(from, 'model.safetensors'));
const tensors = [...entries].map(([name, { shape }]) => ({ name, shape, data: toInitial(name, toSize(shape)) }));
writeSafetensors(join(to, 'model.safetensors'), tensors);

function toSize(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function toInitial(name: string, size: number): Float32Array {
  if (name.endsWith('bias')) return new Float32Array(size);
  if (name.includes('LayerNorm')) return new Float32Array(size).fill(1);
  return toNormals(toStreamKey(seed, name), size, 0.02);
}
