/*
 * Word + position + type vectors of M = B S positions of B texts: tables [V, H], [P, H], [T, H] -> [M, H]. `ids` and `types` [M] are rows
 * of the first and last one. Padding beyond the last position shares its vector. T = 0: the model knows no types.
 *
 * Texts without padding have fewer rows: `places` [M] says where each would be with padding. Its address is 0 where row i is at place i.
 */
import { at, load4, store4 } from './numbers';

/** Returns -1, or the first of the M places whose word or type is not in its table; what is written then has no meaning. */
export function embed(
  word: usize,
  position: usize,
  type: usize,
  ids: usize,
  types: usize,
  places: usize,
  y: usize,
  M: i32,
  S: i32,
  H: i32,
  V: i32,
  P: i32,
  T: i32,
): i32 {
  for (let i = 0; i < M; i++, y += at(H)) {
    const id = load<u32>(ids + at(i)),
      typeId = load<u32>(types + at(i));
    if (id >= <u32>V || (T > 0 && typeId >= <u32>T)) return i;
    const w = word + at(<i32>id * H),
      p = position + at(min(toPosition(i, places, S), P - 1) * H),
      t = T > 0 ? type + at(<i32>typeId * H) : 0;
    for (let j = 0; j < H; j += 4) {
      const place = load4(p + at(j), H - j);
      store4(y + at(j), f32x4.add(load4(w + at(j), H - j), t ? f32x4.add(place, load4(t + at(j), H - j)) : place), H - j);
    }
  }
  return -1;
}

/** Adds each row of dy to its rows of the three gradients. What `embed` has accepted is not checked again. */
export function embedGradient(
  dy: usize,
  ids: usize,
  types: usize,
  places: usize,
  dWord: usize,
  dPosition: usize,
  dType: usize,
  M: i32,
  S: i32,
  H: i32,
  V: i32,
  P: i32,
  T: i32,
): void {
  memory.fill(dWord, 0, at(V * H));
  memory.fill(dPosition, 0, at(P * H));
  memory.fill(dType, 0, at(T * H));
  for (let i = 0; i < M; i++, dy += at(H)) {
    addRow(dWord + at(load<i32>(ids + at(i)) * H), dy, H);
    addRow(dPosition + at(min(toPosition(i, places, S), P - 1) * H), dy, H);
    if (T > 0) addRow(dType + at(load<i32>(types + at(i)) * H), dy, H);
  }
}

function toPosition(i: i32, places: usize, S: i32): i32 {
  return <i32>(<u32>(places ? load<i32>(places + at(i)) : i) % <u32>S);
}

/** The first row of each of B texts, which begin where `starts` [B] says: [M, H] -> [B, H]. @returns whether all these rows exist */
export function firstRows(x: usize, starts: usize, y: usize, B: i32, M: i32, H: i32): bool {
  for (let b = 0; b < B; b++) {
    const start = load<u32>(starts + at(b));
    if (start >= <u32>M) return false;
    memory.copy(y + at(b * H), x + at(<i32>start * H), at(H));
  }
  return true;
}

/** Gradient of `firstRows`, which has accepted the starts: other rows get 0. */
export function firstRowsGradient(dy: usize, starts: usize, dx: usize, B: i32, M: i32, H: i32): void {
  memory.fill(dx, 0, at(M * H));
  for (let b = 0; b < B; b++) memory.copy(dx + at(load<i32>(starts + at(b)) * H), dy + at(b * H), at(H));
}

function addRow(sum: usize, x: usize, n: i32): void {
  for (let j = 0; j < n; j += 4) store4(sum + at(j), f32x4.add(load4(sum + at(j), n - j), load4(x + at(j), n - j)), n - j);
}
