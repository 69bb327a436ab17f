import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apportion, createGroups, joinRareCombinations, type Amount } from '../../src/prepare/divide-groups.ts';

/** Rows as [group, stratum]; gives how many rows of each stratum each part has. */
function divide(rows: readonly (readonly [group: number, stratum: string])[], amounts: readonly Amount[]): Record<string, number>[] {
  const groups = createGroups();
  for (const [group, stratum] of rows) groups.add(group, stratum);
  const division = groups.divide(amounts);
  const parts = [0, ...amounts.map((_, i) => i + 1)].map((): Record<string, number> => ({}));
  for (const [group, stratum] of rows) {
    const part = parts[division.getPart(group)!]!;
    part[stratum] = (part[stratum] ?? 0) + 1;
  }
  return parts;
}

function count(part: Record<string, number>): number {
  return Object.values(part).reduce((sum, rows) => sum + rows, 0);
}

const fingerprint = (i: number): number => 1 + ((i * 7919) % 1_000_003); // in no order

test('each stratum gives its share, and the whole is exact', () => {
  const rows = Array.from({ length: 1000 }, (_, i) => [fingerprint(i), i < 700 ? 'a' : i < 995 ? 'b' : 'c'] as const);
  const [train, tested, validation] = divide(rows, [{ share: 0.2 }, { rows: 100 }]);
  expect(tested).toEqual({ a: 140, b: 59, c: 1 });
  expect(validation).toEqual({ a: 69, b: 30, c: 1 });
  expect(train).toEqual({ a: 491, b: 206, c: 3 });
});

test('a rare stratum gives one group to each part as long as part 0 keeps one', () => {
  const rare = (groups: number): Record<string, number>[] => {
    const rows = Array.from({ length: 100 + groups }, (_, i) => [fingerprint(i), i < 100 ? 'often' : 'rare'] as const);
    return divide(rows, [{ share: 0.1 }, { share: 0.1 }]);
  };
  expect(rare(3).map(({ rare: rows }) => rows)).toEqual([1, 1, 1]);
  expect(rare(1).map(({ rare: rows }) => rows)).toEqual([1, undefined, undefined]);
});

test('a group is never divided, in whatever order its rows come, and order changes nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.constantFrom('a', 'b')), { minLength: 5, maxLength: 200 }),
      fc.double({ min: 0.05, max: 0.5, noNaN: true }),
      (rows, share) => {
        const located = rows.map(([group]) => [fingerprint(group), ''] as const);
        const parts = divide(located, [{ share }]);
        expect(parts.reduce((sum, part) => sum + count(part), 0)).toBe(rows.length);
        expect(count(parts[1]!)).toBeLessThanOrEqual(Math.max(1, Math.round(rows.length * share)));
        expect(divide(located.toReversed(), [{ share }])).toEqual(parts);
        expect(count(parts[0]!)).toBeGreaterThan(0);
      },
    ),
  );
});

test('more groups than the tables begin with', () => {
  const rows = Array.from({ length: 5000 }, (_, i) => [fingerprint(i), String(i % 3)] as const);
  const [train, tested] = divide(rows, [{ share: 0.25 }]);
  expect([count(train!), count(tested!)]).toEqual([3750, 1250]);
});

test('what is apportioned sums up to what was wanted', () => {
  expect(apportion([50, 30, 20], 7, () => true)).toEqual([4, 2, 1]);
  expect(apportion([98, 1, 1], 10, () => true)).toEqual([8, 1, 1]);
  expect(apportion([98, 1, 1], 10, (stratum) => stratum === 0)).toEqual([10, 0, 0]);
  expect(apportion([1, 1, 1], 1, () => true).reduce((sum, quota) => sum + quota)).toBe(1);
});

test('rare combinations count as rows of their rarest label, so that each label has its share', () => {
  // Each row has a combination of its own: one of twenty labels with others of twenty-five.
  const rows = Array.from({ length: 400 }, (_, i) =>
    JSON.stringify([`a${i % 20}`, `c${Math.floor(i / 20)}`, ...(i % 2 === 0 ? ['b'] : [])].sort()),
  );
  const groups = createGroups();
  for (const [i, row] of rows.entries()) groups.add(fingerprint(i), row);
  const count = (join?: (stratum: string) => string): number[] => {
    const division = groups.divide([{ share: 0.2 }], join);
    const tested = rows.filter((_, i) => division.getPart(fingerprint(i)) === 1);
    expect(tested).toHaveLength(join === undefined ? 0 : 80);
    return Array.from({ length: 20 }, (_, i) => tested.filter((row) => row.includes(`"a${i}"`)).length);
  };
  expect(count(joinRareCombinations(groups.strata, [{ share: 0.2 }]))).toEqual(Array.from({ length: 20 }, () => 4));
  expect(count()).toEqual(Array.from({ length: 20 }, () => 0)); // each alone keeps its only row
  const join = joinRareCombinations(
    new Map([
      ['["x","y"]', 5],
      ['["x"]', 4],
      ['[]', 1],
    ]),
    [{ rows: 2 }],
  );
  expect(['["x","y"]', '["x"]', '[]'].map(join)).toEqual(['["x","y"]', '["x"]', '[]']);
});
