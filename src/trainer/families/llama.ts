/**
 * Llama (Touvron et al. 2023, Grattafiori et al. 2024) and what was made after it: norms by the mean square before each part, rotary positions,
 * gated feed-forward parts, keys and values that several heads share. SmolLM2 and TinyLlama are Llamas too. Qwen2 (Yang et al. 2024) has
 * biases on queries, keys and values; Qwen3 (Yang et al. 2025) norms of each head's query and key instead.
 *
 * B texts of S positions, M = B * S, H numbers a position, F of the feed-forward part, A heads of D numbers, G heads of keys and values.
 */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { CausalBatch } from '../engine/causal-batch.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { Turns } from '../engine/ops-of-language.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import type { CausalFamily } from './causal.ts';
import { computeLinear, getParameter, listLinear, listNorm, listTable } from './encoder.ts';
import type { FamilyNetwork } from './family.ts';
import { buildConfigJson, parseConfig, type Kind, type LlamaConfig } from './llama-config.ts';

interface Pass {
  readonly network: FamilyNetwork<LlamaConfig>;
  readonly batch: CausalBatch;
  readonly next: NextDropout | null;
  readonly turns: Turns;
}

/** What is known after each position, [M, H]. */
function computeStates(network: FamilyNetwork<LlamaConfig>, batch: CausalBatch, next: NextDropout | null): Tensor2D {
  const { ops, config } = network;
  const turns = ops.createTurns(batch.places, getFrequencies(config));
  let x = ops.lookUp(getParameter(network, 'model.embed_tokens.weight'), batch.ids); // [M, H]
  for (let i = 0; i < config.layers; i++) {
    const compute = (): Tensor2D => computeLayer({ network, batch, next, turns }, i, x);
    x = next ? compute() : ops.free(compute);
  }
  return computeRmsNorm(network, 'model.norm', x);
}

/** [M, H] -> [M, H] */
function computeLayer(pass: Pass, layer: number, x: Tensor2D): Tensor2D {
  const { network, next } = pass;
  const { ops } = network;
  const name = `model.layers.${layer}`;
  const mixed = computeLinear(network, `${name}.self_attn.o_proj`, { x: attend(pass, layer, x), next });
  const y = ops.add(x, mixed);
  const normal = computeRmsNorm(network, `${name}.post_attention_layernorm`, y);
  const [gate, up] = ['gate_proj', 'up_proj'].map((part) => computeLinear(network, `${name}.mlp.${part}`, { x: normal, next })); // [M, F]
  return ops.add(y, computeLinear(network, `${name}.mlp.down_proj`, { x: ops.gate(gate!, up!), next }));
}

/** [M, H] -> [M, A*D] */
function attend({ network, batch, next, turns }: Pass, layer: number, x: Tensor2D): Tensor2D {
  const { ops, config } = network;
  const { heads, keyHeads } = config;
  const name = `model.layers.${layer}.self_attn`;
  const normal = computeRmsNorm(network, `model.layers.${layer}.input_layernorm`, x);
  const project = (part: string): Tensor2D => computeLinear(network, `${name}.${part}_proj`, { x: normal, next });
  const turn = (part: 'q' | 'k'): Tensor2D => {
    const y = project(part);
    return ops.turn(config.hasHeadNorms ? computeRmsNorm(network, `${name}.${part}_norm`, y) : y, turns);
  };
  const [q, ownKeys, ownValues] = [turn('q'), turn('k'), project('v')]; // [M, A*D], [M, G*D], [M, G*D]
  const [k, v] = batch.extend?.(layer, ownKeys, ownValues) ?? [ownKeys, ownValues];
  return ops.causalAttention(q, k, v, { batch, heads, keyHeads, dropout: next?.(config.attentionDropout) ?? null });
}

function computeRmsNorm(network: FamilyNetwork<LlamaConfig>, name: string, x: Tensor2D): Tensor2D {
  const weight = getParameter<Tensor1D>(network, `${name}.weight`);
  return network.ops.rmsNorm(x, { weight, epsilon: network.config.layerNormEpsilon });
}

