/**
 * GPT-2 (Radford et al. 2019): learned positions, norms before each part, queries, keys and values from one map, whose weights its files
 * hold as [inputs, outputs].
 *
 * B texts of S positions, M = B * S, H numbers a position, F of the feed-forward part.
 */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { CausalBatch } from '../engine/causal-batch.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import type { CausalConfig, CausalFamily } from './causal.ts';
import { computeLinear, computeNorm, getParameter, listNorm, listTable, number, whole } from './encoder.ts';
import type { FamilyNetwork } from './family.ts';

interface Gpt2Config extends CausalConfig {
  readonly embeddingDropout: number;
  readonly initializerRange: number;
}

interface Pass {
  readonly network: FamilyNetwork<Gpt2Config>;
  readonly batch: CausalBatch;
  readonly next: NextDropout | null;
}

/** What is known after each position, [M, H]. */
function computeStates(network: FamilyNetwork<Gpt2Config>, batch: CausalBatch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const [words, positions] = ['wte', 'wpe'].map((name) => getParameter<Tensor2D>(network, `transformer.${name}.weight`));
  const known = ops.add(ops.lookUp(words!, batch.ids), ops.lookUp(positions!, ops.toIds(batch.places)));
  let x = ops.dropout(known, next?.(config.embeddingDropout) ?? null); // [M, H]
  for (let i = 0; i < config.layers; i++) {
    const compute = (): Tensor2D => computeLayer({ network, batch, next }, i, x);
    x = next ? compute() : ops.free(compute);
  }
  return computeNorm(network, 'transformer.ln_f', { x, residual: null });
}

/** [M, H] -> [M, H] */
function computeLayer({ network, batch, next }: Pass, layer: number, x: Tensor2D): Tensor2D {
  const { ops, config } = network;
  const [name, H, M, heads] = [`transformer.h.${layer}`, config.hiddenSize, x.shape[0], config.heads];
  const normal = computeNorm(network, `${name}.ln_1`, { x, residual: null });
  const all = computeLinear(network, `${name}.attn.c_attn`, { x: normal, next }); // [M, 3 H]
  const [q, ownKeys, ownValues] = [0, 1, 2].map((i) => ops.slice(all, [0, i * H], [M, H])) as [Tensor2D, Tensor2D, Tensor2D];
  const [k, v] = batch.extend?.(layer, ownKeys, ownValues) ?? [ownKeys, ownValues];
  const read = ops.causalAttention(q, k, v, { batch, heads, keyHeads: heads, dropout: next?.(config.attentionDropout) ?? null });
  const mixed = ops.dropout(computeLinear(network, `${name}.attn.c_proj`, { x: read, next }), next?.(config.hiddenDropout) ?? null);
  const y = ops.add(x, mixed);
  const wide = computeLinear(network, `${name}.mlp.c_fc`, { x: computeNorm(network, `${name}.ln_2`, { x: y, residual: null }), next });
  const narrow = computeLinear(network, `${name}.mlp.c_proj`, { x: ops.geluOfTanh(wide), next });
  return ops.add(y, ops.dropout(narrow, next?.(config.hiddenDropout) ?? null));
}

function listParameters({ vocabSize, maxPositions, layers, hiddenSize: H, intermediateSize: F }: Gpt2Config): ParameterSpec[] {
  const map = (name: string, inputs: number, outputs: number): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [inputs, outputs], isLinear: false, isMap: true },
    { name: `${name}.bias`, shape: [outputs], isLinear: false },
  ];
  return [
    ...listTable('transformer.wte', vocabSize, H),
    ...listTable('transformer.wpe', maxPositions, H),
    ...Array.from({ length: layers }, (_, i) => `transformer.h.${i}`).flatMap((name) => [
      ...listNorm(`${name}.ln_1`, H),
      ...map(`${name}.attn.c_attn`, H, 3 * H),
      ...map(`${name}.attn.c_proj`, H, H),
      ...listNorm(`${name}.ln_2`, H),
      ...map(`${name}.mlp.c_fc`, H, F),
      ...map(`${name}.mlp.c_proj`, F, H),
    ]),
    ...listNorm('transformer.ln_f', H),
  ];
}

