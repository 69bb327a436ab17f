/**
 * The kernels with tensors instead of addresses: each checks what it is given, makes room for the result, and computes it. The formulas
 * stand in assembly/. Letters as in the engine's operations: M rows of H or K numbers, N outputs; B texts, Q queries and S keys a text.
 */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { KernelMemory } from './index.ts';

/** Dropout as the kernels take it; `threshold` 0 is none. */
interface KernelDropout {
  readonly key: number;
  /** Random numbers of 32 bits below it drop theirs. */
  readonly threshold: number;
  readonly scale: number;
}

export function toKernelDropout(dropout: { readonly rate: number; readonly key: number } | null): KernelDropout {
  if (dropout === null || dropout.rate === 0) return { key: 0, threshold: 0, scale: 1 };
  return { key: dropout.key, threshold: Math.ceil(dropout.rate * 2 ** 32), scale: 1 / (1 - dropout.rate) };
}

/** Sizes of a product, from the tensors that it is of: x [M, K], w [K, N]. */
const toSizes = (x: Tensor, w: Tensor): [M: number, N: number, K: number] => [x.shape[0], w.shape[1]!, x.shape[1]!];

/** [M, K] [K, N] + [N] -> [M, N]; nothing is added where `b` is null */
export function linear({ call, create, find }: KernelMemory, x: Tensor, { w, b }: { w: Tensor; b: Tensor | null }): Tensor2D {
  const [M, N, K] = toSizes(x, w);
  const y = create<Tensor2D>([M, N]);
  call.product(find(x, [M, K]), K, 1, find(w, [K, N]), N, 1, find(y, [M, N]), N, M, N, K, b ? find(b, [N]) : 0);
  return y;
}

/** `dx = dy wᵀ` */
export function linearInputGradient({ call, create, find }: KernelMemory, dy: Tensor, w: Tensor): Tensor2D {
  const [M, N, K] = [dy.shape[0], dy.shape[1]!, w.shape[0]];
  const dx = create<Tensor2D>([M, K]);
  call.product(find(dy, [M, N]), N, 1, find(w, [K, N]), 1, N, find(dx, [M, K]), K, M, K, N, 0);
  return dx;
}

/** [M, K]ᵀ [M, N] -> [K, N] */
export function transposedProduct({ call, create, find }: KernelMemory, x: Tensor, y: Tensor): Tensor2D {
  const [M, K, N] = [x.shape[0], x.shape[1]!, y.shape[1]!];
  const product = create<Tensor2D>([K, N]);
  call.product(find(x, [M, K]), 1, K, find(y, [M, N]), N, 1, find(product, [K, N]), N, K, N, M, 0);
  return product;
}

/** `dx = dy wᵀ`, `dw = xᵀ dy`, `db = Σ dy` */
export function linearGradient({ call, create, find }: KernelMemory, dy: Tensor, { x, w }: { x: Tensor; w: Tensor }): Tensor[] {
  const [M, N, K] = toSizes(x, w);
  const [dx, dw, db] = [create([M, K]), create([K, N]), create([N])];
  const slope = find(dy, [M, N]);
  call.product(slope, N, 1, find(w, [K, N]), 1, N, find(dx, [M, K]), K, M, K, N, 0);
  call.product(find(x, [M, K]), 1, K, slope, N, 1, find(dw, [K, N]), N, K, N, M, 0);
  call.sumRows(slope, find(db, [N]), M, N);
  return [dx, dw, db];
}

interface Scale {
  readonly weight: Tensor1D;
  readonly bias: Tensor1D;
  readonly epsilon: number;
}

/** [M, H] -> y [M, H], and what its gradient needs: the normalised rows [M, H] and the inverse of their deviations [M]. */
export function layerNorm(
  { call, create, find }: KernelMemory,
  { x, residual }: { x: Tensor; residual: Tensor | null },
  { weight, bias, epsilon }: Scale,
): { readonly y: Tensor2D; readonly normal: Tensor; readonly inverse: Tensor } {
  const [M, H] = x.shape as [number, number];
  const [y, normal, inverse] = [create<Tensor2D>([M, H]), create([M, H]), create([M])];
  const inputs = [find(x, [M, H]), residual ? find(residual, [M, H]) : 0, find(weight, [H]), find(bias, [H])];
  call.layerNorm(...inputs, find(y, [M, H]), find(normal, [M, H]), find(inverse, [M]), M, H, epsilon);
  return { y, normal, inverse };
}

/** Gradients of x (and of the residual, which is the same), weight and bias. */
export function layerNormGradient(
  { call, create, find }: KernelMemory,
  dy: Tensor,
  { normal, inverse, weight }: { normal: Tensor; inverse: Tensor; weight: Tensor },
): [dx: Tensor, dWeight: Tensor, dBias: Tensor] {
  const [M, H] = dy.shape as [number, number];
  const [dx, dWeight, dBias] = [create([M, H]), create([H]), create([H])];
  const inputs = [find(dy, [M, H]), find(normal, [M, H]), find(inverse, [M]), find(weight, [H])];
  call.layerNormGradient(...inputs, find(dx, [M, H]), find(dWeight, [H]), find(dBias, [H]), M, H);
  return [dx, dWeight, dBias];
}

