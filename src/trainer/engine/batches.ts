/** Batches of rows of similar length, and a batch as padded tensors. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { toShuffled, toStreamKey } from '../../lib/random.ts';
import type { TensorFlow } from '../backends/index.ts';
import type { CompactRows } from '../kernels/calls.ts';

/** A row as a model reads it; what it is trained to answer is the task's own. */
export interface TokenRow {
  readonly ids: readonly number[];
  /** 0 for the first text, 1 for the second one; as many as `ids`. Absent: all are 0. */
  readonly typeIds?: readonly number[];
}

const sortedBatches = 16; // sorted together: enough for little padding, few enough to stay random

/** What decides the batches of one pass over so many rows. */
export interface EpochOrder {
  readonly count: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
}

/** Rows in shuffled parts, and the order of the batches that they become. Each part but the last becomes as many. */
function shuffleRows({ count, batchSize, seed, epoch }: EpochOrder): { readonly parts: number[][]; readonly order: number[] } {
  const rows = toShuffled(
    Array.from({ length: count }, (_, i) => i),
    toStreamKey(seed, 'rows', epoch),
  );
  const batches = Array.from({ length: Math.ceil(count / batchSize) }, (_, i) => i);
  return { parts: toParts(rows, sortedBatches * batchSize), order: toShuffled(batches, toStreamKey(seed, 'batches', epoch)) };
}

/**
 * One pass over the rows: the row indices of each batch, by its place in the pass. Shuffled, then each 16 batches sorted by length, so that a
 * batch holds rows of similar length and needs little padding, then the batches shuffled. The same for the same seed and epoch.
 * @param getLength of a row; it is asked only for those of the 16 batches
 */
export function planEpoch(epoch: EpochOrder, getLength: (row: number) => number): (place: number) => number[] {
  const { parts, order } = shuffleRows(epoch);
  const sorted = new Map<number, number[][]>();
  return (place) => {
    const batch = order[place]!;
    const part = Math.floor(batch / sortedBatches);
    const batches =
      sorted.get(part) ??
      toParts(
        parts[part]!.toSorted((a, b) => getLength(a) - getLength(b)),
        epoch.batchSize,
      );
    sorted.set(part, batches);
    return batches[batch % sortedBatches]!;
  };
}

/** The rows whose lengths decide the first batches of a pass; these batches have no others. */
export function findRowsOfBatches(epoch: EpochOrder, batches: number): ReadonlySet<number> {
  const { parts, order } = shuffleRows(epoch);
  const needed = new Set(order.slice(0, batches).map((batch) => Math.floor(batch / sortedBatches)));
  return new Set([...needed].flatMap((part) => parts[part]!));
}

/** Batches of similar length for reading only: the longest row first, so that memory is asked for once. */
export function sortIntoBatches(lengths: readonly number[], batchSize: number): number[][] {
  return toParts(
    [...lengths.keys()].toSorted((a, b) => lengths[b]! - lengths[a]!),
    batchSize,
  );
}

/** Consecutive parts of `size` items; the last one may be shorter. */
export function toParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Rows side by side, padded to one length or not at all. B texts of S positions, M = B * S, or as many as there are tokens. */
export interface Batch {
  readonly sizes: { readonly texts: number; readonly positions: number };
  /** Word of each position, int32 [M]. */
  readonly ids: Tensor1D;
  /** Type of each position, int32 [M]. */
  readonly typeIds: Tensor1D;
  /** A new tensor with two ones a row, [M, S + T]: which position and which type it is; one where the model knows no types (T = 0). */
  createPlaces(): Tensor2D;
  /** Added to attention scores: 0, or -1e9 at padding, [B, 1, 1, S]. */
  readonly mask: Tensor;
  /** Where the texts are, when there is no padding; null: they are padded. Only `sizes` and `mask` are those of padded rows then. */
  readonly compact: CompactRows | null;
}

