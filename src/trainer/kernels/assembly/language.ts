/* What language models need beside the others. Arrays have n numbers, or M rows of so many. */
import { at, exp4, keepFirst, load4, maxOf4, store4, sumOf4 } from './numbers';

/**
 * `y = x inverse weight` with `inverse = 1 / √(mean(x²) + epsilon)`, over rows of D numbers (Zhang and Sennrich 2019). `inverse` [M] is kept for
 * the gradient.
 */
export function rmsNorm(x: usize, weight: usize, y: usize, inverse: usize, M: i32, D: i32, epsilon: f32): void {
  for (let i = 0; i < M; i++, x += at(D), y += at(D)) {
    let squares = f32x4.splat(0);
    for (let j = 0; j < D; j += 4) {
      const v = load4(x + at(j), D - j);
      squares = f32x4.add(squares, f32x4.mul(v, v));
    }
    const factor = <f32>1 / sqrt<f32>(sumOf4(squares) / <f32>D + epsilon);
    store<f32>(inverse + at(i), factor);
    for (let j = 0; j < D; j += 4) {
      const v = f32x4.mul(load4(x + at(j), D - j), f32x4.splat(factor));
      store4(y + at(j), f32x4.mul(v, load4(weight + at(j), D - j)), D - j);
    }
  }
}

/** With `g = dy weight` and `normal = x inverse`: `dx = inverse (g - normal mean(g normal))`, and `dWeight = Σ dy normal` over the rows. */
export function rmsNormGradient(dy: usize, x: usize, inverse: usize, weight: usize, dx: usize, dWeight: usize, M: i32, D: i32): void {
  memory.fill(dWeight, 0, at(D));
  for (let i = 0; i < M; i++, dy += at(D), x += at(D), dx += at(D)) {
    const factor = f32x4.splat(load<f32>(inverse + at(i)));
    let sum = f32x4.splat(0);
    for (let j = 0; j < D; j += 4) {
      const d = load4(dy + at(j), D - j),
        normal = f32x4.mul(load4(x + at(j), D - j), factor);
      sum = f32x4.add(sum, f32x4.mul(f32x4.mul(d, load4(weight + at(j), D - j)), normal));
      store4(dWeight + at(j), f32x4.add(load4(dWeight + at(j), D - j), f32x4.mul(d, normal)), D - j);
    }
    const mean = f32x4.splat(sumOf4(sum) / <f32>D);
    for (let j = 0; j < D; j += 4) {
      const g = f32x4.mul(load4(dy + at(j), D - j), load4(weight + at(j), D - j)),
        normal = f32x4.mul(load4(x + at(j), D - j), factor);
      store4(dx + at(j), f32x4.mul(factor, f32x4.sub(g, f32x4.mul(normal, mean))), D - j);
    }
  }
}

/**
 * Rotary positions (Su et al. 2021) of A heads of D numbers a row: `a = x cos - b sin`, `b = b cos + x sin` for each number x of a head's first
 * half and the one b of its second half. `cos` and `sin` [M, D]; the direction is 1, or -1 for the gradient.
 */
export function turn(x: usize, cos: usize, sin: usize, y: usize, M: i32, A: i32, D: i32, direction: f32): void {
  const half = D / 2;
  for (let i = 0; i < M; i++, cos += at(D), sin += at(D)) {
    for (let a = 0; a < A; a++, x += at(D), y += at(D)) {
      for (let j = 0; j < half; j += 4) {
        const left = half - j,
          first = load4(x + at(j), left),
          second = load4(x + at(half + j), left),
          c = load4(cos + at(j), left),
          s = f32x4.mul(load4(sin + at(j), left), f32x4.splat(direction));
        store4(y + at(j), f32x4.sub(f32x4.mul(first, c), f32x4.mul(second, s)), left);
        store4(y + at(half + j), f32x4.add(f32x4.mul(second, c), f32x4.mul(first, s)), left);
      }
    }
  }
}

/** `1 / (1 + e^-x)`; no number on the way is too large, or too small to compute with. */
function toShare(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x))),
    one = f32x4.splat(1);
  return f32x4.div(v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0))), f32x4.add(one, e));
}

/** `y = silu(gate) x` with `silu(g) = g / (1 + e^-g)`. */
export function gate(gate: usize, x: usize, y: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) {
    const g = load4(gate + at(i), n - i);
    store4(y + at(i), f32x4.mul(f32x4.mul(g, toShare(g)), load4(x + at(i), n - i)), n - i);
  }
}

export function gateGradient(dy: usize, gate: usize, x: usize, dGate: usize, dx: usize, n: i32): void {
  const one = f32x4.splat(1);
  for (let i = 0; i < n; i += 4) {
    const g = load4(gate + at(i), n - i),
      d = load4(dy + at(i), n - i),
      share = toShare(g),
      slope = f32x4.mul(share, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, share))));
    store4(dx + at(i), f32x4.mul(d, f32x4.mul(g, share)), n - i);
    store4(dGate + at(i), f32x4.mul(f32x4.mul(d, load4(x + at(i), n - i)), slope), n - i);
  }
}

/** The largest of V numbers. */
function findMost(x: usize, V: i32): f32 {
  let most = f32x4.splat(-Infinity);
  for (let j = 0; j < V; j += 4) most = f32x4.max(most, keepFirst(load4(x + at(j), V - j), V - j, -Infinity));
  return maxOf4(most);
}

/**
 * The two parts of `log softmax(logits)` at one token a row, the first of them less the logarithm of the second: the token's logit less the
 * largest one, and the sum of `e^(logit - largest)`. logits [M, V], tokens int32 [M], both parts [M]. False where a token is none of the V.
 */
export function logProbabilities(logits: usize, tokens: usize, distances: usize, sums: usize, M: i32, V: i32): bool {
  for (let i = 0; i < M; i++, logits += at(V)) {
    const token = load<i32>(tokens + at(i));
    if (token < 0 || token >= V) return false;
    const most = findMost(logits, V);
    let sum: f64 = 0; // of many numbers: in single precision it would lose digits
    for (let j = 0; j < V; j += 4) {
      sum += <f64>sumOf4(keepFirst(exp4(f32x4.sub(load4(logits + at(j), V - j), f32x4.splat(most))), V - j, 0));
    }
    store<f32>(distances + at(i), load<f32>(logits + at(token)) - most);
    store<f32>(sums + at(i), <f32>sum);
  }
  return true;
}

/** In place, `dLogits = dy (1 at the token - softmax(logits))`; the tokens were looked at by `logProbabilities`. */
export function logProbabilitiesGradient(logits: usize, tokens: usize, dy: usize, M: i32, V: i32): void {
  for (let i = 0; i < M; i++, logits += at(V)) {
    const most = f32x4.splat(findMost(logits, V));
    let sum: f64 = 0;
    for (let j = 0; j < V; j += 4) {
      const power = keepFirst(exp4(f32x4.sub(load4(logits + at(j), V - j), most)), V - j, 0);
      store4(logits + at(j), power, V - j);
      sum += <f64>sumOf4(power);
    }
    const slope = load<f32>(dy + at(i)),
      factor = f32x4.splat(-slope / <f32>sum),
      place = logits + at(load<i32>(tokens + at(i)));
    for (let j = 0; j < V; j += 4) store4(logits + at(j), f32x4.mul(load4(logits + at(j), V - j), factor), V - j);
    store<f32>(place, load<f32>(place) + slope);
  }
}