/** Of each pair of a head's numbers: `theta^(-2j/D)`, stretched as the configuration says; rounded where PyTorch rounds. */
export function getFrequencies({ headSize: D, theta, scaling }: Pick<LlamaConfig, 'headSize' | 'theta' | 'scaling'>): Float32Array {
  return Float32Array.from({ length: D / 2 }, (_, j) => {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * j) / D)));
    if (scaling === null) return frequency;
    if (scaling.type === 'linear') return frequency / scaling.factor;
    const { factor, low, high, positions } = scaling;
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < positions / high) return frequency;
    if (wavelength > positions / low) return frequency / factor;
    const share = (positions / wavelength - low) / (high - low);
    return ((1 - share) * frequency) / factor + share * frequency;
  });
}

function listParameters(config: LlamaConfig): ParameterSpec[] {
  const { hiddenSize: H, intermediateSize: F, headSize: D, heads, keyHeads, biases } = config;
  const norm = (name: string, size: number): ParameterSpec[] => listNorm(name, size).slice(0, 1);
  const linear = (name: string, [outputs, inputs]: [number, number], hasBias: boolean): ParameterSpec[] =>
    listLinear(name, outputs, inputs).slice(0, hasBias ? 2 : 1);
  return [
    ...listTable('model.embed_tokens', config.vocabSize, H),
    ...Array.from({ length: config.layers }, (_, i) => `model.layers.${i}`).flatMap((name) => [
      ...linear(`${name}.self_attn.q_proj`, [heads * D, H], biases.queries),
      ...linear(`${name}.self_attn.k_proj`, [keyHeads * D, H], biases.queries),
      ...linear(`${name}.self_attn.v_proj`, [keyHeads * D, H], biases.queries),
      ...linear(`${name}.self_attn.o_proj`, [H, heads * D], biases.mix),
      ...(config.hasHeadNorms ? ['q_norm', 'k_norm'].flatMap((part) => norm(`${name}.self_attn.${part}`, D)) : []),
      ...linear(`${name}.mlp.gate_proj`, [F, H], biases.feedForward),
      ...linear(`${name}.mlp.up_proj`, [F, H], biases.feedForward),
      ...linear(`${name}.mlp.down_proj`, [H, F], biases.feedForward),
      ...norm(`${name}.input_layernorm`, H),
      ...norm(`${name}.post_attention_layernorm`, H),
    ]),
    ...norm('model.norm', H),
    ...(config.isTied ? [] : listTable('lm_head', config.vocabSize, H)),
  ];
}

function createFamily(kind: Kind): CausalFamily<LlamaConfig> {
  return {
    parseConfig: (json, path) => parseConfig(kind, json, path),
    buildConfigJson: (config) => buildConfigJson(kind, config),
    listParameters,
    prefix: 'model',
    loraTargets: ['q_proj', 'v_proj'],
    toCanonicalName: (stored) => (/^(embed_tokens|layers|norm)\./.test(stored) ? `model.${stored}` : stored),
    isIgnored: (name) => name.endsWith('.rotary_emb.inv_freq') || name === 'lm_head.weight', // a tied model may store its table twice
    getOutput: ({ isTied }) => (isTied ? 'model.embed_tokens.weight' : 'lm_head.weight'),
    computeStates,
  };
}

export const llama = createFamily({
  name: 'llama',
  className: 'LlamaForCausalLM',
  hasQueryBias: (stated) => stated ?? false,
  hasMixBias: (stated) => stated ?? false,
  hasHeadNorms: false,
  headSize: null,
});
export const qwen2 = createFamily({
  name: 'qwen2',
  className: 'Qwen2ForCausalLM',
  hasQueryBias: () => true,
  hasMixBias: () => false,
  hasHeadNorms: false,
  headSize: null,
});
export const qwen3 = createFamily({
  name: 'qwen3',
  className: 'Qwen3ForCausalLM',
  hasQueryBias: (stated) => stated ?? false,
  hasMixBias: (stated) => stated ?? false,
  hasHeadNorms: true,
  headSize: 128,
});
