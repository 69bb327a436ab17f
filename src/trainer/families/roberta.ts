/**
 * RoBERTa (Liu et al. 2019) and the models of other languages that are built alike, XLM-RoBERTa (Conneau et al. 2020) and CamemBERT
 * (Martin et al. 2020): BERT whose positions are counted from the number of the padding token on, without types of tokens, and with a
 * classifier of two layers on the first token.
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
  isBuffer,
  listBertLayers,
  listEmbedded,
  normalizeEmbedded,
  parseBertConfig,
  toBertName,
} from './bert-like.ts';
import { computeLinear, getParameter, listLinear } from './encoder.ts';
import type { Family, FamilyNetwork, ModelConfig } from './family.ts';
import { Failure } from '../../errors.ts';

interface RobertaConfig extends ModelConfig {
  /** Rows of the table of types, of which every token has the first one: tokens are not told apart. */
  readonly types: number;
}

/** The first token of each text after the classifier's first layer, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork<RobertaConfig>, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const table = (name: string): Tensor2D => getParameter(network, `roberta.embeddings.${name}_embeddings.weight`);
  const [used, H] = [Math.min(batch.sizes.positions, config.maxPositions), config.hiddenSize];
  const positions = ops.slice(table('position'), [countUnused(config), 0], [used, H]);
  const places = ops.add(positions, ops.slice(table('token_type'), [0, 0], [1, H])); // each position with the one type
  const embedded = normalizeEmbedded(network, 'roberta', { sum: ops.embed(table('word'), places, null, batch), next }); // [M, H]
  const first = computeBertLayers(network, 'roberta', { batch, next, embedded }); // [B, H]
  const dropped = ops.dropout(first, next?.(config.classifierDropout) ?? null);
  return ops.tanh(computeLinear(network, 'classifier.dense', { x: dropped, next }));
}

/** Positions before the first one that a token can have: that of padding is the number of its token. */
function countUnused({ padTokenId }: ModelConfig): number {
  return padTokenId + 1;
}

function listParameters(config: RobertaConfig): ParameterSpec[] {
  const { hiddenSize: H, vocabSize: words, maxPositions, types } = config;
  return [
    ...listEmbedded('roberta', { words, positions: countUnused(config) + maxPositions, types, width: H }),
    ...listBertLayers('roberta', config),
    ...listLinear('classifier.dense', H, H),
  ];
}

/** The pooler, and the heads of pre-training and of other tasks, have no meaning for a classifier. */
function isIgnored(name: string): boolean {
  return isBuffer('roberta', name) || /^(roberta\.pooler|lm_head|qa_outputs)\.|^classifier\.(weight|bias)$/.test(name);
}

function parseConfig(family: string, json: Readonly<Record<string, unknown>>, path: string): RobertaConfig {
  const config = parseBertConfig(json, path, { family, padTokenId: 1 });
  const maxPositions = config.maxPositions - countUnused(config);
  if (maxPositions < 1) {
    const expected = `more than pad_token_id + 1 = ${countUnused(config)}`;
    throw new Failure('model-invalid', `${path}: max_position_embeddings: expected ${expected}, found ${config.maxPositions}`);
  }
  return { ...config, maxPositions, typeVocabSize: 0, types: config.typeVocabSize };
}

function buildConfigJson(config: RobertaConfig, architecture: string): Record<string, unknown> {
  const { maxPositions, types } = config;
  return {
    ...buildBertConfigJson(config, architecture),
    max_position_embeddings: countUnused(config) + maxPositions,
    type_vocab_size: types,
  };
}

function createFamily(name: string, architecture: string): Family<RobertaConfig> {
  return {
    parseConfig: (json, path) => parseConfig(name, json, path),
    buildConfigJson: (config) => buildConfigJson(config, architecture),
    listParameters,
    prefix: 'roberta',
    head: 'classifier.out_proj',
    loraTargets: ['query', 'value'],
    // Only a classifier has it.
    optional: ['classifier.dense.weight', 'classifier.dense.bias'],
    toCanonicalName: (stored) => toBertName('roberta', stored),
    isIgnored,
    takesCompact: true,
    computeFeatures,
  };
}

export const roberta = createFamily('roberta', 'RobertaForSequenceClassification');
export const xlmRoberta = createFamily('xlm-roberta', 'XLMRobertaForSequenceClassification');
export const camembert = createFamily('camembert', 'CamembertForSequenceClassification');