interface BatchSizes {
  readonly padTokenId: number;
  readonly typeVocabSize: number;
  readonly maxPositions: number;
  /** What rows are padded to; absent: see `countPositions`. */
  readonly positions?: number | undefined;
}

/**
 * Rows without padding, for operations that know where each text is (see `Ops.takesCompact`). Dropout counts as if there were padding, and what is
 * computed at padding has no part in anything else: the results are those of padded rows.
 */
export function buildCompactBatch(tf: TensorFlow, rows: readonly TokenRow[], sizes: BatchSizes): Batch {
  const padded = buildBatch(tf, rows, sizes);
  const { positions: S } = padded.sizes;
  const lengths = rows.map((row) => row.ids.length);
  const M = lengths.reduce((sum, length) => sum + length, 0);
  // Where each text has one token, their first tokens could not be told from all of them by their number.
  if (lengths.includes(0) || M === rows.length) return padded;
  const starts = lengths.reduce((all, length) => [...all, all.at(-1)! + length], [0]);
  return {
    ...padded,
    ids: tf.tensor1d(
      rows.flatMap((row) => row.ids),
      'int32',
    ),
    typeIds: tf.tensor1d(
      rows.flatMap((row) => row.typeIds ?? row.ids.map(() => 0)),
      'int32',
    ),
    compact: {
      places: tf.tensor1d(
        lengths.flatMap((length, text) => Array.from({ length }, (_, i) => text * S + i)),
        'int32',
      ),
      starts: tf.tensor1d(starts, 'int32'),
      pairs: lengths.reduce((sum, length) => sum + length * length, 0),
      padded: rows.length * S,
    },
  };
}

/**
 * Pads rows to the longest of them (see `countPositions`), or to the `positions` of a micro-batch that they are a part of. The rows must
 * fit the model; who encodes them sees to that. The caller frees the tensors, for example with `tf.tidy`.
 */
export function buildBatch(tf: TensorFlow, rows: readonly TokenRow[], sizes: BatchSizes): Batch {
  const { padTokenId, typeVocabSize, maxPositions, positions: S = countPositions(rows) } = sizes;
  const B = rows.length;
  const ids = new Int32Array(B * S).fill(padTokenId);
  const typeIds = new Int32Array(B * S);
  const mask = new Float32Array(B * S).fill(-1e9);
  for (const [b, row] of rows.entries()) {
    ids.set(row.ids, b * S);
    if (row.typeIds) typeIds.set(row.typeIds, b * S);
    mask.fill(0, b * S, b * S + row.ids.length);
  }
  return {
    sizes: { texts: B, positions: S },
    ids: tf.tensor1d(ids, 'int32'),
    typeIds: tf.tensor1d(typeIds, 'int32'),
    createPlaces: () => createPlaces(tf, typeIds, { positions: S, maxPositions, typeVocabSize }),
    mask: tf.tensor(mask, [B, 1, 1, S]),
    compact: null,
  };
}

/** What rows that are computed together are padded to: a multiple of 4, since kernels work on four numbers at once. */
export function countPositions(rows: readonly Pick<TokenRow, 'ids'>[]): number {
  return 4 * Math.ceil(Math.max(1, ...rows.map((row) => row.ids.length)) / 4);
}

function createPlaces(
  tf: TensorFlow,
  typeIds: Int32Array,
  { positions: S, maxPositions, typeVocabSize }: { positions: number; maxPositions: number; typeVocabSize: number },
): Tensor2D {
  const used = Math.min(S, maxPositions); // padding beyond the last position shares it
  const width = used + typeVocabSize;
  const places = new Float32Array(typeIds.length * width);
  for (const [i, type] of typeIds.entries()) {
    places[i * width + Math.min(i % S, used - 1)] = 1;
    if (typeVocabSize > 0) places[i * width + used + type] = 1;
  }
  return tf.tensor2d(places, [typeIds.length, width]);
}
