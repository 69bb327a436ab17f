/** A language model of a folder as one file in the format GGUF, which llama.cpp and Ollama run. */
import { join } from 'node:path';
import { Failure } from '../../errors.ts';
import { writeAtomic, type WrittenFile } from '../../lib/fs.ts';
import { readJsonObject } from '../../lib/json.ts';
import { findWeightFiles, maxConfigBytes } from '../model-folder.ts';
import { readSafetensorsIndex } from '../safetensors.ts';
import { buildGguf, type GgufTensor, type Metadata } from './format.ts';
import { listNetworkMetadata, listTensors, parseLlamaConfig } from './network.ts';
import { readGgufTokenizer } from './tokenizer.ts';

export interface GgufSource {
  /** As transformers saves a model. */
  readonly folder: string;
  /** What users of the file see. */
  readonly name: string;
}

export interface WrittenGguf extends WrittenFile {
  readonly tensors: number;
  /** How many numbers the model is made of. */
  readonly parameters: number;
  /** What llama.cpp does otherwise, for people. */
  readonly warnings: readonly string[];
}

/**
 * Writes matrices as F16 and vectors as F32, as llama.cpp's own converter does with `--outtype f16`. The file is there whole or not at all; a
 * few megabytes of the model are in memory at a time.
 *
 * @throws Failure `file-missing`, `model-invalid` for a folder that is broken, of another family, or whose numbers F16 cannot hold; and of
 *   `writeAtomic`
 */
export async function writeGguf({ folder, name }: GgufSource, path: string): Promise<WrittenGguf> {
  const configPath = join(folder, 'config.json');
  const config = parseLlamaConfig(readJsonObject(configPath, 'model configuration', maxConfigBytes), configPath);
  const weights = findWeightFiles(folder).map((file) => readSafetensorsIndex(join(folder, file)));
  const tensors = listTensors(config, weights);
  const tokenizer = readGgufTokenizer(folder, config.vocabSize);
  const metadata: Metadata = [
    ['general.architecture', ['string', config.family]],
    ['general.type', ['string', 'model']],
    ['general.name', ['string', name]],
    ['general.file_type', ['uint32', 1]], // mostly F16
    ['general.quantization_version', ['uint32', 2]],
    ...listNetworkMetadata(config),
    ...tokenizer.metadata,
  ];
  const written = await writeAtomic(path, buildGguf(metadata, tensors, refuseNumber), 'GGUF file');
  return { ...written, tensors: tensors.length, parameters: countParameters(tensors), warnings: tokenizer.warnings };
}

function refuseNumber({ source, shape }: GgufTensor, value: number, place: number): never {
  const width = shape[1] ?? 1;
  const where = `row ${Math.floor(place / width)}, column ${place % width}`;
  throw new Failure('model-invalid', `${source}: F16 holds numbers between -65504 and 65504, found ${value} in ${where}`, {
    hint: Number.isFinite(value)
      ? 'llama.cpp’s convert_hf_to_gguf.py with --outtype bf16 or f32 writes such a model'
      : 'the training has failed: train again with a lower learning rate',
  });
}

function countParameters(tensors: readonly GgufTensor[]): number {
  const own = tensors.filter(({ name }) => name !== 'rope_freqs.weight');
  return own.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}
