/**
 * What BERT shares with the families that came of it: the names of its parameters behind a prefix of their own, the fields of config.json,
 * and how words become vectors.
 *
 * B texts of S positions, M = B * S, H numbers a position, E numbers of a table's row.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import { computeFirstToken, computeNorm, getParameter, listLayer, listNorm, listTable, number, whole, type LayerNames } from './encoder.ts';
import type { FamilyNetwork, ModelConfig } from './family.ts';

/** Word, position and type vectors, normalised: [M, E] */
export function computeEmbedded(network: FamilyNetwork, prefix: string, { batch, next }: Pass): Tensor2D {
  const table = (name: string): Tensor2D => getParameter(network, `${prefix}.embeddings.${name}_embeddings.weight`);
  const sum = network.ops.embed(table('word'), table('position'), table('token_type'), batch); // [M, E]
  return normalizeEmbedded(network, prefix, { sum, next });
}

/** What comes after the sum of the vectors, whatever they are: [M, E] -> [M, E] */
export function normalizeEmbedded(
  network: FamilyNetwork,
  prefix: string,
  { sum, next }: { readonly sum: Tensor2D; readonly next: NextDropout | null },
): Tensor2D {
  const normal = computeNorm(network, `${prefix}.embeddings.LayerNorm`, { x: sum, residual: null });
  return network.ops.dropout(normal, next?.(network.config.hiddenDropout) ?? null);
}

interface Pass {
  readonly batch: Batch;
  /** Gives each place its dropout; null computes without. */
  readonly next: NextDropout | null;
}

/** The first token of each text after all layers: [M, H] -> [B, H] */
export function computeBertLayers(network: FamilyNetwork, prefix: string, { embedded, ...pass }: Pass & { embedded: Tensor2D }): Tensor2D {
  return computeFirstToken({ network, ...pass, getNames: (layer) => getNames(prefix, layer), dropsMix: true }, embedded);
}

function getNames(prefix: string, layer: number): LayerNames {
  const name = `${prefix}.encoder.layer.${layer}`;
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

/** Tables of so many rows, of `width` numbers each, with their norm. */
export interface Tables {
  readonly words: number;
  readonly positions: number;
  readonly types: number;
  readonly width: number;
}

export function listEmbedded(prefix: string, { words, positions, types, width }: Tables): ParameterSpec[] {
  return [
    ...listTable(`${prefix}.embeddings.word_embeddings`, words, width),
    ...listTable(`${prefix}.embeddings.position_embeddings`, positions, width),
    ...listTable(`${prefix}.embeddings.token_type_embeddings`, types, width),
    ...listNorm(`${prefix}.embeddings.LayerNorm`, width),
  ];
}

export function listBertLayers(prefix: string, config: ModelConfig): ParameterSpec[] {
  return Array.from({ length: config.layers }, (_, i) => listLayer(getNames(prefix, i), config)).flat();
}

/** Folders saved as a bare encoder have no prefix before their names; the oldest ones call a norm's weight and bias gamma and beta. */
export function toBertName(prefix: string, stored: string): string {
  const name = stored.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|embeddings_project|encoder|pooler)\./.test(name) ? `${prefix}.${name}` : name;
}

/** Counted positions, which older versions saved. */
export function isBuffer(prefix: string, name: string): boolean {
  return [`${prefix}.embeddings.position_ids`, `${prefix}.embeddings.token_type_ids`].includes(name);
}

const fields = {
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
};

/** What the families differ in. */
interface FamilyDefaults {
  readonly family: string;
  /** Where the file names no `pad_token_id`. */
  readonly padTokenId: number;
}

/** @throws Failure `model-invalid` naming the field; `path` is for messages */
export function parseBertConfig(
  config: Readonly<Record<string, unknown>>,
  path: string,
  { family, padTokenId: defaultPad }: FamilyDefaults,
): ModelConfig {
  const ConfigJson = z.object(fields).superRefine((json, { addIssue }) => {
    const refuse = (field: string, message: string): void => addIssue({ code: 'custom', path: [field], message });
    const { hidden_size: size, vocab_size: words, pad_token_id: padTokenId } = json;
    if (size % json.num_attention_heads !== 0) refuse('num_attention_heads', `a divisor of hidden_size ${size}`);
    if ((padTokenId ?? defaultPad) >= words) refuse('pad_token_id', `a whole number from 0 to ${words - 1}`);
  });
  const json = parseFields(ConfigJson, config, { source: path, code: 'model-invalid' });
  const hiddenDropout = json.hidden_dropout_prob ?? 0.1;
  return {
    family,
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
    padTokenId: json.pad_token_id ?? defaultPad,
  };
}

/** Only fields that we understand: what else the base model's file said is not carried on. */
export function buildBertConfigJson(config: ModelConfig, architecture: string): Record<string, unknown> {
  return {
    architectures: [architecture],
    model_type: config.family,
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
