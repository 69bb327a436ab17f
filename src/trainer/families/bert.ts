/**
 * BERT (Devlin et al. 2019): a stack of Transformer layers over word, position and type vectors, normalised after each part, with a
 * classifier on the pooled first token.
 *
 * B texts of S positions, M = B * S, H numbers a position, F of the feed-forward part, C classes.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import {
  computeFirstToken,
  computeLinear,
  computeNorm,
  getParameter,
  listLayer,
  listLinear,
  listNorm,
  listTable,
  number,
  whole,
  type LayerNames,
} from './encoder.ts';
import type { Family, FamilyNetwork, ModelConfig } from './family.ts';

/** The pooled first token of each text, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork, batch: Batch, next: NextDropout | null): Tensor2D {
  const embedded = embed(network, batch, next); // [M, H]
  const first = computeFirstToken({ network, batch, next, getNames, dropsMix: true }, embedded); // [B, H]
  return network.ops.tanh(computeLinear(network, 'bert.pooler.dense', { x: first, next }));
}

function embed(network: FamilyNetwork, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const table = (name: string): Tensor2D => getParameter(network, `bert.embeddings.${name}_embeddings.weight`);
  const sum = ops.embed(table('word'), table('position'), table('token_type'), batch); // [M, H]
  const normal = computeNorm(network, 'bert.embeddings.LayerNorm', { x: sum, residual: null });
  return ops.dropout(normal, next?.(config.hiddenDropout) ?? null);
}

function getNames(layer: number): LayerNames {
  const name = `bert.encoder.layer.${layer}`;
  return {
    query: `${name}.attention.self.query`,
    key: `${name}.attention.self.key`,
    value: `${name}.attention.self.value`,
    mix: `${name}.attention.output.dense`,
    mixNorm: `${name}.attention.output.LayerNorm`,
    wide: `${name}.intermediate.dense`,
    narrow: `${name}.output.dense`,
    norm: `${name}.output.LayerNorm`,
  };
}

function listParameters(config: ModelConfig): ParameterSpec[] {
  const { hiddenSize: H } = config;
  return [
    ...listTable('bert.embeddings.word_embeddings', config.vocabSize, H),
    ...listTable('bert.embeddings.position_embeddings', config.maxPositions, H),
    ...listTable('bert.embeddings.token_type_embeddings', config.typeVocabSize, H),
    ...listNorm('bert.embeddings.LayerNorm', H),
    ...Array.from({ length: config.layers }, (_, i) => listLayer(getNames(i), config)).flat(),
    ...listLinear('bert.pooler.dense', H, H),
  ];
}

/** Folders saved as a bare encoder have no "bert." before their names; the oldest ones call a norm's weight and bias gamma and beta. */
function toCanonicalName(stored: string): string {
  const name = stored.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|encoder|pooler)\./.test(name) ? `bert.${name}` : name;
}

/** Buffers with counted positions and the heads of pre-training have no meaning for a classifier. */
function isIgnored(name: string): boolean {
  return ['bert.embeddings.position_ids', 'bert.embeddings.token_type_ids'].includes(name) || name.startsWith('cls.');
}

const ConfigJson = z
  .object({
    hidden_act: z.literal('gelu', '"gelu"').nullish(),
    position_embedding_type: z.literal('absolute', '"absolute"').nullish(),
    is_decoder: z.literal(false, 'false').nullish(),
    vocab_size: whole(1, 1_000_000),
    hidden_size: whole(1, 8192),
    num_hidden_layers: whole(1, 96),
    num_attention_heads: whole(1, 256),
    intermediate_size: whole(1, 32_768),
    max_position_embeddings: whole(1, 32_768),
    type_vocab_size: whole(1, 64).nullish(),
    layer_norm_eps: number(1e-20, 1).nullish(),
    hidden_dropout_prob: number(0, 0.99).nullish(),
    attention_probs_dropout_prob: number(0, 0.99).nullish(),
    classifier_dropout: number(0, 0.99).nullish(),
    initializer_range: number(0, 10).nullish(),
    pad_token_id: whole(0, 999_999).nullish(),
  })
  .superRefine((json, { addIssue }) => {
    const refuse = (field: string, message: string): void => addIssue({ code: 'custom', path: [field], message });
    const { hidden_size: size, vocab_size: words, pad_token_id: padTokenId } = json;
    if (size % json.num_attention_heads !== 0) refuse('num_attention_heads', `a divisor of hidden_size ${size}`);
    if ((padTokenId ?? 0) >= words) refuse('pad_token_id', `a whole number from 0 to ${words - 1}`);
  });

function parseConfig(config: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  const json = parseFields(ConfigJson, config, { source: path, code: 'model-invalid' });
  const hiddenDropout = json.hidden_dropout_prob ?? 0.1;
  return {
    family: 'bert',
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    layers: json.num_hidden_layers,
    heads: json.num_attention_heads,
    intermediateSize: json.intermediate_size,
    maxPositions: json.max_position_embeddings,
    typeVocabSize: json.type_vocab_size ?? 2,
    layerNormEpsilon: json.layer_norm_eps ?? 1e-12,
    hiddenDropout,
    attentionDropout: json.attention_probs_dropout_prob ?? 0.1,
    classifierDropout: json.classifier_dropout ?? hiddenDropout,
    initializerRange: json.initializer_range ?? 0.02,
    padTokenId: json.pad_token_id ?? 0,
  };
}

/** Only fields that we understand: what else the base model's file said is not carried on. */
function buildConfigJson(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    problem_type: 'single_label_classification',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_act: 'gelu',
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    classifier_dropout: config.classifierDropout,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.typeVocabSize,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEpsilon,
    pad_token_id: config.padTokenId,
    position_embedding_type: 'absolute',
    torch_dtype: 'float32',
  };
}

export const bert: Family = {
  parseConfig,
  buildConfigJson,
  listParameters,
  head: 'classifier',
  loraTargets: ['query', 'value'],
  // A masked-language model (BertForMaskedLM) has no pooler.
  optional: ['bert.pooler.dense.weight', 'bert.pooler.dense.bias'],
  toCanonicalName,
  isIgnored,
  takesCompact: true,
  computeFeatures,
};
