/**
 * DistilBERT (Sanh et al. 2019): BERT with fewer layers, without token types, and with a classifier whose first layer has a rectifier.
 *
 * B texts of S positions, M = B * S, H numbers a position.
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

/** The first token of each text after the classifier's first layer, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const table = (name: string): Tensor2D => getParameter(network, `distilbert.embeddings.${name}_embeddings.weight`);
  const sum = ops.embed(table('word'), table('position'), null, batch); // [M, H]
  const normal = computeNorm(network, 'distilbert.embeddings.LayerNorm', { x: sum, residual: null });
  const embedded = ops.dropout(normal, next?.(config.hiddenDropout) ?? null); // [M, H]
  const first = computeFirstToken({ network, batch, next, getNames, dropsMix: false }, embedded); // [B, H]
  return ops.relu(computeLinear(network, 'pre_classifier', { x: first, next }));
}

function getNames(layer: number): LayerNames {
  const name = `distilbert.transformer.layer.${layer}`;
  return {
    query: `${name}.attention.q_lin`,
    key: `${name}.attention.k_lin`,
    value: `${name}.attention.v_lin`,
    mix: `${name}.attention.out_lin`,
    mixNorm: `${name}.sa_layer_norm`,
    wide: `${name}.ffn.lin1`,
    narrow: `${name}.ffn.lin2`,
    norm: `${name}.output_layer_norm`,
  };
}

function listParameters(config: ModelConfig): ParameterSpec[] {
  const { hiddenSize: H } = config;
  return [
    ...listTable('distilbert.embeddings.word_embeddings', config.vocabSize, H),
    ...listTable('distilbert.embeddings.position_embeddings', config.maxPositions, H),
    ...listNorm('distilbert.embeddings.LayerNorm', H),
    ...Array.from({ length: config.layers }, (_, i) => listLayer(getNames(i), config)).flat(),
    ...listLinear('pre_classifier', H, H),
  ];
}

/** Folders saved as a bare encoder have no "distilbert." before their names. */
function toCanonicalName(stored: string): string {
  return /^(embeddings|transformer)\./.test(stored) ? `distilbert.${stored}` : stored;
}

/** The heads of pre-training and of other tasks have no meaning for a classifier. */
function isIgnored(name: string): boolean {
  return name === 'distilbert.embeddings.position_ids' || /^(vocab_transform|vocab_layer_norm|vocab_projector|qa_outputs)\./.test(name);
}

const ConfigJson = z
  .object({
    activation: z.literal('gelu', '"gelu"').nullish(),
    // Counted positions would have to stay as they are.
    sinusoidal_pos_embds: z.literal(false, 'false').nullish(),
    vocab_size: whole(1, 1_000_000),
    dim: whole(1, 8192),
    n_layers: whole(1, 96),
    n_heads: whole(1, 256),
    hidden_dim: whole(1, 32_768),
    max_position_embeddings: whole(1, 32_768),
    dropout: number(0, 0.99).nullish(),
    attention_dropout: number(0, 0.99).nullish(),
    seq_classif_dropout: number(0, 0.99).nullish(),
    initializer_range: number(0, 10).nullish(),
    pad_token_id: whole(0, 999_999).nullish(),
  })
  .superRefine((json, { addIssue }) => {
    const refuse = (field: string, message: string): void => addIssue({ code: 'custom', path: [field], message });
    if (json.dim % json.n_heads !== 0) refuse('n_heads', `a divisor of dim ${json.dim}`);
    if ((json.pad_token_id ?? 0) >= json.vocab_size) refuse('pad_token_id', `a whole number from 0 to ${json.vocab_size - 1}`);
  });

function parseConfig(config: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  const json = parseFields(ConfigJson, config, { source: path, code: 'model-invalid' });
  return {
    family: 'distilbert',
    vocabSize: json.vocab_size,
    hiddenSize: json.dim,
    layers: json.n_layers,
    heads: json.n_heads,
    intermediateSize: json.hidden_dim,
    maxPositions: json.max_position_embeddings,
    typeVocabSize: 0,
    layerNormEpsilon: 1e-12, // not a setting of the family
    hiddenDropout: json.dropout ?? 0.1,
    attentionDropout: json.attention_dropout ?? 0.1,
    classifierDropout: json.seq_classif_dropout ?? 0.2,
    initializerRange: json.initializer_range ?? 0.02,
    padTokenId: json.pad_token_id ?? 0,
  };
}

/** Only fields that we understand: what else the base model's file said is not carried on. */
function buildConfigJson(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ['DistilBertForSequenceClassification'],
    model_type: 'distilbert',
    problem_type: 'single_label_classification',
    vocab_size: config.vocabSize,
    dim: config.hiddenSize,
    n_layers: config.layers,
    n_heads: config.heads,
    hidden_dim: config.intermediateSize,
    activation: 'gelu',
    dropout: config.hiddenDropout,
    attention_dropout: config.attentionDropout,
    seq_classif_dropout: config.classifierDropout,
    max_position_embeddings: config.maxPositions,
    sinusoidal_pos_embds: false,
    initializer_range: config.initializerRange,
    pad_token_id: config.padTokenId,
    torch_dtype: 'float32',
  };
}

export const distilbert: Family = {
  parseConfig,
  buildConfigJson,
  listParameters,
  prefix: 'distilbert',
  head: 'classifier',
  loraTargets: ['q_lin', 'v_lin'],
  // Only a classifier has it.
  optional: ['pre_classifier.weight', 'pre_classifier.bias'],
  toCanonicalName,
  isIgnored,
  takesCompact: true,
  computeFeatures,
};
