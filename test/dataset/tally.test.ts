import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFingerprintSet, getFingerprint } from '../../src/dataset/fingerprints.ts';

test('behaves as a Set, also after it has grown', () => {
  const fingerprint = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 2 ** 53 - 50, max: 2 ** 53 - 1 }), fc.maxSafeInteger());
  const added = fc.array(
    fingerprint.filter((value) => value > 0),
    { maxLength: 50 },
  );
  fc.assert(
    fc.property(added, fc.integer({ min: 0, max: 3000 }), (values, padding) => {
      const [set, model] = [createFingerprintSet(), new Set<number>()];
      for (const value of [...Array.from({ length: padding }, (_, i) => (i + 1) * 1024), ...values]) {
        expect(set.add(value)).toBe(!model.has(value));
        model.add(value);
      }
      for (const value of [...values, 3, 1024]) expect(set.has(value)).toBe(model.has(value));
    }),
    { numRuns: 30 },
  );
});

test('says in which file and line a fingerprint came first, also after it has grown', () => {
  const set = createFingerprintSet();
  const rows = ['a', 'b', 'c'].flatMap((source) => Array.from({ length: 900 }, (_, i) => ({ source, line: 3 * i + 1 })));
  rows.forEach((row, i) => set.add(i * 1024 + 1, row));
  expect(rows.map((_, i) => set.add(i * 1024 + 1, { source: 'd', line: 1 }))).not.toContain(true);
  expect(rows.map((_, i) => set.getPlace(i * 1024 + 1))).toEqual(rows);
});

test('a fingerprint is a whole number from 1 to 2^53, of the whole text', () => {
  const alike = [
    '',
    ' ',
    'a',
    'b',
    'ab',
    'ba',
    'aa',
    'a\u0000',
    '\u0000a',
    '\u0000',
    '\u0000\u0000',
    '\ud800',
    'ä',
    'a\u0308',
    'x'.repeat(1000),
    'x'.repeat(1001),
  ];
  const found = alike.map(getFingerprint);
  expect(new Set(found).size).toBe(alike.length);
  for (const fingerprint of found) {
    expect(fingerprint).toBe(Math.trunc(fingerprint));
    expect(fingerprint).toBeGreaterThanOrEqual(1);
    expect(fingerprint).toBeLessThanOrEqual(2 ** 53);
  }
  expect(getFingerprint('the same')).toBe(getFingerprint('the same'));
});

test('fingerprints of texts that differ in one place are spread evenly: no two of 200,000 meet, and each bit is set in half of them', () => {
  const row = (i: number): string => `{"text":"ticket ${i} came late, and I want to know why","label":"${i % 3}"}`;
  const found = Array.from({ length: 200_000 }, (_, i) => getFingerprint(row(i)) - 1);
  expect(new Set(found).size).toBe(found.length);
  for (let bit = 0; bit < 53; bit++) {
    const share = found.filter((fingerprint) => Math.floor(fingerprint / 2 ** bit) % 2 === 1).length / found.length;
    expect(share, `bit ${bit}`).toBeGreaterThan(0.49);
    expect(share, `bit ${bit}`).toBeLessThan(0.51);
  }
  // In a table of 2^17 places, as many as chance leaves free: e^-(n/places).
  const places = new Set(found.map((fingerprint) => (fingerprint + 1) % 2 ** 17));
  expect(1 - places.size / 2 ** 17).toBeCloseTo(Math.exp(-200_000 / 2 ** 17), 2);
});
