/**
 * ModernBERT (Warner et al. 2024): layers that are normalised before each part, most without biases; rotary positions; gated feed-forward
 * parts; and attention to near tokens only in most layers.
 *
 * B texts of S positions, M = B * S, Q queries a text, H numbers a position, F of the feed-forward part.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import { computeLinear, computeNorm, getParameter, listLinear, listNorm, listTable, number, whole } from './encoder.ts';
import type { Family, FamilyNetwork, ModelConfig } from './family.ts';

interface ModernBertConfig extends ModelConfig {
  /** Of each layer, the base of the angles of its rotary positions, and how far it sees; null: everything. */
  readonly attention: readonly { readonly theta: number; readonly window: number | null }[];
  readonly pooling: 'cls' | 'mean';
  readonly embeddingDropout: number;
  /** Which parts have a bias. */
  readonly biases: Readonly<Record<'attention' | 'feedForward' | 'norm' | 'head', boolean>>;
}

interface Pass {
  readonly network: FamilyNetwork<ModernBertConfig>;
  readonly batch: Batch;
  readonly next: NextDropout | null;
}

/** What the head's last layer reads of each text, [B, H]. `next` gives each place its dropout; null computes without. */
function computeFeatures(network: FamilyNetwork<ModernBertConfig>, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const [{ texts: B, positions: S }, H] = [batch.sizes, config.hiddenSize];
  const noPositions = ops.zeros<Tensor2D>([Math.min(S, config.maxPositions), H]);
  const words = ops.embed(getParameter(network, 'model.embeddings.tok_embeddings.weight'), noPositions, null, batch); // [M, H]
  let x = computeNorm(network, 'model.embeddings.norm', { x: words, residual: null });
  x = ops.dropout(x, next?.(config.embeddingDropout) ?? null);
  for (let i = 0; i < config.layers; i++) {
    const isFirstOnly = i === config.layers - 1 && config.pooling === 'cls'; // nothing else is read afterwards
    x = computeLayer({ network, batch, next }, i, { x, queries: isFirstOnly ? 1 : S });
  }
  const normal = computeNorm(network, 'model.final_norm', { x, residual: null });
  const pooled = normal.shape[0] === B ? normal : config.pooling === 'mean' ? ops.meanToken(normal, batch) : ops.firstToken(normal, B);
  const wide = ops.gelu(computeLinear(network, 'head.dense', { x: pooled, next }));
  return computeNorm(network, 'head.norm', { x: wide, residual: null });
}

/** [M, H] -> [B*Q, H] */
function computeLayer(pass: Pass, layer: number, { x, queries: Q }: { x: Tensor2D; queries: number }): Tensor2D {
  const { network, batch, next } = pass;
  const { ops, config } = network;
  const [name, F] = [`model.layers.${layer}`, config.intermediateSize];
  const read = Q === batch.sizes.positions ? x : ops.firstToken(x, batch.sizes.texts);
  const mixed = computeLinear(network, `${name}.attn.Wo`, { x: attend(pass, layer, { x, queries: Q }), next });
  const y = ops.add(read, ops.dropout(mixed, next?.(config.attentionDropout) ?? null)); // [B*Q, H]

  const normal = computeNorm(network, `${name}.mlp_norm`, { x: y, residual: null });
  const both = computeLinear(network, `${name}.mlp.Wi`, { x: normal, next }); // [B*Q, 2 F]
  const rows = both.shape[0];
  const gated = ops.multiply(ops.gelu(ops.slice(both, [0, 0], [rows, F])), ops.slice(both, [0, F], [rows, F]));
  const dropped = ops.dropout(gated, next?.(config.hiddenDropout) ?? null);
  return ops.add(y, computeLinear(network, `${name}.mlp.Wo`, { x: dropped, next }));
}

/** [M, H] -> [B*Q, H] */
function attend({ network, batch, next }: Pass, layer: number, { x, queries: Q }: { x: Tensor2D; queries: number }): Tensor2D {
  const { ops, config } = network;
  const [{ texts: B, positions: S }, H, heads] = [batch.sizes, config.hiddenSize, config.heads];
  const { theta, window } = config.attention[layer]!;
  const normal = layer === 0 ? x : computeNorm(network, `model.layers.${layer}.attn_norm`, { x, residual: null });
  const all = computeLinear(network, `model.layers.${layer}.attn.Wqkv`, { x: normal, next }); // [M, 3 H]
  const [q, k, v] = [0, 1, 2].map((i) => ops.slice(all, [0, i * H], [B * S, H])) as [Tensor2D, Tensor2D, Tensor2D];
  const turns = { positions: S, heads, theta };
  const turned = Q === S ? ops.rotate(q, turns) : ops.firstToken(q, B); // the first position is not turned
  const mask = window === null ? batch.mask : ops.limitMask(batch.mask, { queries: Q, window });
  const sizes = { batch: B, keys: S, queries: Q, heads };
  return ops.attention(turned, ops.rotate(k, turns), v, { mask, sizes, dropout: next?.(config.attentionDropout) ?? null });
}

