/**
 * BERT (Devlin et al. 2019): a stack of Transformer layers over word, position and type vectors, normalised after each part, with a
 * classifier on the pooled first token.
 *
 * B texts of S positions, M = B * S, H numbers a position, F of the feed-forward part, C classes.
 */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { Batch } from '../engine/batches.ts';
import type { ParameterRules, Parameters, ParameterSpec } from '../engine/parameters.ts';
import type { NextDropout, Ops } from '../engine/ops.ts';

/** The sizes of an encoder, as its config.json gives them. */
export interface BertConfig {
  readonly family: 'bert';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Attention heads; divides `hiddenSize`. */
  readonly heads: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly typeVocabSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly classifierDropout: number;
  /** Standard deviation of a new head's weights. */
  readonly initializerRange: number;
  readonly padTokenId: number;
}

interface Network {
  readonly ops: Ops;
  readonly config: BertConfig;
  readonly parameters: Parameters;
}

/** Logits of each text, [B, C]. `next` gives each place its dropout; null computes without. */
function computeLogits(network: Network, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const last = config.layers - 1;
  let x = embed(network, batch, next); //                                                     [M, H]
  for (let i = 0; i < last; i++) x = computeLayer(network, i, { x, queries: x, batch, next }); // [M, H]
  // Only the first token is read afterwards: the last layer computes it alone.
  const first = computeLayer(network, last, { x, queries: ops.firstToken(x, batch.sizes.texts), batch, next }); // [B, H]
  const pooled = ops.tanh(linear(network, 'bert.pooler.dense', first)); // [B, H]
  return linear(network, 'classifier', ops.dropout(pooled, next?.(config.classifierDropout) ?? null)); // [B, C]
}

function embed(network: Network, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const table = (name: string): Tensor2D => getParameter(network, `bert.embeddings.${name}_embeddings.weight`);
  const sum = ops.embed(table('word'), table('position'), table('token_type'), batch); // [M, H]
  return ops.dropout(normalize(network, 'bert.embeddings', sum, null), next?.(config.hiddenDropout) ?? null);
}

/** One Transformer layer; `queries` are the rows of `x` that go on: all, or the first of each text. */
function computeLayer(
  network: Network,
  i: number,
  { x, queries, batch, next }: { x: Tensor2D; queries: Tensor2D; batch: Batch; next: NextDropout | null },
): Tensor2D {
  const { ops, config } = network;
  const name = `bert.encoder.layer.${i}`;
  const { texts, positions } = batch.sizes;
  const sizes = { batch: texts, keys: positions, queries: queries.shape[0] / texts, heads: config.heads };

  const q = linear(network, `${name}.attention.self.query`, queries); // [B*Q, H]
  const k = linear(network, `${name}.attention.self.key`, x); //         [M, H]
  const v = linear(network, `${name}.attention.self.value`, x); //       [M, H]
  const attended = ops.attention(q, k, v, { mask: batch.mask, sizes, dropout: next?.(config.attentionDropout) ?? null }); // [B*Q, H]
  const mixed = ops.dropout(linear(network, `${name}.attention.output.dense`, attended), next?.(config.hiddenDropout) ?? null);
  const y = normalize(network, `${name}.attention.output`, mixed, queries); // [B*Q, H]

  const wide = ops.gelu(linear(network, `${name}.intermediate.dense`, y)); // [B*Q, F]
  const narrow = ops.dropout(linear(network, `${name}.output.dense`, wide), next?.(config.hiddenDropout) ?? null); // [B*Q, H]
  return normalize(network, `${name}.output`, narrow, y); // [B*Q, H]
}

function linear(network: Network, name: string, x: Tensor2D): Tensor2D {
  return network.ops.linear(x, getParameter(network, `${name}.weight`), getParameter(network, `${name}.bias`));
}

function normalize(network: Network, name: string, x: Tensor2D, residual: Tensor2D | null): Tensor2D {
  const weight = getParameter<Tensor1D>(network, `${name}.LayerNorm.weight`);
  const bias = getParameter<Tensor1D>(network, `${name}.LayerNorm.bias`);
  return network.ops.layerNorm(x, residual, { weight, bias, epsilon: network.config.layerNormEpsilon });
}

