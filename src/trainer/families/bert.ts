/**
 * BERT (Devlin et al. 2019): a stack of Transformer layers over word, position and type vectors, normalised after each part, with a
 * classifier on the pooled first token.
 *
 * B texts of S positions, M = B * S, H numbers a position.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import {
  buildBertConfigJson,
  computeBertLayers,
  computeEmbedded,
  isBuffer,
  listBertLayers,
  listEmbedded,
  parseBertConfig,
  toBertName,
} from './bert-like.ts';
import { computeLinear, listLinear } from './encoder.ts';
import type { Family, FamilyNetwork, ModelConfig } from './family.ts';

/** The pooled first token of each text, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork, batch: Batch, next: NextDropout | null): Tensor2D {
  const embedded = computeEmbedded(network, 'bert', { batch, next }); // [M, H]
  const first = computeBertLayers(network, 'bert', { batch, next, embedded }); // [B, H]
  return network.ops.tanh(computeLinear(network, 'bert.pooler.dense', { x: first, next }));
}

function listParameters(config: ModelConfig): ParameterSpec[] {
  const { hiddenSize: H, vocabSize: words, maxPositions: positions, typeVocabSize: types } = config;
  return [
    ...listEmbedded('bert', { words, positions, types, width: H }),
    ...listBertLayers('bert', config),
    ...listLinear('bert.pooler.dense', H, H),
  ];
}

/** The heads of pre-training and of other tasks have no meaning for a classifier. */
function isIgnored(name: string): boolean {
  return isBuffer('bert', name) || /^(cls|qa_outputs)\./.test(name);
}

export const bert: Family = {
  parseConfig: (json, path) => parseBertConfig(json, path, { family: 'bert', padTokenId: 0 }),
  buildConfigJson: (config) => buildBertConfigJson(config, 'BertForSequenceClassification'),
  listParameters,
  prefix: 'bert',
  head: 'classifier',
  loraTargets: ['query', 'value'],
  // A masked-language model (BertForMaskedLM) has no pooler.
  optional: ['bert.pooler.dense.weight', 'bert.pooler.dense.bias'],
  toCanonicalName: (stored) => toBertName('bert', stored),
  isIgnored,
  takesCompact: true,
  computeFeatures,
};
