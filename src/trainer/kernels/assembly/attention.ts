/*
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1), `P = softmax(q kᵀ / √D + mask)`, `y = dropout(P) v`, for B texts with Q
 * queries and S keys each and A heads of D numbers, side by side in rows of H = A D: q and y [B Q, H], k and v [B S, H], P [B, A, Q, S],
 * mask [B, S] (0, or -1e9 at padding). Dropout is off where `threshold` is 0.
 *
 * Texts without padding: `starts` [B + 1] says where each one begins and where the last one ends, and there is no mask. Text b has
 * L <= S keys then, and L queries, or 1 where Q is 1; k and v are [sum of L, H], P is L or 1 times L numbers for each head and text. The
 * random numbers are those of the padded layout. Where all texts have S keys, `starts` is 0.
 *
 * Keys and values may have fewer heads, G: each is for A / G heads of queries side by side, and rows of k and v are G D numbers long. Where
 * `isCausal` is not 0, the queries are the last ones of their text, and each sees no keys behind its own.
 */
import { toDropoutMask4 } from './elementwise';
import { at, exp4, keepFirst, load4, maxOf4, store4, sumOf4 } from './numbers';
import { product } from './product';

/** Whether texts of 1 to S keys follow each other without a gap, M keys in all, with as many numbers of P a head as `pairs`. */
export function areStarts(starts: usize, B: i32, S: i32, M: i32, hasOneQuery: bool, pairs: i32): bool {
  let end = 0,
    found = 0;
  for (let b = 0; b < B; b++) {
    const begin = load<i32>(starts + at(b)),
      length = load<i32>(starts + at(b + 1)) - begin;
    if (begin != end || length < 1 || length > S) return false;
    end += length;
    found += hasOneQuery ? length : length * length;
  }
  return end == M && found == pairs;
}

/** P before dropout is kept for the gradient. `work` has room for Q S numbers. */
export function attention(
  q: usize,
  k: usize,
  v: usize,
  mask: usize,
  starts: usize,
  P: usize,
  y: usize,
  work: usize,
  B: i32,
  Q: i32,
  S: i32,
  A: i32,
  D: i32,
  key: i32,
  threshold: i32,
  scale: f32,
  G: i32,
  isCausal: i32,
): void {
  const H = A * D,
    W = G * D,
    times = A / G;
  let p = P;
  for (let b = 0; b < B; b++) {
    const begin = starts ? load<i32>(starts + at(b)) : b * S,
      L = starts ? load<i32>(starts + at(b + 1)) - begin : S,
      n = starts && Q > 1 ? L : Q;
    for (let a = 0; a < A; a++) {
      const queries = at((starts && Q > 1 ? begin : b * Q) * H + a * D),
        keys = at(begin * W + (a / times) * D);
      product(q + queries, H, 1, k + keys, 1, W, p, L, n, L, D, 0);
      for (let i = 0; i < n; i++) {
        const seen = isCausal ? L - n + i + 1 : L;
        softmax(p + at(i * L), mask ? mask + at(b * S) : 0, seen, <f32>1 / sqrt<f32>(<f32>D));
        memory.fill(p + at(i * L + seen), 0, at(L - seen));
      }
      if (threshold) {
        for (let i = 0; i < n; i++) drop(p + at(i * L), work + at(i * L), ((b * A + a) * Q + i) * S, L, key, threshold, scale);
      }
      product(threshold ? work : p, L, 1, v + keys, W, 1, y + queries, H, n, D, L, 0);
      p += at(n * L);
    }
  }
}

/** In place: `softmax(x factor + mask)` over n numbers; the address of `mask` is 0 where there is none. */
function softmax(x: usize, mask: usize, n: i32, factor: f32): void {
  let most = f32x4.splat(-Infinity);
  for (let j = 0; j < n; j += 4) {
    let score = f32x4.mul(load4(x + at(j), n - j), f32x4.splat(factor));
    if (mask) score = f32x4.add(score, load4(mask + at(j), n - j));
    store4(x + at(j), score, n - j);
    most = f32x4.max(most, keepFirst(score, n - j, -Infinity));
  }
  const highest = f32x4.splat(maxOf4(most));
  let sum = f32x4.splat(0);
  for (let j = 0; j < n; j += 4) {
    const power = keepFirst(exp4(f32x4.sub(load4(x + at(j), n - j), highest)), n - j, 0);
    store4(x + at(j), power, n - j);
    sum = f32x4.add(sum, power);
  }
  const share = f32x4.splat(<f32>1 / sumOf4(sum));
  for (let j = 0; j < n; j += 4) store4(x + at(j), f32x4.mul(load4(x + at(j), n - j), share), n - j);
}