function listParameters({ biases, ...config }: ModernBertConfig): ParameterSpec[] {
  const { hiddenSize: H, intermediateSize: F, layers } = config;
  const norm = (name: string): ParameterSpec[] => listNorm(name, H).slice(0, biases.norm ? 2 : 1);
  const linear = (name: string, [outputs, inputs]: [number, number], hasBias: boolean): ParameterSpec[] =>
    listLinear(name, outputs, inputs).slice(0, hasBias ? 2 : 1);
  return [
    ...listTable('model.embeddings.tok_embeddings', config.vocabSize, H),
    ...norm('model.embeddings.norm'),
    ...Array.from({ length: layers }, (_, i) => `model.layers.${i}`).flatMap((name, i) => [
      ...(i === 0 ? [] : norm(`${name}.attn_norm`)),
      ...linear(`${name}.attn.Wqkv`, [3 * H, H], biases.attention),
      ...linear(`${name}.attn.Wo`, [H, H], biases.attention),
      ...norm(`${name}.mlp_norm`),
      ...linear(`${name}.mlp.Wi`, [2 * F, H], biases.feedForward),
      ...linear(`${name}.mlp.Wo`, [H, F], biases.feedForward),
    ]),
    ...norm('model.final_norm'),
    ...linear('head.dense', [H, H], biases.head),
    ...norm('head.norm'),
  ];
}

/** Folders saved as a bare encoder have no "model." before their names. */
function toCanonicalName(stored: string): string {
  return /^(embeddings|layers|final_norm)\./.test(stored) ? `model.${stored}` : stored;
}

const kinds = ['full_attention', 'sliding_attention'] as const;
const theta = number(1, 1e9).nullish();
const Rotary = z.looseObject({ rope_type: z.literal('default', '"default"').nullish(), rope_theta: theta });
const bias = z.boolean('true or false').nullish();
const dropout = number(0, 0.99).nullish();

const ConfigJson = z
  .object({
    hidden_activation: z.literal('gelu', '"gelu"').nullish(),
    classifier_activation: z.literal('gelu', '"gelu"').nullish(),
    vocab_size: whole(1, 1_000_000),
    hidden_size: whole(1, 8192),
    num_hidden_layers: whole(1, 96),
    num_attention_heads: whole(1, 256),
    intermediate_size: whole(1, 32_768),
    max_position_embeddings: whole(1, 32_768).nullish(),
    norm_eps: number(1e-20, 1).nullish(),
    norm_bias: bias,
    attention_bias: bias,
    mlp_bias: bias,
    classifier_bias: bias,
    classifier_pooling: z.enum(['cls', 'mean'], '"cls" or "mean"').nullish(),
    embedding_dropout: dropout,
    attention_dropout: dropout,
    mlp_dropout: dropout,
    classifier_dropout: dropout,
    initializer_range: number(0, 10).nullish(),
    pad_token_id: whole(0, 999_999).nullish(),
    local_attention: whole(2, 65_536).nullish(),
    // Each layer by its kind; in older files every nth one sees everything.
    layer_types: z.array(z.enum(kinds, kinds.join(' or '))).nullish(),
    global_attn_every_n_layers: whole(1, 96).nullish(),
    rope_parameters: z.object({ full_attention: Rotary.nullish(), sliding_attention: Rotary.nullish() }).nullish(),
    global_rope_theta: theta,
    local_rope_theta: theta,
  })
  .superRefine((json, { addIssue }) => {
    const refuse = (field: string, message: string): void => addIssue({ code: 'custom', path: [field], message });
    const { hidden_size: size, num_attention_heads: heads, num_hidden_layers: layers } = json;
    if (size % (2 * heads) !== 0) refuse('num_attention_heads', `a divisor of half the hidden_size ${size}`);
    if ((json.pad_token_id ?? defaultPad) >= json.vocab_size) refuse('pad_token_id', `a whole number from 0 to ${json.vocab_size - 1}`);
    if (json.layer_types && json.layer_types.length !== layers) refuse('layer_types', `${layers} kinds, one for each layer`);
  });