/** Texts side by side without padding, M tokens in all. */
export interface CompactRows {
  /** Where each token would be with padding, `text * S + position`, int32 [M]. */
  readonly places: Tensor1D;
  /** Where each text begins, and where the last one ends, int32 [B + 1]. */
  readonly starts: Tensor1D;
  /** Pairs of tokens that are of one text: the sum of the squares of the lengths. */
  readonly pairs: number;
  /** Rows with padding, B * S. */
  readonly padded: number;
}

interface AttentionContext {
  readonly sizes: { readonly batch: number; readonly keys: number; readonly queries: number; readonly heads: number };
  readonly dropout: KernelDropout;
  /** [B, 1, 1, S]; null where the texts are without padding. */
  readonly mask: Tensor | null;
  /** Null where the texts are padded. Queries are as many as keys then, or 1 a text; `sizes` are those with padding. */
  readonly compact: CompactRows | null;
  /** Heads of keys and values, and that no position sees what is behind it; absent: as many as of queries, and all is seen. */
  readonly causal?: { readonly keyHeads: number } | undefined;
}

/**
 * What the kernels of attention need to know beside the numbers, with the shapes of these.
 * @throws Error when H numbers cannot be shared among the heads, or the texts are not where they are said to be
 */
function toAttentionArguments({ call, find }: KernelMemory, q: Tensor, k: Tensor, context: AttentionContext) {
  const { sizes, dropout, compact, causal } = context;
  const { batch: B, keys: S, queries: Q, heads: A } = sizes;
  const { key, threshold, scale } = dropout;
  const H = q.shape[1]!;
  if (H % A !== 0) throw new Error(`expected a number of heads that divides ${H}, found ${A}`);
  const G = causal?.keyHeads ?? A;
  if (A % G !== 0) throw new Error(`expected heads of keys that divide ${A} heads, found ${G}`);
  const [W, work] = [(H / A) * G, [Q * S + (G === A ? 0 : (S * H) / A)]];
  const last = [B, Q, S, A, H / A, key, threshold, scale, G];
  if (!compact) return { queries: [B * Q, H], keys: [B * S, W], P: [B, A, Q, S], work, starts: 0, last };
  const M = k.shape[0];
  const starts = find(compact.starts, [B + 1], 'int32');
  const pairs = Q === 1 ? M : compact.pairs;
  if ((Q !== 1 && Q !== S) || call.areStarts(starts, B, S, M, Q === 1 ? 1 : 0, pairs) !== 1)
    throw new Error(`expected ${B} texts of at most ${S} tokens, ${M} in all, with one query each or as many as tokens`);
  return { queries: [Q === 1 ? B : M, H], keys: [M, W], P: [A, pairs], work, starts, last };
}

/** q [B*Q, H], k and v [B*S, H] -> y [B*Q, H]; the probabilities before dropout [B, A, Q, S] are for the gradient. */
export function attention(
  memory: KernelMemory,
  { q, k, v }: { q: Tensor; k: Tensor; v: Tensor },
  context: AttentionContext,
): { readonly y: Tensor2D; readonly P: Tensor } {
  const { call, create, find } = memory;
  const { starts, last, ...shapes } = toAttentionArguments(memory, q, k, context);
  const { batch: B, keys: S } = context.sizes;
  const inputs = [find(q, shapes.queries), find(k, shapes.keys), find(v, shapes.keys), context.mask ? find(context.mask, [B, 1, 1, S]) : 0];
  const [P, y, work] = [create(shapes.P), create<Tensor2D>(shapes.queries), create(shapes.work)];
  call.attention(...inputs, starts, find(P, shapes.P), find(y, shapes.queries), find(work, shapes.work), ...last, context.causal ? 1 : 0);
  work.dispose();
  return { y, P };
}

/** Gradients of q, k and v. */
export function attentionGradient(
  memory: KernelMemory,
  { q, k, v, P, dy }: { q: Tensor; k: Tensor; v: Tensor; P: Tensor; dy: Tensor },
  context: AttentionContext,
): Tensor[] {
  const { call, create, find } = memory;
  const { starts, last, ...shapes } = toAttentionArguments(memory, q, k, context);
  const [dq, dk, dv, work] = [create(shapes.queries), create(shapes.keys), create(shapes.keys), create(shapes.work)];
  const inputs = [find(q, shapes.queries), find(k, shapes.keys), find(v, shapes.keys), starts, find(P, shapes.P), find(dy, shapes.queries)];
  const outputs = [find(dq, shapes.queries), find(dk, shapes.keys), find(dv, shapes.keys), find(work, shapes.work)];
  call.attentionGradient(...inputs, ...outputs, ...last);
  work.dispose();
  return [dq, dk, dv];
}

