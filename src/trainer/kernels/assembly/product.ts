/*
 * The product of two matrices, C = A B + bias, of any size and in any layout.
 *
 * As in "Anatomy of High-Performance Matrix Multiplication" (Goto and van de Geijn 2008): parts of A and B are copied ("packed") into
 * the order in which they are read, whatever layout they had, so that the innermost loop only reads ahead. It computes a tile of 6 x 8
 * numbers of C, which stays in registers: 12 of the 16 that x86-64 has, beside two for B and one for A.
 */
import { at, load4, multiplyAdd, store4 } from './numbers';

const tileRows: i32 = 6;
const tileColumns: i32 = 8;

/** Sizes of the packed parts: of A 96 x 384 (147 KB, second-level cache), of B 384 x 2048. */
const partRows: i32 = 96;
const partDepth: i32 = 384;
const partColumns: i32 = 2048;

const sizeOfA: usize = <usize>(partRows * partDepth * 4);
const sizeOfB: usize = <usize>(partDepth * partColumns * 4);
const sizeOfTile: usize = <usize>(tileRows * tileColumns * 4);

/** Bytes of working memory that `initialize` needs. */
export function countScratchBytes(): usize {
  return sizeOfA + sizeOfB + sizeOfTile + <usize>(tileColumns * 4);
}

let packedA: usize = 0;
let packedB: usize = 0;
let edgeTile: usize = 0;
let edgeBias: usize = 0;

/** To be called once, with the address of working memory, before any other kernel. */
export function initialize(scratch: usize): void {
  packedA = scratch;
  packedB = packedA + sizeOfA;
  edgeTile = packedB + sizeOfB;
  edgeBias = edgeTile + sizeOfTile;
}

/**
 * C [M, N] = A [M, K] B [K, N] + bias [N], the bias on every row; its address is 0 where there is none.
 *
 * Where a number stands is told in steps, counted in numbers: number (i, k) of A is `aRow * i + aColumn * k` behind `a`, likewise B.
 * So (K, 1) is a matrix in order and (1, M) a transposed one. Rows of C are `cRow` apart. All sizes are at least 1.
 */
export function product(
  a: usize,
  aRow: i32,
  aColumn: i32,
  b: usize,
  bRow: i32,
  bColumn: i32,
  c: usize,
  cRow: i32,
  M: i32,
  N: i32,
  K: i32,
  bias: usize,
): void {
  for (let j = 0; j < N; j += partColumns) {
    const columns = min(partColumns, N - j);
    for (let k = 0; k < K; k += partDepth) {
      const depth = min(partDepth, K - k);
      packB(b + at(k * bRow + j * bColumn), bRow, bColumn, columns, depth);
      for (let i = 0; i < M; i += partRows) {
        const rows = min(partRows, M - i);
        packA(a + at(i * aRow + k * aColumn), aRow, aColumn, rows, depth);
        const isFirst = k == 0;
        multiplyParts(c + at(i * cRow + j), cRow, rows, columns, depth, isFirst, isFirst && bias ? bias + at(j) : 0);
      }
    }
  }
}

/** All tiles of a part of C from the packed parts. The first part along K sets C, the others add to it. */
function multiplyParts(c: usize, cRow: i32, rows: i32, columns: i32, depth: i32, isFirst: bool, bias: usize): void {
  for (let j = 0; j < columns; j += tileColumns) {
    const width = min(tileColumns, columns - j);
    const b = packedB + at(j * depth);
    let biases: usize = bias ? bias + at(j) : 0;
    if (biases && width < tileColumns) {
      copyRow(biases, edgeBias, width);
      biases = edgeBias;
    }
    for (let i = 0; i < rows; i += tileRows) {
      const height = min(tileRows, rows - i);
      const a = packedA + at(i * depth);
      const tile = c + at(i * cRow + j);
      if (height == tileRows && width == tileColumns) {
        multiplyTile(a, b, tile, at(cRow), depth, isFirst, biases);
        continue;
      }
      // At the edges of C a whole tile is computed elsewhere, and the part of it that exists is copied.
      if (!isFirst) for (let y = 0; y < height; y++) copyRow(tile + at(y * cRow), edgeTile + at(y * tileColumns), width);
      multiplyTile(a, b, edgeTile, at(tileColumns), depth, isFirst, biases);
      for (let y = 0; y < height; y++) copyRow(edgeTile + at(y * tileColumns), tile + at(y * cRow), width);
    }
  }
}

function copyRow(from: usize, to: usize, count: i32): void {
  for (let x = 0; x < count; x += 4) store4(to + at(x), load4(from + at(x), count - x), count - x);
}