const defaultPad = 50_283;

function parseConfig(config: Readonly<Record<string, unknown>>, path: string): ModernBertConfig {
  const json = parseFields(ConfigJson, config, { source: path, code: 'model-invalid' });
  const { rope_parameters: rotary, global_attn_every_n_layers: every } = json;
  const full = { theta: rotary?.full_attention?.rope_theta ?? json.global_rope_theta ?? 160_000, window: null };
  const near = {
    theta: rotary?.sliding_attention?.rope_theta ?? json.local_rope_theta ?? 10_000,
    window: Math.floor((json.local_attention ?? 128) / 2), // on each side
  };
  const isFull = (i: number): boolean => (json.layer_types ? json.layer_types[i] === 'full_attention' : i % (every ?? 3) === 0);
  return {
    family: 'modernbert',
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    layers: json.num_hidden_layers,
    heads: json.num_attention_heads,
    intermediateSize: json.intermediate_size,
    maxPositions: json.max_position_embeddings ?? 8192,
    typeVocabSize: 0,
    layerNormEpsilon: json.norm_eps ?? 1e-5,
    hiddenDropout: json.mlp_dropout ?? 0,
    attentionDropout: json.attention_dropout ?? 0,
    classifierDropout: json.classifier_dropout ?? 0,
    embeddingDropout: json.embedding_dropout ?? 0,
    initializerRange: json.initializer_range ?? 0.02,
    padTokenId: json.pad_token_id ?? defaultPad,
    attention: Array.from({ length: json.num_hidden_layers }, (_, i) => (isFull(i) ? full : near)),
    pooling: json.classifier_pooling ?? 'cls',
    biases: {
      attention: json.attention_bias ?? false,
      feedForward: json.mlp_bias ?? false,
      norm: json.norm_bias ?? false,
      head: json.classifier_bias ?? false,
    },
  };
}

/** Only fields that we understand: what else the base model's file said is not carried on. Old names too, for older versions of transformers. */
function buildConfigJson(config: ModernBertConfig): Record<string, unknown> {
  const { attention, biases } = config;
  const full = attention.find(({ window }) => window === null);
  const near = attention.find(({ window }) => window !== null);
  const every = Array.from({ length: config.layers }, (_, i) => i + 1).find((n) =>
    attention.every(({ window }, i) => (window === null) === (i % n === 0)),
  );
  const [globalTheta, localTheta] = [full?.theta ?? 160_000, near?.theta ?? 10_000];
  return {
    architectures: ['ModernBertForSequenceClassification'],
    model_type: 'modernbert',
    problem_type: 'single_label_classification',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_activation: 'gelu',
    max_position_embeddings: config.maxPositions,
    initializer_range: config.initializerRange,
    norm_eps: config.layerNormEpsilon,
    norm_bias: biases.norm,
    attention_bias: biases.attention,
    mlp_bias: biases.feedForward,
    classifier_bias: biases.head,
    classifier_activation: 'gelu',
    classifier_pooling: config.pooling,
    embedding_dropout: config.embeddingDropout,
    attention_dropout: config.attentionDropout,
    mlp_dropout: config.hiddenDropout,
    classifier_dropout: config.classifierDropout,
    pad_token_id: config.padTokenId,
    local_attention: 2 * (near?.window ?? 64),
    ...(every === undefined ? {} : { global_attn_every_n_layers: every }),
    layer_types: attention.map(({ window }) => kinds[window === null ? 0 : 1]),
    rope_parameters: {
      full_attention: { rope_type: 'default', rope_theta: globalTheta },
      sliding_attention: { rope_type: 'default', rope_theta: localTheta },
    },
    global_rope_theta: globalTheta,
    local_rope_theta: localTheta,
    torch_dtype: 'float32',
  };
}

export const modernbert: Family<ModernBertConfig> = {
  parseConfig,
  buildConfigJson,
  listParameters,
  prefix: 'model',
  head: 'classifier',
  loraTargets: ['Wqkv'],
  // A bare encoder has none of them.
  optional: ['head.dense.weight', 'head.dense.bias', 'head.norm.weight', 'head.norm.bias'],
  getDeviation: ({ initializerRange, layers, hiddenSize }, name) =>
    name.startsWith('classifier.') ? hiddenSize ** -0.5 : initializerRange / Math.sqrt(2 * layers),
  toCanonicalName,
  /** The head of pre-training, and those of other tasks. */
  isIgnored: (name) => /^(decoder|qa_outputs)\./.test(name),
  computeFeatures,
};
