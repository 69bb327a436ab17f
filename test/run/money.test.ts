import { expect, test } from 'vitest';
import { formatUsd, toBudgetMicroDollars, toMicroDollars, toUsd } from '../../src/run/budget.ts';

test.each([
  [0, 0],
  [5, 5_000_000],
  [0.1 + 0.2, 300_000], // 0.30000000000000004
  [0.1 * 3, 300_000],
  [1.000001, 1_000_001],
  [0.0000001, 1], // a cost of a tenth of a micro-dollar is counted as one
  [1e300, 1e15],
  [Infinity, 1e15],
])('a cost of %d dollars is %d micro-dollars', (usd, microDollars) => {
  expect(toMicroDollars(usd)).toBe(microDollars);
});

test('a budget is rounded down, a cost up', () => {
  expect(toBudgetMicroDollars(0.0000019)).toBe(1);
  expect(toMicroDollars(0.0000019)).toBe(2);
  expect(toBudgetMicroDollars(0.1 + 0.2)).toBe(300_000);
});

test.each([-1, NaN])('%d is no amount', (usd) => {
  expect(() => toMicroDollars(usd)).toThrow('expected an amount of 0 dollars or more');
});

test('amounts are written so that no digit that matters is lost', () => {
  expect([0, 5, 1234.5, 0.000001, 0.0042].map(formatUsd)).toEqual(['$0.00', '$5.00', '$1,234.50', '$0.000001', '$0.0042']);
  expect(toUsd(1_234_567)).toBe(1.234567);
});
