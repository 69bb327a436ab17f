import { toStreamKey, toUint32 } from '../src/lib/random.ts';
import type { TensorFlow } from '../src/trainer/backends/index.ts';
import { createParameter } from '../src/trainer/engine/network.ts';
import { classification, type ClassifierNetwork } from '../src/trainer/tasks/classification/classifier.ts';
import { listParameters } from '../src/trainer/tasks/classification/head.ts';
import type { EncodedRow } from '../src/trainer/tasks/classification/rows.ts';
import type { ModelConfig } from '../src/trainer/families/index.ts';
import type { Ops } from '../src/trainer/engine/ops.ts';

const common = {
  family: 'bert',
  typeVocabSize: 2,
  layerNormEpsilon: 1e-12,
  hiddenDropout: 0.1,
  attentionDropout: 0.1,
  classifierDropout: 0.1,
  initializerRange: 0.02,
  padTokenId: 0,
} as const;

/** Encoders by name: the small model of the fixtures, and the shape of a small model that people use. */
export const shapes: Readonly<Record<string, ModelConfig>> = {
  'tiny-bert, 2 x 128': { ...common, layers: 2, hiddenSize: 128, heads: 2, intermediateSize: 512, vocabSize: 4096, maxPositions: 64 },
  'encoder, 6 x 384': { ...common, layers: 6, hiddenSize: 384, heads: 12, intermediateSize: 1536, vocabSize: 30_522, maxPositions: 512 },
};

/** A BERT of usual proportions, with the usual vocabulary. */
export function createShape(layers: number, hiddenSize: number): ModelConfig {
  const heads = hiddenSize === 384 ? 12 : hiddenSize / 64;
  return { ...common, layers, hiddenSize, heads, intermediateSize: 4 * hiddenSize, vocabSize: 30_522, maxPositions: 512 };
}

export const [batchSize, tokens] = [16, 32];

/** A classifier of this shape with numbers of no meaning in it: even ones in (-0.05, 0.05), norms of 1. */
export function createNetwork(tf: TensorFlow, config: ModelConfig, ops: Ops): ClassifierNetwork {
  const labels = ['a', 'b'];
  const parameters = listParameters(config, labels.length).map((spec) => {
    const [key, size] = [toStreamKey(1, spec.name), spec.shape.reduce((product, count) => product * count, 1)];
    const toNumber = spec.name.endsWith('LayerNorm.weight') ? () => 1 : (i: number) => (toUint32(key, i) / 2 ** 32 - 0.5) / 10;
    const numbers = Float32Array.from({ length: size }, (_, i) => toNumber(i));
    return [spec.name, tf.keep(createParameter(tf, spec, numbers))] as const;
  });
  return { tf, ops, config, task: classification, labels, parameters: new Map(parameters), isTrainable: () => true };
}

/** Texts without meaning, all of one length. */
export function createRows({ vocabSize }: ModelConfig, sizes = { rows: batchSize, tokens }): EncodedRow[] {
  return Array.from({ length: sizes.rows }, (_, row) => {
    const key = toStreamKey(2, 'row', row);
    const ids = Array.from({ length: sizes.tokens }, (_, i) => toUint32(key, i) % vocabSize);
    return { ids, typeIds: ids.map(() => 0), label: row % 2 };
  });
}