/** n numbers of P, the first of which is number `first` of the stream, times their mask. */
function drop(p: usize, to: usize, first: i32, n: i32, key: i32, threshold: i32, scale: f32): void {
  for (let i = 0; i < n; i += 4) {
    store4(to + at(i), f32x4.mul(load4(p + at(i), n - i), toDropoutMask4(key, first + i, threshold, scale)), n - i);
  }
}

/**
 * `dv = dropout(P)ᵀ dy`; with `g = dropout(dy vᵀ)`: `dScores = P (g - Σ g P) / √D`, `dq = dScores k`, `dk = dScoresᵀ q`.
 * `work` has room for Q S numbers, and where G is less than A for S D more.
 */
export function attentionGradient(
  q: usize,
  k: usize,
  v: usize,
  starts: usize,
  P: usize,
  dy: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  work: usize,
  B: i32,
  Q: i32,
  S: i32,
  A: i32,
  D: i32,
  key: i32,
  threshold: i32,
  scale: f32,
  G: i32,
): void {
  const H = A * D,
    W = G * D,
    times = A / G,
    more = work + at(Q * S);
  let p = P;
  for (let b = 0; b < B; b++) {
    const begin = starts ? load<i32>(starts + at(b)) : b * S,
      L = starts ? load<i32>(starts + at(b + 1)) - begin : S,
      n = starts && Q > 1 ? L : Q;
    for (let a = 0; a < A; a++) {
      const queries = at((starts && Q > 1 ? begin : b * Q) * H + a * D),
        keys = at(begin * W + (a / times) * D),
        first = (b * A + a) * Q * S,
        isFirst = a % times == 0; // of the heads that share keys and values: the others are added to it
      if (threshold) for (let i = 0; i < n; i++) drop(p + at(i * L), work + at(i * L), first + i * S, L, key, threshold, scale);
      if (isFirst) product(threshold ? work : p, 1, L, dy + queries, H, 1, dv + keys, W, L, D, n, 0);
      else {
        product(threshold ? work : p, 1, L, dy + queries, H, 1, more, D, L, D, n, 0);
        addRows(more, dv + keys, L, D, W);
      }
      product(dy + queries, H, 1, v + keys, 1, W, work, L, n, L, D, 0);
      if (threshold) for (let i = 0; i < n; i++) drop(work + at(i * L), work + at(i * L), first + i * S, L, key, threshold, scale);
      for (let i = 0; i < n; i++) softmaxGradient(p + at(i * L), work + at(i * L), L, <f32>1 / sqrt<f32>(<f32>D));
      product(work, L, 1, k + keys, W, 1, dq + queries, H, n, D, L, 0);
      if (isFirst) product(work, 1, L, q + queries, H, 1, dk + keys, W, L, D, n, 0);
      else {
        product(work, 1, L, q + queries, H, 1, more, D, L, D, n, 0);
        addRows(more, dk + keys, L, D, W);
      }
      p += at(n * L);
    }
  }
}

/** In place, the gradient of the scores from that of their softmax p: `g = p (g - Σ g p) factor`. */
function softmaxGradient(p: usize, g: usize, n: i32, factor: f32): void {
  let along = f32x4.splat(0);
  for (let j = 0; j < n; j += 4) along = f32x4.add(along, f32x4.mul(load4(g + at(j), n - j), load4(p + at(j), n - j)));
  const sum = f32x4.splat(sumOf4(along));
  for (let j = 0; j < n; j += 4) {
    const slope = f32x4.mul(load4(p + at(j), n - j), f32x4.sub(load4(g + at(j), n - j), sum));
    store4(g + at(j), f32x4.mul(slope, f32x4.splat(factor)), n - j);
  }
}

/** n rows of D numbers, one behind the other, are added to rows that are `width` numbers apart. */
function addRows(from: usize, to: usize, n: i32, D: i32, width: i32): void {
  for (let i = 0; i < n; i++, from += at(D), to += at(width)) {
    for (let j = 0; j < D; j += 4) store4(to + at(j), f32x4.add(load4(to + at(j), D - j), load4(from + at(j), D - j)), D - j);
  }
}