interface Tables {
  readonly word: Tensor;
  readonly position: Tensor;
  /** Null where the model knows no types. */
  readonly type: Tensor | null;
}

interface Places {
  readonly ids: Tensor;
  readonly typeIds: Tensor;
  /** S: positions a text. */
  readonly positions: number;
  /** Null where the texts are padded. */
  readonly compact: CompactRows | null;
}

/** Rows of the tables for M places, int32: [M, H]. @throws Error when a table has no such row */
export function embed({ call, create, find }: KernelMemory, tables: Tables, { ids, typeIds, positions: S, compact }: Places): Tensor2D {
  const [M, [V, H]] = [ids.shape[0], tables.word.shape as [number, number]];
  const [P, T] = [tables.position.shape[0], tables.type?.shape[0] ?? 0];
  const y = create<Tensor2D>([M, H]);
  const inputs = [find(tables.word, [V, H]), find(tables.position, [P, H]), tables.type ? find(tables.type, [T, H]) : 0];
  const places = [find(ids, [M], 'int32'), find(typeIds, [M], 'int32'), compact ? find(compact.places, [M], 'int32') : 0];
  const wrong = call.embed(...inputs, ...places, find(y, [M, H]), M, S, H, V, P, T);
  if (wrong >= 0) throw new Error(`expected words below ${V} and types below ${T}: place ${wrong} has another one`);
  return y;
}

/** Gradients of the tables. */
export function embedGradient(
  { call, create, find }: KernelMemory,
  { dy, word, position, type }: Tables & { dy: Tensor },
  { ids, typeIds, positions: S, compact }: Places,
): Tensor[] {
  const [M, [V, H]] = [ids.shape[0], word.shape as [number, number]];
  const [P, T] = [position.shape[0], type?.shape[0] ?? 0];
  const [dWord, dPosition, dType] = [create([V, H]), create([P, H]), type ? [create([T, H])] : []];
  const places = [find(ids, [M], 'int32'), find(typeIds, [M], 'int32'), compact ? find(compact.places, [M], 'int32') : 0];
  call.embedGradient(
    find(dy, [M, H]),
    ...places,
    find(dWord, [V, H]),
    find(dPosition, [P, H]),
    dType[0] ? find(dType[0], [T, H]) : 0,
    M,
    S,
    H,
    V,
    P,
    T,
  );
  return [dWord, dPosition, ...dType];
}

/** The first token of each text: [M, H] -> [B, H] */
export function firstRows({ call, create, find }: KernelMemory, x: Tensor, { starts }: Pick<CompactRows, 'starts'>): Tensor2D {
  const [[M, H], B] = [x.shape as [number, number], starts.shape[0] - 1];
  const y = create<Tensor2D>([B, H]);
  if (call.firstRows(find(x, [M, H]), find(starts, [B + 1], 'int32'), find(y, [B, H]), B, M, H) !== 1)
    throw new Error(`expected texts that begin before row ${M}, found another one`);
  return y;
}

/** Gradient of the M rows. */
export function firstRowsGradient(
  { call, create, find }: KernelMemory,
  dy: Tensor,
  { starts, M }: Pick<CompactRows, 'starts'> & { M: number },
): Tensor {
  const [B, H] = dy.shape as [number, number];
  const dx = create([M, H]);
  call.firstRowsGradient(find(dy, [B, H]), find(starts, [B + 1], 'int32'), find(dx, [M, H]), B, M, H);
  return dx;
}

/** The slope at each number is for the gradient, where there is one. */
export function gelu(
  { call, create, find }: KernelMemory,
  x: Tensor,
  { hasSlope }: { hasSlope: boolean },
): { readonly y: Tensor2D; readonly slope: Tensor | null } {
  const [y, slope] = [create<Tensor2D>(x.shape), hasSlope ? create(x.shape) : null];
  call.gelu(find(x, x.shape), find(y, x.shape), slope ? find(slope, x.shape) : 0, x.size);
  return { y, slope };
}

export function multiply({ call, create, find }: KernelMemory, a: Tensor, b: Tensor): Tensor {
  const y = create(a.shape);
  call.multiply(find(a, a.shape), find(b, a.shape), find(y, a.shape), a.size);
  return y;
}

/** x [M, H]; `places` [M] where the texts are without padding, else null. */
export function dropout(
  { call, create, find }: KernelMemory,
  x: Tensor,
  { key, threshold, scale, places }: KernelDropout & { places: Tensor1D | null },
): Tensor2D {
  const [M, H] = x.shape as [number, number];
  const y = create<Tensor2D>([M, H]);
  call.dropout(find(x, [M, H]), find(y, [M, H]), places ? find(places, [M], 'int32') : 0, M, H, key, threshold, scale);
  return y;
}
