import { expect, test } from 'vitest';
import { checkRanges } from '../../src/provider-kit/ranges.ts';

const about = { target: 'it', service: 'Service', model: 'm' };

test('values within their ranges, and ranges that nobody knows, are fine', () => {
  const ranges = [
    { field: 'a', value: 1, least: 1, most: 1 },
    { field: 'b', value: 9 },
    { field: 'c', value: undefined, least: 1 },
    { field: 'd', value: 'max', most: 2 },
  ];
  expect(() => checkRanges(ranges, about)).not.toThrow();
});

test('every problem is said, a line each', () => {
  const ranges = [
    { field: 'a', value: 0, least: 1, most: null },
    { field: 'b', value: 3, most: 2 },
  ];
  const check = (): void => checkRanges(ranges, { ...about, problems: ['c: no'] });
  expect(check).toThrow(
    'targets.it.a: Service expects at least 1 for m, found 0\ntargets.it.b: Service expects 0 to 2 for m, found 3\ntargets.it.c: no',
  );
});
