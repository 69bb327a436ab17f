/**
 * ELECTRA (Clark et al. 2020): BERT whose tables may be narrower than its layers, with a classifier of two layers on the first token.
 *
 * B texts of S positions, M = B * S, H numbers a position, E of a table's row.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
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
import { computeLinear, listLinear, whole } from './encoder.ts';
import type { Family, FamilyNetwork, ModelConfig } from './family.ts';

interface ElectraConfig extends ModelConfig {
  /** E */
  readonly embeddingSize: number;
}

/** The first token of each text after the classifier's first layer, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork<ElectraConfig>, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const narrow = computeEmbedded(network, 'electra', { batch, next }); // [M, E]
  const embedded = hasProjection(config) ? computeLinear(network, 'electra.embeddings_project', { x: narrow, next }) : narrow; // [M, H]
  const first = computeBertLayers(network, 'electra', { batch, next, embedded }); // [B, H]
  const dropped = ops.dropout(first, next?.(config.classifierDropout) ?? null);
  return ops.gelu(computeLinear(network, 'classifier.dense', { x: dropped, next }));
}

function hasProjection({ embeddingSize, hiddenSize }: ElectraConfig): boolean {
  return embeddingSize !== hiddenSize;
}

function listParameters(config: ElectraConfig): ParameterSpec[] {
  const { hiddenSize: H, embeddingSize: E, vocabSize: words, maxPositions: positions, typeVocabSize: types } = config;
  return [
    ...listEmbedded('electra', { words, positions, types, width: E }),
    ...(hasProjection(config) ? listLinear('electra.embeddings_project', H, E) : []),
    ...listBertLayers('electra', config),
    ...listLinear('classifier.dense', H, H),
  ];
}

/** The heads of pre-training, of its generator and of other tasks have no meaning for a classifier. */
function isIgnored(name: string): boolean {
  const others =
    /^(discriminator_predictions|generator_predictions|generator_lm_head|qa_outputs|sequence_summary)\.|^classifier\.(weight|bias)$/;
  return isBuffer('electra', name) || others.test(name);
}

const OwnJson = z.object({ embedding_size: whole(1, 8192).nullish() });

function parseConfig(json: Readonly<Record<string, unknown>>, path: string): ElectraConfig {
  const { embedding_size: embeddingSize } = parseFields(OwnJson, json, { source: path, code: 'model-invalid' });
  return { ...parseBertConfig(json, path, { family: 'electra', padTokenId: 0 }), embeddingSize: embeddingSize ?? 128 };
}

export const electra: Family<ElectraConfig> = {
  parseConfig,
  buildConfigJson: (config) => ({
    ...buildBertConfigJson(config, 'ElectraForSequenceClassification'),
    embedding_size: config.embeddingSize,
  }),
  listParameters,
  prefix: 'electra',
  head: 'classifier.out_proj',
  loraTargets: ['query', 'value'],
  // Only a classifier has it.
  optional: ['classifier.dense.weight', 'classifier.dense.bias'],
  toCanonicalName: (stored) => toBertName('electra', stored),
  isIgnored,
  takesCompact: true,
  computeFeatures,
};