function getParameter<T extends Tensor1D | Tensor2D>({ parameters }: Network, name: string): T {
  const tensor = parameters.get(name);
  if (!tensor) throw new Error(`no parameter ${name}`);
  return tensor as T;
}

/** Every parameter with a classification head of `classes` rows, in the order of transformers. */
function listParameters({ layers, ...config }: BertConfig, classes: number): ParameterSpec[] {
  const { hiddenSize: H, intermediateSize: F } = config;
  const table = (name: string, rows: number): ParameterSpec => ({
    name: `bert.embeddings.${name}.weight`,
    shape: [rows, H],
    isLinear: false,
  });
  const map = (name: string, outputs: number, inputs: number): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [outputs, inputs], isLinear: true },
    { name: `${name}.bias`, shape: [outputs], isLinear: false },
  ];
  const norm = (name: string): ParameterSpec[] =>
    ['weight', 'bias'].map((part) => ({ name: `${name}.LayerNorm.${part}`, shape: [H], isLinear: false }));
  const layer = (name: string): ParameterSpec[] => [
    ...map(`${name}.attention.self.query`, H, H),
    ...map(`${name}.attention.self.key`, H, H),
    ...map(`${name}.attention.self.value`, H, H),
    ...map(`${name}.attention.output.dense`, H, H),
    ...norm(`${name}.attention.output`),
    ...map(`${name}.intermediate.dense`, F, H),
    ...map(`${name}.output.dense`, H, F),
    ...norm(`${name}.output`),
  ];
  return [
    table('word_embeddings', config.vocabSize),
    table('position_embeddings', config.maxPositions),
    table('token_type_embeddings', config.typeVocabSize),
    ...norm('bert.embeddings'),
    ...Array.from({ length: layers }, (_, i) => layer(`bert.encoder.layer.${i}`)).flat(),
    ...map('bert.pooler.dense', H, H),
    ...map('classifier', classes, H),
  ];
}

/** Folders saved as a bare encoder have no "bert." before their names; the oldest ones call a norm's weight and bias gamma and beta. */
function toCanonicalName(stored: string): string {
  const name = stored.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|encoder|pooler)\./.test(name) ? `bert.${name}` : name;
}

/** Where a folder's weights have the parameters: with a head of `classes` rows, or without a head, which is ignored then (null). */
function getRules(config: BertConfig, classes: number | null): ParameterRules {
  // Buffers with counted positions and the heads of pre-training have no meaning for a classifier.
  const ignored = ['bert.embeddings.position_ids', 'bert.embeddings.token_type_ids'];
  const isIgnored = (name: string): boolean => ignored.includes(name) || name.startsWith('cls.');
  if (classes !== null) return { specs: listParameters(config, classes), toCanonicalName, isIgnored, optional: [] };
  const isHead = (name: string): boolean => name.startsWith('classifier.');
  const specs = listParameters(config, 1).filter(({ name }) => !isHead(name));
  // A masked-language model (BertForMaskedLM) has none: transformers draws a new one too.
  const optional = ['bert.pooler.dense.weight', 'bert.pooler.dense.bias'];
  return { specs, toCanonicalName, isIgnored: (name) => isIgnored(name) || isHead(name), optional };
}

const whole = (least: number, most: number): z.ZodInt => {
  const expected = `a whole number from ${least} to ${most}`;
  return z.int(expected).min(least, expected).max(most, expected);
};
const number = (least: number, most: number): z.ZodNumber => {
  const expected = `a number from ${least} to ${most}`;
  return z.number(expected).min(least, expected).max(most, expected);
};

/** The fields of config.json. The upper bounds are far above real models; they keep a hostile file from asking for much memory. */
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

function parseConfig(config: Readonly<Record<string, unknown>>, path: string): BertConfig {
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
function buildConfigJson(config: BertConfig): Record<string, unknown> {
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

/** What the engine asks of a family (see `Family`). */
export const bert = { parseConfig, buildConfigJson, listParameters, getRules, computeLogits };
