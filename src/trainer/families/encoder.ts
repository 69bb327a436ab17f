/**
 * What encoders have in common: a stack of Transformer layers (Vaswani et al. 2017), normalised after each part, and the fields of their
 * config.json. Families differ in the names of their parameters, in what they look up, and in their heads.
 *
 * B texts of S positions, M = B * S (or the number of tokens: see `Ops.takesCompact`), Q queries a text, H numbers a position, F of the feed-forward part.
 */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { Batch } from '../engine/batches.ts';
import type { NextDropout } from '../engine/ops.ts';
import type { ParameterSpec } from '../engine/parameters.ts';
import { getLowRankNames, type FamilyNetwork, type NetworkConfig } from './family.ts';

/** The names of a layer's parts; each has a weight and a bias. */
export interface LayerNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** After the attention. */
  readonly mix: string;
  readonly mixNorm: string;
  /** The two maps of the feed-forward part, [H, F] and [F, H]. */
  readonly wide: string;
  readonly narrow: string;
  readonly norm: string;
}

interface Stack {
  readonly network: FamilyNetwork;
  readonly batch: Batch;
  readonly next: NextDropout | null;
  getNames(layer: number): LayerNames;
  /** Whether numbers are dropped after the attention too, as after the feed-forward part. */
  readonly dropsMix: boolean;
}

/** The first token of each text after all layers: [M, H] -> [B, H] */
export function computeFirstToken(stack: Stack, embedded: Tensor2D): Tensor2D {
  const { ops, config } = stack.network;
  const last = config.layers - 1;
  let x = embedded; // [M, H]
  for (let i = 0; i < last; i++) x = computeLayer(stack, i, { x, queries: x });
  // Only the first token is read afterwards: the last layer computes it alone.
  return computeLayer(stack, last, { x, queries: ops.firstToken(x, stack.batch.sizes.texts) });
}

/** One layer; `queries` are the rows of `x` that go on: all, or the first of each text. [M, H], [B*Q, H] -> [B*Q, H] */
function computeLayer(
  { network, batch, next, getNames, dropsMix }: Stack,
  layer: number,
  { x, queries }: { x: Tensor2D; queries: Tensor2D },
): Tensor2D {
  const { ops, config } = network;
  const names = getNames(layer);
  const { texts, positions } = batch.sizes;
  const sizes = { batch: texts, keys: positions, queries: queries === x ? positions : 1, heads: config.heads };

  const q = computeLinear(network, names.query, { x: queries, next }); // [B*Q, H]
  const k = computeLinear(network, names.key, { x, next }); //         [M, H]
  const v = computeLinear(network, names.value, { x, next }); //       [M, H]
  const attended = ops.attention(q, k, v, { mask: batch.mask, sizes, dropout: next?.(config.attentionDropout) ?? null }); // [B*Q, H]
  const mixed = computeLinear(network, names.mix, { x: attended, next });
  const dropped = dropsMix ? ops.dropout(mixed, next?.(config.hiddenDropout) ?? null) : mixed;
  const y = computeNorm(network, names.mixNorm, { x: dropped, residual: queries }); // [B*Q, H]

  const wide = ops.gelu(computeLinear(network, names.wide, { x: y, next })); // [B*Q, F]
  const narrow = ops.dropout(computeLinear(network, names.narrow, { x: wide, next }), next?.(config.hiddenDropout) ?? null); // [B*Q, H]
  return computeNorm(network, names.norm, { x: narrow, residual: y }); // [B*Q, H]
}

/** A linear map, with what an adapter adds to it. */
export function computeLinear(
  network: Omit<FamilyNetwork, 'config'>,
  name: string,
  { x, next }: { x: Tensor2D; next: NextDropout | null },
): Tensor2D {
  const { ops, parameters, lowRank } = network;
  const linear = network.isTrainable(`${name}.weight`) || network.isTrainable(`${name}.bias`) ? ops.linear : ops.linearOfFrozen;
  const y = linear(x, getParameter(network, `${name}.weight`), getBias(network, name));
  const names = getLowRankNames(name);
  if (!lowRank || !parameters.has(names.a)) return y;
  const { scale, dropout } = lowRank;
  const dropped = dropout === 0 ? x : ops.dropout(x, next?.(dropout) ?? null);
  return ops.addLowRank(y, dropped, { a: getParameter(network, names.a), b: getParameter(network, names.b), scale });
}

export function computeNorm(
  network: FamilyNetwork<NetworkConfig>,
  name: string,
  { x, residual }: { x: Tensor2D; residual: Tensor2D | null },
): Tensor2D {
  const weight = getParameter<Tensor1D>(network, `${name}.weight`);
  const bias = getBias(network, name);
  return network.ops.layerNorm(x, residual, { weight, bias, epsilon: network.config.layerNormEpsilon });
}

/** That of a linear map or a norm: zeros where it has none. */
function getBias(network: Omit<FamilyNetwork, 'config'>, name: string): Tensor1D {
  const bias = network.parameters.get(`${name}.bias`);
  if (bias) return bias as Tensor1D;
  const { shape } = getParameter(network, `${name}.weight`);
  return network.ops.zeros([shape.at(-1)!]);
}

export function getParameter<T extends Tensor1D | Tensor2D>({ parameters }: Pick<FamilyNetwork, 'parameters'>, name: string): T {
  const tensor = parameters.get(name);
  if (!tensor) throw new Error(`no parameter ${name}`);
  return tensor as T;
}

/** A table of vectors, which are looked up. */
export function listTable(name: string, rows: number, columns: number): ParameterSpec[] {
  return [{ name: `${name}.weight`, shape: [rows, columns], isLinear: false }];
}

/** A linear map with its bias. */
export function listLinear(name: string, outputs: number, inputs: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], isLinear: true },
    { name: `${name}.bias`, shape: [outputs], isLinear: false },
  ];
}

/** A norm's weight and bias. */
export function listNorm(name: string, size: number): ParameterSpec[] {
  return ['weight', 'bias'].map((part) => ({ name: `${name}.${part}`, shape: [size], isLinear: false }));
}

/** The parameters of a layer, in the order of transformers. */
export function listLayer(names: LayerNames, { hiddenSize: H, intermediateSize: F }: FamilyNetwork['config']): ParameterSpec[] {
  return [
    ...[names.query, names.key, names.value, names.mix].flatMap((name) => listLinear(name, H, H)),
    ...listNorm(names.mixNorm, H),
    ...listLinear(names.wide, F, H),
    ...listLinear(names.narrow, H, F),
    ...listNorm(names.norm, H),
  ];
}

/** A field of config.json: a whole number. Upper bounds are far above real models; they keep a hostile file from asking for much memory. */
export function whole(least: number, most: number): z.ZodInt {
  const expected = `a whole number from ${least} to ${most}`;
  return z.int(expected).min(least, expected).max(most, expected);
}

/** A field of config.json: a number. */
export function number(least: number, most: number): z.ZodNumber {
  const expected = `a number from ${least} to ${most}`;
  return z.number(expected).min(least, expected).max(most, expected);
}
