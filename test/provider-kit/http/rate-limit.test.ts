import { expect, test } from 'vitest';
import { parseRateLimit } from '../../../src/provider-kit/http/rate-limit.ts';

const now = new Date('2026-03-01T12:00:00Z');

test.each([
  [{ ratelimit: '"api";r=0;t=55', 'ratelimit-policy': '"fixed window";"api";q=500;w=300' }, 0, 55_000],
  [{ ratelimit: '"day";r=90;t=86400, "api";r=7;t=3' }, 7, 3000],
  [{ ratelimit: '"api";r=4' }, 4, null],
  [{ ratelimit: 'limit=10, remaining=3, reset=50' }, 3, 50_000],
  [{ 'ratelimit-remaining': '3', 'ratelimit-reset': '50' }, 3, 50_000],
  [{ 'x-ratelimit-remaining': '12', 'x-ratelimit-reset': '1.5' }, 12, 1500],
  [{ 'x-ratelimit-remaining': '12', 'x-ratelimit-reset': String(now.getTime() / 1000 + 9) }, 12, 9000],
  [{ 'x-ratelimit-remaining': '12', 'x-ratelimit-reset': '1700000000' }, 12, 0],
  [{ 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '1m2.5s' }, 59, 62_500],
  [{ 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '20ms', 'x-ratelimit-remaining-tokens': '5' }, 5, null],
  [{ 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': 'later' }, 1, null],
])('%j', (headers, remaining, resetMs) => {
  expect(parseRateLimit(new Headers(headers as Record<string, string>), now)).toEqual({ remaining, resetMs });
});

test.each([
  {},
  { ratelimit: 'plenty' },
  { 'x-ratelimit-remaining': '-1' },
  { 'x-ratelimit-remaining': 'many' },
  { 'x-ratelimit-limit': '5' },
])('nothing is said by %j', (headers) => {
  expect(parseRateLimit(new Headers(headers as Record<string, string>), now)).toBeNull();
});
