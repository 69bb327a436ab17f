/* What happens to each number on its own. Arrays have n numbers, or M rows of H. */
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

/** `y = x Φ(x)` (Hendrycks and Gimpel 2016) and its slope, `Φ(x) + x φ(x)` with φ the density of N(0, 1); the address of `slope` may be 0. */
export function gelu(x: usize, y: usize, slope: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) {
    const v = load4(x + at(i), n - i),
      bell = toBell(v),
      below = toDistribution(v, bell);
    store4(y + at(i), f32x4.mul(v, below), n - i);
    if (!slope) continue;
    const density = f32x4.mul(bell, f32x4.splat(0.3989422804014327)); // 1 / √(2π)
    store4(slope + at(i), f32x4.add(below, f32x4.mul(v, density)), n - i);
  }
}

/** `y = a b`. */
export function multiply(a: usize, b: usize, y: usize, n: i32): void {
  for (let i = 0; i < n; i += 4) store4(y + at(i), f32x4.mul(load4(a + at(i), n - i), load4(b + at(i), n - i)), n - i);
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

/**
 * `y = x mask` (Srivastava et al. 2014), and of the same stream `dx = dy mask`, over M rows of H numbers. Row i has numbers `places[i] H`
 * and following of the stream; where the address of `places` is 0, number after number is taken.
 */
export function dropout(x: usize, y: usize, places: usize, M: i32, H: i32, key: i32, threshold: i32, scale: f32): void {
  const rows = places ? M : 1,
    n = places ? H : M * H;
  for (let i = 0; i < rows; i++, x += at(n), y += at(n)) {
    const first = places ? load<i32>(places + at(i)) * H : 0;
    for (let j = 0; j < n; j += 4) {
      store4(y + at(j), f32x4.mul(load4(x + at(j), n - j), toDropoutMask4(key, first + j, threshold, scale)), n - j);
    }
  }
}
