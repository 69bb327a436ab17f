/* Layer normalisation (Ba et al. 2016) of each row of M rows of H numbers, with what is added before it. */
import { at, keepFirst, load4, store4, sumOf4 } from './numbers';

/**
 * `normal = (x + residual - mean) / √(variance + epsilon)`, `y = normal * weight + bias`; the address of `residual` is 0 where there is none.
 * `normal` [M, H] and `inverse` [M], one over the root, are kept for the gradient.
 */
export function layerNorm(
  x: usize,
  residual: usize,
  weight: usize,
  bias: usize,
  y: usize,
  normal: usize,
  inverse: usize,
  M: i32,
  H: i32,
  epsilon: f32,
): void {
  const row = at(H);
  for (let i = 0; i < M; i++) {
    let sum = f32x4.splat(0);
    for (let j = 0; j < H; j += 4) {
      let v = load4(x + at(j), H - j);
      if (residual) v = f32x4.add(v, load4(residual + at(j), H - j));
      store4(normal + at(j), v, H - j);
      sum = f32x4.add(sum, v);
    }
    const mean = f32x4.splat(sumOf4(sum) / <f32>H);
    let squares = f32x4.splat(0);
    for (let j = 0; j < H; j += 4) {
      const centred = keepFirst(f32x4.sub(load4(normal + at(j), H - j), mean), H - j, 0);
      squares = f32x4.add(squares, f32x4.mul(centred, centred));
    }
    const factor = <f32>1 / sqrt<f32>(sumOf4(squares) / <f32>H + epsilon);
    store<f32>(inverse + at(i), factor);
    for (let j = 0; j < H; j += 4) {
      const v = f32x4.mul(f32x4.sub(load4(normal + at(j), H - j), mean), f32x4.splat(factor));
      store4(normal + at(j), v, H - j);
      store4(y + at(j), f32x4.add(f32x4.mul(v, load4(weight + at(j), H - j)), load4(bias + at(j), H - j)), H - j);
    }
    x += row;
    if (residual) residual += row;
    normal += row;
    y += row;
  }
}

/**
 * With `g = dy * weight`: `dx = inverse (g - mean(g) - normal mean(g normal))`, `dWeight = Σ dy normal` and `dBias = Σ dy` over the rows.
 * dx is the gradient of x and of the residual.
 */
export function layerNormGradient(
  dy: usize,
  normal: usize,
  inverse: usize,
  weight: usize,
  dx: usize,
  dWeight: usize,
  dBias: usize,
  M: i32,
  H: i32,
): void {
  const row = at(H);
  memory.fill(dWeight, 0, row);
  memory.fill(dBias, 0, row);
  for (let i = 0; i < M; i++) {
    let sum = f32x4.splat(0),
      sumAlong = f32x4.splat(0);
    for (let j = 0; j < H; j += 4) {
      const d = load4(dy + at(j), H - j),
        v = load4(normal + at(j), H - j),
        g = f32x4.mul(d, load4(weight + at(j), H - j));
      sum = f32x4.add(sum, g);
      sumAlong = f32x4.add(sumAlong, f32x4.mul(g, v));
      store4(dWeight + at(j), f32x4.add(load4(dWeight + at(j), H - j), f32x4.mul(d, v)), H - j);
      store4(dBias + at(j), f32x4.add(load4(dBias + at(j), H - j), d), H - j);
    }
    const mean = f32x4.splat(sumOf4(sum) / <f32>H),
      meanAlong = f32x4.splat(sumOf4(sumAlong) / <f32>H);
    const factor = f32x4.splat(load<f32>(inverse + at(i)));
    for (let j = 0; j < H; j += 4) {
      const g = f32x4.mul(load4(dy + at(j), H - j), load4(weight + at(j), H - j));
      const along = f32x4.mul(load4(normal + at(j), H - j), meanAlong);
      store4(dx + at(j), f32x4.mul(factor, f32x4.sub(f32x4.sub(g, mean), along)), H - j);
    }
    dy += row;
    normal += row;
    dx += row;
  }
}
