/* What happens once a step to n numbers of a parameter: the norm of its gradient, and AdamW. */
import { at, keepFirst, load4, store4, sumOf4 } from './numbers';

/** Sum of the squares, in double precision from block to block. */
export function sumSquares(x: usize, n: i32): f64 {
  let total: f64 = 0;
  for (let block = 0; block < n; block += 1024) {
    let sum = f32x4.splat(0);
    const end = min(block + 1024, n);
    for (let i = block; i < end; i += 4) {
      const v = load4(x + at(i), n - i);
      sum = f32x4.add(sum, f32x4.mul(v, v));
    }
    total += <f64>sumOf4(sum);
  }
  return total;
}

/** Averages below this are 0: they change no weight, and numbers below 1e-38 are computed a hundred times slower. */
const negligible: f32 = 1e-30;

function flush(v: v128): v128 {
  return v128.andnot(v, f32x4.lt(f32x4.abs(v), f32x4.splat(negligible)));
}

/**
 * AdamW (Loshchilov and Hutter 2019, algorithm 2) as PyTorch computes it. With `g = gradient * clip`:
 * `m = beta1 m + rest1 g`, `v = beta2 v + rest2 g²`, `after = remaining before - rate m / (√v correction + epsilon)`.
 *
 * `rest` is 1 - beta, `rate` the learning rate over 1 - beta1^step, `correction` one over the root of 1 - beta2^step. The averages m and
 * v of words that are not seen again become ever smaller: they end at 0 (see `negligible`). Returns whether all of `after` is finite.
 */
export function adamW(
  before: usize,
  gradient: usize,
  m: usize,
  v: usize,
  after: usize,
  n: i32,
  clip: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  remaining: f32,
  rate: f32,
  correction: f32,
  epsilon: f32,
): bool {
  let notFinite = f32x4.splat(0); // becomes NaN with the first number that is not finite
  for (let i = 0; i < n; i += 4) {
    const left = n - i;
    const g = f32x4.mul(load4(gradient + at(i), left), f32x4.splat(clip));
    const mean = flush(f32x4.add(f32x4.mul(f32x4.splat(beta1), load4(m + at(i), left)), f32x4.mul(f32x4.splat(rest1), g)));
    const square = flush(f32x4.add(f32x4.mul(f32x4.splat(beta2), load4(v + at(i), left)), f32x4.mul(f32x4.splat(rest2), f32x4.mul(g, g))));
    store4(m + at(i), mean, left);
    store4(v + at(i), square, left);
    const divisor = f32x4.add(f32x4.mul(f32x4.sqrt(square), f32x4.splat(correction)), f32x4.splat(epsilon));
    const change = f32x4.div(f32x4.mul(f32x4.splat(rate), mean), divisor);
    const result = f32x4.sub(f32x4.mul(load4(before + at(i), left), f32x4.splat(remaining)), change);
    store4(after + at(i), result, left);
    notFinite = f32x4.add(notFinite, f32x4.mul(keepFirst(result, left, 0), f32x4.splat(0)));
  }
  const sum = sumOf4(notFinite);
  return sum == sum;
}
