/**
 * BERT (Devlin et al. 2019): a stack of Transformer layers over word, position and type vectors, normalised after each part, with a
 * classifier on the pooled first token.
 *
 * B texts of S positions, M = B * S, H numbers a position, F of the feed-forward part, C classes.
 */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { BertConfig } from '../model-files/bert-config.ts';
import type { Batch } from './batch.ts';
import type { NextDropout } from './dropout.ts';
import type { Ops } from './ops.ts';
import type { Parameters } from './parameters.ts';

export interface Bert {
  readonly ops: Ops;
  readonly config: BertConfig;
  readonly parameters: Parameters;
}

/** Logits of each text, [B, C], and the pooled first token, [B, H]. `next` gives each place its dropout; null computes without. */
export function toLogits(bert: Bert, batch: Batch, next: NextDropout | null): { readonly logits: Tensor2D; readonly pooled: Tensor2D } {
  const { ops, config } = bert;
  const last = config.layers - 1;
  let x = toEmbeddings(bert, batch, next); //                                          [M, H]
  for (let i = 0; i < last; i++) x = toLayer(bert, i, { x, queries: x, batch, next }); // [M, H]
  // Only the first token is read afterwards: the last layer asks for it alone.
  const first = toLayer(bert, last, { x, queries: ops.firstToken(x, batch.sizes.texts), batch, next }); // [B, H]
  return toHead(bert, first, next);
}

/** What the encoder knows of every position: the embeddings' output, then each layer's, all [M, H]. Without dropout. */
export function toHiddenStates(bert: Bert, batch: Batch): Tensor2D[] {
  const states = [toEmbeddings(bert, batch, null)];
  for (let i = 0; i < bert.config.layers; i++) {
    const x = states[i]!;
    states.push(toLayer(bert, i, { x, queries: x, batch, next: null }));
  }
  return states;
}

function toEmbeddings(bert: Bert, batch: Batch, next: NextDropout | null): Tensor2D {
  const { ops, config } = bert;
  const table = (name: string): Tensor2D => toTensor(bert, `bert.embeddings.${name}_embeddings.weight`);
  const sum = ops.embed(table('word'), table('position'), table('token_type'), batch); // [M, H]
  return ops.dropout(toNorm(bert, 'bert.embeddings', sum, null), next?.(config.hiddenDropout) ?? null);
}

/** One Transformer layer; `queries` are the rows of `x` that go on: all, or the first of each text. */
function toLayer(
  bert: Bert,
  i: number,
  { x, queries, batch, next }: { x: Tensor2D; queries: Tensor2D; batch: Batch; next: NextDropout | null },
): Tensor2D {
  const { ops, config } = bert;
  const name = `bert.encoder.layer.${i}`;
  const { texts, positions } = batch.sizes;
  const sizes = { batch: texts, keys: positions, queries: queries.shape[0] / texts, heads: config.heads };

  const q = toLinear(bert, `${name}.attention.self.query`, queries); // [B*Q, H]
  const k = toLinear(bert, `${name}.attention.self.key`, x); //         [M, H]
  const v = toLinear(bert, `${name}.attention.self.value`, x); //       [M, H]
  const attended = ops.attention(q, k, v, { mask: batch.mask, sizes, dropout: next?.(config.attentionDropout) ?? null }); // [B*Q, H]
  const mixed = ops.dropout(toLinear(bert, `${name}.attention.output.dense`, attended), next?.(config.hiddenDropout) ?? null);
  const y = toNorm(bert, `${name}.attention.output`, mixed, queries); // [B*Q, H]

  const wide = ops.gelu(toLinear(bert, `${name}.intermediate.dense`, y)); // [B*Q, F]
  const narrow = ops.dropout(toLinear(bert, `${name}.output.dense`, wide), next?.(config.hiddenDropout) ?? null); // [B*Q, H]
  return toNorm(bert, `${name}.output`, narrow, y); // [B*Q, H]
}

function toHead(bert: Bert, first: Tensor2D, next: NextDropout | null): { logits: Tensor2D; pooled: Tensor2D } {
  const { ops, config } = bert;
  const pooled = ops.tanh(toLinear(bert, 'bert.pooler.dense', first)); // [B, H]
  const dropped = ops.dropout(pooled, next?.(config.classifierDropout) ?? null);
  return { logits: toLinear(bert, 'classifier', dropped), pooled }; //   [B, C]
}

function toLinear(bert: Bert, name: string, x: Tensor2D): Tensor2D {
  return bert.ops.linear(x, toTensor(bert, `${name}.weight`), toTensor(bert, `${name}.bias`));
}

function toNorm(bert: Bert, name: string, x: Tensor2D, residual: Tensor2D | null): Tensor2D {
  const [weight, bias] = [toTensor<Tensor1D>(bert, `${name}.LayerNorm.weight`), toTensor<Tensor1D>(bert, `${name}.LayerNorm.bias`)];
  return bert.ops.layerNorm(x, residual, { weight, bias, epsilon: bert.config.layerNormEpsilon });
}

function toTensor<T extends Tensor1D | Tensor2D>({ parameters }: Bert, name: string): T {
  const tensor = parameters.get(name);
  if (!tensor) throw new Error(`no parameter ${name}`);
  return tensor as T;
}
