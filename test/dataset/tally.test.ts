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

test('a fingerprint is a whole number above 0, of bits that the split does not use', () => {
  expect(getFingerprint(Buffer.alloc(32))).toBe(1);
  expect(getFingerprint(Buffer.alloc(32, 0xff))).toBe(2 ** 53);
  expect(getFingerprint(Buffer.concat([Buffer.alloc(8, 0xff), Buffer.alloc(24)]))).toBe(1);
});