/** 6 x 8 numbers of C, whose rows are `stride` bytes apart, from packed A [depth, 6] and packed B [depth, 8]. */
function multiplyTile(a: usize, b: usize, c: usize, stride: usize, depth: i32, isFirst: bool, bias: usize): void {
  const row1 = c + stride,
    row2 = row1 + stride,
    row3 = row2 + stride,
    row4 = row3 + stride,
    row5 = row4 + stride;
  const zero = f32x4.splat(0);
  const left = bias ? v128.load(bias) : zero,
    right = bias ? v128.load(bias, 16) : zero;
  let c00 = left,
    c01 = right,
    c10 = left,
    c11 = right,
    c20 = left,
    c21 = right;
  let c30 = left,
    c31 = right,
    c40 = left,
    c41 = right,
    c50 = left,
    c51 = right;
  if (!isFirst) {
    c00 = v128.load(c);
    c01 = v128.load(c, 16);
    c10 = v128.load(row1);
    c11 = v128.load(row1, 16);
    c20 = v128.load(row2);
    c21 = v128.load(row2, 16);
    c30 = v128.load(row3);
    c31 = v128.load(row3, 16);
    c40 = v128.load(row4);
    c41 = v128.load(row4, 16);
    c50 = v128.load(row5);
    c51 = v128.load(row5, 16);
  }
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b),
      b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = multiplyAdd(x, b0, c00);
    c01 = multiplyAdd(x, b1, c01);
    x = v128.load_splat<f32>(a, 4);
    c10 = multiplyAdd(x, b0, c10);
    c11 = multiplyAdd(x, b1, c11);
    x = v128.load_splat<f32>(a, 8);
    c20 = multiplyAdd(x, b0, c20);
    c21 = multiplyAdd(x, b1, c21);
    x = v128.load_splat<f32>(a, 12);
    c30 = multiplyAdd(x, b0, c30);
    c31 = multiplyAdd(x, b1, c31);
    x = v128.load_splat<f32>(a, 16);
    c40 = multiplyAdd(x, b0, c40);
    c41 = multiplyAdd(x, b1, c41);
    x = v128.load_splat<f32>(a, 20);
    c50 = multiplyAdd(x, b0, c50);
    c51 = multiplyAdd(x, b1, c51);
    a += 24;
    b += 32;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(row1, c10);
  v128.store(row1, c11, 16);
  v128.store(row2, c20);
  v128.store(row2, c21, 16);
  v128.store(row3, c30);
  v128.store(row3, c31, 16);
  v128.store(row4, c40);
  v128.store(row4, c41, 16);
  v128.store(row5, c50);
  v128.store(row5, c51, 16);
}

/** Packs `rows` x `depth` numbers of A: six rows after the other, of each number k of the first row, of the second, ...; missing rows are 0. */
function packA(a: usize, rowStep: i32, columnStep: i32, rows: i32, depth: i32): void {
  let to = packedA;
  const down = at(rowStep),
    along = at(columnStep);
  const down2 = down + down,
    down3 = down2 + down,
    down4 = down3 + down,
    down5 = down4 + down;
  for (let i = 0; i < rows; i += tileRows) {
    let from = a + at(i * rowStep);
    const height = min(tileRows, rows - i);
    if (height == tileRows && rowStep == 1) {
      for (let k = 0; k < depth; k++, from += along, to += 24) {
        v128.store(to, v128.load(from));
        store<i64>(to, load<i64>(from, 16), 16);
      }
    } else if (height == tileRows) {
      for (let k = 0; k < depth; k++, from += along, to += 24) {
        store<f32>(to, load<f32>(from));
        store<f32>(to, load<f32>(from + down), 4);
        store<f32>(to, load<f32>(from + down2), 8);
        store<f32>(to, load<f32>(from + down3), 12);
        store<f32>(to, load<f32>(from + down4), 16);
        store<f32>(to, load<f32>(from + down5), 20);
      }
    } else {
      for (let k = 0; k < depth; k++, from += along, to += 24) {
        for (let y = 0; y < tileRows; y++) store<f32>(to + at(y), y < height ? load<f32>(from + <usize>y * down) : 0);
      }
    }
  }
}

/** Packs `depth` x `columns` numbers of B: eight columns after the other, of each its row 0, row 1, ...; missing columns are 0. */
function packB(b: usize, rowStep: i32, columnStep: i32, columns: i32, depth: i32): void {
  let to = packedB;
  const down = at(rowStep),
    along = at(columnStep);
  for (let j = 0; j < columns; j += tileColumns) {
    let from = b + at(j * columnStep);
    const width = min(tileColumns, columns - j);
    let k = 0;
    if (width == tileColumns && columnStep == 1) {
      for (; k < depth; k++, from += down, to += 32) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    } else if (width == tileColumns && rowStep == 1) {
      for (; k + 4 <= depth; k += 4, from += 16, to += 128) {
        transpose4(from, along, to);
        transpose4(from + (along << 2), along, to + 16);
      }
    }
    for (; k < depth; k++, from += down, to += 32) {
      for (let x = 0; x < tileColumns; x++) store<f32>(to + at(x), x < width ? load<f32>(from + <usize>x * along) : 0);
    }
  }
}

/** 4 x 4 numbers, rows `stride` bytes apart, transposed: rows 32 bytes apart, as packed B has them. */
function transpose4(from: usize, stride: usize, to: usize): void {
  const row0 = v128.load(from),
    row1 = v128.load(from + stride);
  const row2 = v128.load(from + stride + stride),
    row3 = v128.load(from + stride + stride + stride);
  const low01 = v128.shuffle<i32>(row0, row1, 0, 4, 1, 5),
    high01 = v128.shuffle<i32>(row0, row1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(row2, row3, 0, 4, 1, 5),
    high23 = v128.shuffle<i32>(row2, row3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3), 32);
  v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2), 64);
  v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3), 96);
}

/** Sum over the rows, the gradient of a bias: x [M, N] -> sums [N]. */
export function sumRows(x: usize, sums: usize, M: i32, N: i32): void {
  memory.fill(sums, 0, at(N));
  for (let i = 0; i < M; i++, x += at(N)) {
    for (let j = 0; j < N; j += 4) store4(sums + at(j), f32x4.add(load4(sums + at(j), N - j), load4(x + at(j), N - j)), N - j);
  }
}
