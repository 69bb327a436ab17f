import { expect, test } from 'vitest';
import { parseRetryAfter, toPauseMs } from '../../../src/provider-kit/http/retry-after.ts';

const now = new Date('2026-03-01T12:00:00Z');
const parse = (value: string, name = 'retry-after'): number | null => parseRetryAfter(new Headers({ [name]: value }), now);

test.each([
  ['30', 30_000],
  ['1.5', 1500],
  ['+2', 2000],
  ['0', 1000],
  ['-5', 1000],
  ['3600', 900_000],
  ['99999999999999999999999', 900_000],
  ['Sun, 01 Mar 2026 12:00:10 GMT', 10_000],
  ['Sunday, 01-Mar-26 12:00:10 GMT', 10_000],
  ['Sun Mar  1 12:00:10 2026', 10_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 1000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 900_000],
  ['', null],
  ['soon', null],
  ['in 5 seconds', null],
  ['5 apples', null],
  ['wait 5', null],
  ['1e3', null],
  ['Infinity', null],
  ['NaN', null],
  ['2026-03-01T12:00:10Z', null],
  ['Sun, 99 Mar 2026 12:00:10 GMT', null],
  ['120, 60', null],
])('Retry-After "%s" is %s ms', (value, ms) => {
  expect(parse(value)).toBe(ms);
});

test('milliseconds are more exact than seconds', () => {
  expect(parseRetryAfter(new Headers({ 'retry-after': '9', 'retry-after-ms': '8250' }), now)).toBe(8250);
  expect(parse('20', 'retry-after-ms')).toBe(1000);
});

test('no header, no wish', () => {
  expect(parseRetryAfter(new Headers(), now)).toBeNull();
});

test('pauses double, and half of each is drawn', () => {
  expect([1, 2, 3].map((tries) => [toPauseMs(tries, 0), toPauseMs(tries, 1)])).toEqual([
    [500, 1000],
    [1000, 2000],
    [2000, 4000],
  ]);
  expect(toPauseMs(99, 1)).toBe(900_000);
});