const dropout = number(0, 0.99).nullish();
const token = whole(0, 999_999);
const ConfigJson = z
  .object({
    activation_function: z.literal('gelu_new', '"gelu_new"').nullish(),
    vocab_size: whole(1, 1_000_000),
    n_positions: whole(1, 10_000_000),
    n_embd: whole(1, 65_536),
    n_layer: whole(1, 256),
    n_head: whole(1, 512),
    n_inner: whole(1, 262_144).nullish(),
    layer_norm_epsilon: number(1e-20, 1).nullish(),
    resid_pdrop: dropout,
    embd_pdrop: dropout,
    attn_pdrop: dropout,
    initializer_range: number(0, 10).nullish(),
    tie_word_embeddings: z.literal(true, 'true').nullish(),
    scale_attn_weights: z.literal(true, 'true').nullish(),
    scale_attn_by_inverse_layer_idx: z.literal(false, 'false').nullish(),
    add_cross_attention: z.literal(false, 'false').nullish(),
    bos_token_id: token.nullish(),
    eos_token_id: z.union([token, z.array(token)], 'a token or a list of tokens').nullish(),
    pad_token_id: token.nullish(),
  })
  .superRefine(({ n_embd: size, n_head: heads }, { addIssue }) => {
    if (size % heads !== 0) addIssue({ code: 'custom', path: ['n_head'], message: `a divisor of n_embd ${size}` });
  });

function parseConfig(json: Readonly<Record<string, unknown>>, path: string): Gpt2Config {
  const found = parseFields(ConfigJson, json, { source: path, code: 'model-invalid' });
  const eos = found.eos_token_id;
  return {
    family: 'gpt2',
    vocabSize: found.vocab_size,
    hiddenSize: found.n_embd,
    layers: found.n_layer,
    heads: found.n_head,
    keyHeads: found.n_head,
    headSize: found.n_embd / found.n_head,
    intermediateSize: found.n_inner ?? 4 * found.n_embd,
    maxPositions: found.n_positions,
    layerNormEpsilon: found.layer_norm_epsilon ?? 1e-5,
    hiddenDropout: found.resid_pdrop ?? 0.1,
    attentionDropout: found.attn_pdrop ?? 0.1,
    embeddingDropout: found.embd_pdrop ?? 0.1,
    initializerRange: found.initializer_range ?? 0.02,
    isTied: true,
    padTokenId: found.pad_token_id ?? 0,
    bosTokenId: found.bos_token_id ?? null,
    eosTokenIds: eos == null ? [] : Array.isArray(eos) ? eos : [eos],
  };
}

function buildConfigJson(config: Gpt2Config): Record<string, unknown> {
  const { eosTokenIds: eos } = config;
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    vocab_size: config.vocabSize,
    n_positions: config.maxPositions,
    n_embd: config.hiddenSize,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.intermediateSize,
    layer_norm_epsilon: config.layerNormEpsilon,
    resid_pdrop: config.hiddenDropout,
    embd_pdrop: config.embeddingDropout,
    attn_pdrop: config.attentionDropout,
    initializer_range: config.initializerRange,
    tie_word_embeddings: true,
    bos_token_id: config.bosTokenId,
    eos_token_id: eos.length === 1 ? eos[0] : eos.length === 0 ? null : eos,
    pad_token_id: config.padTokenId,
    torch_dtype: 'float32',
  };
}

export const gpt2: CausalFamily<Gpt2Config> = {
  parseConfig,
  buildConfigJson,
  listParameters,
  prefix: 'transformer',
  loraTargets: ['c_attn'],
  toCanonicalName: (stored) => (/^(wte|wpe|h|ln_f)\./.test(stored) ? `transformer.${stored}` : stored),
  // Masks of older files, and the table stored twice.
  isIgnored: (name) => /\.attn\.(masked_)?bias$/.test(name) || name === 'lm_head.weight',
  getOutput: () => 'transformer.wte.weight',
  computeStates,
};
