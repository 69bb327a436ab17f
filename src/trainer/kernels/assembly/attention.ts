/*
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1), `P = softmax(q kᵀ / √D + mask)`, `y = dropout(P) v`, for B texts with Q
 * queries and S keys each and A heads of D numbers, side by side in rows of H = A D: q and y [B Q, H], k and v [B S, H], P [B, A, Q, S],
 * mask [B, S] (0, or -1e9 at padding). Dropout is off where `threshold` is 0.
 */
import { toDropoutMask4 } from './elementwise';
import { at, exp4, keepFirst, load4, maxOf4, store4, sumOf4 } from './numbers';
import { product } from './product';

/** P before dropout is kept for the gradient. `work` has room for Q S numbers. */
export function attention(
  q: usize,
  k: usize,
  v: usize,
  mask: usize,
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
): void {
  const H = A * D;
  for (let b = 0; b < B; b++) {
    for (let a = 0; a < A; a++) {
      const queries = at(b * Q * H + a * D),
        keys = at(b * S * H + a * D),
        first = (b * A + a) * Q * S;
      const p = P + at(first);
      product(q + queries, H, 1, k + keys, 1, H, p, S, Q, S, D, 0);
      for (let i = 0; i < Q; i++) softmax(p + at(i * S), mask + at(b * S), S, <f32>1 / sqrt<f32>(<f32>D));
      if (threshold) drop(p, work, first, Q * S, key, threshold, scale);
      product(threshold ? work : p, S, 1, v + keys, H, 1, y + queries, H, Q, D, S, 0);
    }
  }
}

/** In place: `softmax(x factor + mask)` over n numbers. */
function softmax(x: usize, mask: usize, n: i32, factor: f32): void {
  let most = f32x4.splat(-Infinity);
  for (let j = 0; j < n; j += 4) {
    const score = f32x4.add(f32x4.mul(load4(x + at(j), n - j), f32x4.splat(factor)), load4(mask + at(j), n - j));
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
 * `work` has room for Q S numbers.
 */
export function attentionGradient(
  q: usize,
  k: usize,
  v: usize,
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
): void {
  const H = A * D;
  for (let b = 0; b < B; b++) {
    for (let a = 0; a < A; a++) {
      const queries = at(b * Q * H + a * D),
        keys = at(b * S * H + a * D),
        first = (b * A + a) * Q * S;
      const p = P + at(first);
      if (threshold) drop(p, work, first, Q * S, key, threshold, scale);
      product(threshold ? work : p, 1, S, dy + queries, H, 1, dv + keys, H, S, D, Q, 0);
      product(dy + queries, H, 1, v + keys, 1, H, work, S, Q, S, D, 0);
      if (threshold) drop(work, work, first, Q * S, key, threshold, scale);
      for (let i = 0; i < Q; i++) softmaxGradient(p + at(i * S), work + at(i * S), S, <f32>1 / sqrt<f32>(<f32>D));
      product(work, S, 1, k + keys, H, 1, dq + queries, H, Q, D, S, 0);
      product(work, 1, S, q + queries, H, 1, dk + keys, H, S, D, Q, 0);
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
