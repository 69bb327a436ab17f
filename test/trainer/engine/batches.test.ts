import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toShuffled, toStreamKey } from '../../../src/lib/random.ts';
import { findRowsOfBatches, planEpoch, sortIntoBatches, toParts } from '../../../src/trainer/engine/batches.ts';

const lengths = Array.from({ length: 1000 }, (_, i) => 4 + ((i * 7919) % 61));
const settings = { batchSize: 16, seed: 3, epoch: 0 };

type Settings = typeof settings;

/** All batches of an epoch. */
function listBatches(rows: readonly number[], order: Settings): number[][] {
  const getBatch = planEpoch({ count: rows.length, ...order }, (row) => rows[row]!);
  return Array.from({ length: Math.ceil(rows.length / order.batchSize) }, (_, i) => getBatch(i));
}

/** The same, written down plainly: the order of a training must not change, or it could not go on from a checkpoint. */
function listPlainly(rows: readonly number[], { batchSize, seed, epoch }: Settings): number[][] {
  const shuffled = toShuffled([...rows.keys()], toStreamKey(seed, 'rows', epoch));
  const batches = toParts(shuffled, 16 * batchSize).flatMap((part) =>
    toParts(
      part.toSorted((a, b) => rows[a]! - rows[b]!),
      batchSize,
    ),
  );
  return toShuffled(batches, toStreamKey(seed, 'batches', epoch));
}

test('batches that are asked for one by one are those of the whole epoch, and need the lengths of few rows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 400 }),
      fc.record({ batchSize: fc.integer({ min: 1, max: 5 }), seed: fc.nat(), epoch: fc.nat(3) }),
      fc.nat(5),
      (rows, order, steps) => {
        const expected = listPlainly(rows, order);
        expect(listBatches(rows, order)).toEqual(expected);
        const needed = findRowsOfBatches({ count: rows.length, ...order }, steps);
        const getBatch = planEpoch({ count: rows.length, ...order }, (row) => {
          if (!needed.has(row)) throw new Error(`the length of row ${row} was asked for`);
          return rows[row]!;
        });
        for (let i = 0; i < Math.min(steps, expected.length); i++) expect(getBatch(i)).toEqual(expected[i]);
        expect(needed.size).toBeLessThanOrEqual(steps * 16 * order.batchSize);
      },
    ),
  );
});

test('an epoch holds each row once, in batches of the size', () => {
  const batches = listBatches(lengths, settings);
  expect(batches.flat().toSorted((a, b) => a - b)).toEqual([...lengths.keys()]);
  expect(batches.map((batch) => batch.length).toSorted((a, b) => a - b)).toEqual([8, ...new Array<number>(62).fill(16)]);
});

test('rows of a batch are of similar length', () => {
  const spread = listBatches(lengths, settings).map(
    (batch) => Math.max(...batch.map((i) => lengths[i]!)) - Math.min(...batch.map((i) => lengths[i]!)),
  );
  expect(spread.reduce((sum, x) => sum + x, 0) / spread.length).toBeLessThan(8); // about 54 without sorting
});

test('16 batches are sorted together, and no more', () => {
  const { batchSize, seed, epoch } = settings;
  const shuffled = toShuffled([...lengths.keys()], toStreamKey(seed, 'rows', epoch));
  const parts = toParts(shuffled, 16 * batchSize).map((part) => new Set(part));
  expect(parts).toHaveLength(4);
  const batches = listBatches(lengths, settings);
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
  const first = listBatches(lengths, settings)
    .slice(0, 16)
    .map((batch) => lengths[batch[0]!]!);
  expect(first).not.toEqual(first.toSorted((a, b) => a - b));
});

test('the seed and the epoch decide the order, and nothing else does', () => {
  expect(listBatches(lengths, settings)).toEqual(listBatches(lengths, settings));
  expect(listBatches(lengths, { ...settings, epoch: 1 })).not.toEqual(listBatches(lengths, settings));
  expect(listBatches(lengths, { ...settings, seed: 4 })).not.toEqual(listBatches(lengths, settings));
});

test('batches for reading go from long to short', () => {
  expect(sortIntoBatches([3, 9, 5, 7], 2)).toEqual([
    [1, 3],
    [2, 0],
  ]);
});
