/*
 * Four numbers at once, and what every kernel needs of them. A row's last numbers may be fewer than four: `left` says how many of the
 * row are still to come, so that a loop over a row of any length is
 *
 *     for (let i = 0; i < n; i += 4) store4(y + at(i), f(load4(x + at(i), n - i)), n - i);
 *
 * Where fewer than four are left, the missing ones are read as 0 and not written.
 */

/** Bytes of `count` numbers of 32 bits. */
export function at(count: i32): usize {
  return (<usize>count) << 2;
}

export function load4(address: usize, left: i32): v128 {
  return left >= 4 ? v128.load(address) : loadFew(address, left);
}

function loadFew(address: usize, left: i32): v128 {
  let v = v128.load_zero<f32>(address);
  if (left > 1) v = v128.load_lane<f32>(address, v, 1, 4);
  if (left > 2) v = v128.load_lane<f32>(address, v, 2, 8);
  return v;
}

export function store4(address: usize, v: v128, left: i32): void {
  if (left >= 4) v128.store(address, v);
  else storeFew(address, v, left);
}

function storeFew(address: usize, v: v128, left: i32): void {
  v128.store_lane<f32>(address, v, 0);
  if (left > 1) v128.store_lane<f32>(address, v, 1, 4);
  if (left > 2) v128.store_lane<f32>(address, v, 2, 8);
}

/** The first `left` numbers of `v`, and `fill` in the place of the others. */
export function keepFirst(v: v128, left: i32, fill: f32): v128 {
  return left >= 4 ? v : v128.bitselect(v, f32x4.splat(fill), i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(left)));
}

export function sumOf4(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

export function maxOf4(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

/** `a * b + c`: rounded once where relaxed SIMD is built in (and the processor has it), else twice. */
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * `e^x`, relative error below 2e-7; 0 below x = -64.
 *
 * `x = n ln 2 + r` with |r| <= ln 2 / 2, `e^r` by a polynomial (Cephes' expf), `2^n` by its bits. A result below e^-64 = 2e-28 counts for
 * nothing beside a 1, but its products with small gradients would be subnormal numbers, which processors compute a hundred times slower.
 */
export function exp4(x: v128): v128 {
  const limited = f32x4.max(f32x4.min(x, f32x4.splat(88)), f32x4.splat(-64));
  const n = f32x4.nearest(f32x4.mul(limited, f32x4.splat(1.4426950408889634)));
  // ln 2 in two parts, of which the first is exact for every n.
  const r = f32x4.sub(f32x4.sub(limited, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
  let p = f32x4.splat(1.98756915e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, f32x4.splat(-64)));
}
