/* What happens to each number on its own: GELU and dropout. All arrays have n numbers. */
import { at, exp4, load4, store4 } from './numbers';

/** `Φ(x)`, the distribution function of N(0, 1), by Abramowitz and Stegun 7.1.26 (error below 1.5e-7); `bell` is `e^(-x²/2)`. */
function toDistribution(x: v128, bell: v128): v128 {
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.7071067811865476));
  const t = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), f32x4.mul(f32x4.splat(0.3275911), z)));
  let p = f32x4.splat(1.061405429);
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(-1.453152027));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(1.421413741));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(-0.284496736));
  p = f32x4.add(f32x4.mul(p, t), f32x4.splat(0.254829592));
  const beyond = f32x4.mul(f32x4.splat(0.5), f32x4.mul(f32x4.mul(p, t), bell)); // 1 - Φ(|x|)
  return v128.bitselect(beyond, f32x4.sub(f32x4.splat(1), beyond), f32x4.lt(x, f32x4.splat(0)));
}

function toBell(x: v128): v128 {
  return exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)));
}

/** `y = x Φ(x)` (Hendrycks and Gimpel 2016). */
export function gelu(x: usize, y: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) {
    const v = load4(x + at(i), n - i);
    store4(y + at(i), f32x4.mul(v, toDistribution(v, toBell(v))), n - i);
  }
}

/** `dx = dy (Φ(x) + x φ(x))`, φ the density of N(0, 1). */
export function geluGradient(x: usize, dy: usize, dx: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) {
    const v = load4(x + at(i), n - i),
      bell = toBell(v);
    const density = f32x4.mul(bell, f32x4.splat(0.3989422804014327)); // 1 / √(2π)
    const slope = f32x4.add(toDistribution(v, bell), f32x4.mul(v, density));
    store4(dx + at(i), f32x4.mul(load4(dy + at(i), n - i), slope), n - i);
  }
}

/**
 * What numbers `index` to `index + 3` of a stream are multiplied with: 0 where the stream's random number is below `threshold`, else
 * `scale`. The random numbers are those of `toUint32` in src/lib/random.ts, bit by bit.
 */
export function toDropoutMask4(key: i32, index: i32, threshold: i32, scale: f32): v128 {
  const place = i32x4.add(i32x4.splat(index), i32x4(1, 2, 3, 4));
  let x = i32x4.add(i32x4.splat(key), i32x4.mul(place, i32x4.splat(<i32>0x9e3779b9)));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(<i32>0x85ebca6b));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 13)), i32x4.splat(<i32>0xc2b2ae35));
  x = v128.xor(x, i32x4.shr_u(x, 16));
  return v128.andnot(f32x4.splat(scale), i32x4.lt_u(x, i32x4.splat(threshold)));
}

/** `y = x mask` (Srivastava et al. 2014), and of the same stream `dx = dy mask`. */
export function dropout(x: usize, y: usize, n: i32, key: i32, threshold: i32, scale: f32): void {
  for (let i = 0; i < n; i += 4) {
    store4(y + at(i), f32x4.mul(load4(x + at(i), n - i), toDropoutMask4(key, i, threshold, scale)), n - i);
  }
}
