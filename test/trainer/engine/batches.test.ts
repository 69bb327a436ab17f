import { expect, test } from 'vitest';
import { toShuffled, toStreamKey } from '../../../src/lib/random.ts';
import { planEpoch, sortIntoBatches, toParts } from '../../../src/trainer/engine/batches.ts';

const lengths = Array.from({ length: 1000 }, (_, i) => 4 + ((i * 7919) % 61));
const settings = { batchSize: 16, seed: 3, epoch: 0 };

test('an epoch holds each row once, in batches of the size', () => {
  const batches = planEpoch(lengths, settings);
  expect(batches.flat().toSorted((a, b) => a - b)).toEqual([...lengths.keys()]);
  expect(batches.map((batch) => batch.length).toSorted((a, b) => a - b)).toEqual([8, ...new Array<number>(62).fill(16)]);
});

test('rows of a batch are of similar length', () => {
  const spread = planEpoch(lengths, settings).map(
    (batch) => Math.max(...batch.map((i) => lengths[i]!)) - Math.min(...batch.map((i) => lengths[i]!)),
  );
  expect(spread.reduce((sum, x) => sum + x, 0) / spread.length).toBeLessThan(8); // about 54 without sorting
});

test('16 batches are sorted together, and no more', () => {
  const { batchSize, seed, epoch } = settings;
  const shuffled = toShuffled([...lengths.keys()], toStreamKey(seed, 'rows', epoch));
  const parts = toParts(shuffled, 16 * batchSize).map((part) => new Set(part));
  expect(parts).toHaveLength(4);
  const batches = planEpoch(lengths, settings);
  for (const batch of batches) expect(parts.filter((part) => part.has(batch[0]!) && batch.every((row) => part.has(row)))).toHaveLength(1);
  for (const part of parts) {
    const own = batches
      .filter((batch) => part.has(batch[0]!))
      .sort((a, b) => lengths[a[0]!]! - lengths[b[0]!]! || lengths[a.at(-1)!]! - lengths[b.at(-1)!]!);
    const sorted = [...part].map((row) => lengths[row]!).sort((a, b) => a - b);
    expect(own.flat().map((row) => lengths[row])).toEqual(sorted);
  }
});

test('lengths do not rise through the epoch', () => {
  const first = planEpoch(lengths, settings)
    .slice(0, 16)
    .map((batch) => lengths[batch[0]!]!);
  expect(first).not.toEqual(first.toSorted((a, b) => a - b));
});

test('the seed and the epoch decide the order, and nothing else does', () => {
  expect(planEpoch(lengths, settings)).toEqual(planEpoch(lengths, settings));
  expect(planEpoch(lengths, { ...settings, epoch: 1 })).not.toEqual(planEpoch(lengths, settings));
  expect(planEpoch(lengths, { ...settings, seed: 4 })).not.toEqual(planEpoch(lengths, settings));
});

test('batches for reading go from long to short', () => {
  expect(sortIntoBatches([3, 9, 5, 7], 2)).toEqual([
    [1, 3],
    [2, 0],
  ]);
});
