import { toShuffled, toStreamKey } from '../lib/random.ts';

const window = 16; // batches that are sorted together: wide enough for little padding, narrow enough to stay random

/**
 * One pass over the rows: row indices in batches. Shuffled, then windows of 16 batches sorted by length, so that a batch holds rows
 * of similar length and needs little padding, then the batches shuffled. The same for the same seed and epoch.
 */
export function toEpochBatches(
  lengths: readonly number[],
  { batchSize, seed, epoch }: { batchSize: number; seed: number; epoch: number },
): number[][] {
  const rows = toShuffled([...lengths.keys()], toStreamKey(seed, 'rows', epoch));
  const batches = toParts(rows, window * batchSize).flatMap((part) =>
    toParts(
      part.toSorted((a, b) => lengths[a]! - lengths[b]!),
      batchSize,
    ),
  );
  return toShuffled(batches, toStreamKey(seed, 'batches', epoch));
}

/** Batches of similar length for reading only: the longest row first, so that memory is asked for once. */
export function toSortedBatches(lengths: readonly number[], batchSize: number): number[][] {
  return toParts(
    [...lengths.keys()].toSorted((a, b) => lengths[b]! - lengths[a]!),
    batchSize,
  );
}

/** Consecutive parts of `size` items; the last one may be shorter. */
export function toParts<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
