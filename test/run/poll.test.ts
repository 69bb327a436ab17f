import { expect, test } from 'vitest';
import { getNextPollMs, getNextTryMs } from '../../src/run/poll.ts';

test.each([
  [0, 'running', 5000],
  [60_000, 'running', 5000],
  [600_000, 'queued', 30_000],
  [86_400_000, 'running', 120_000],
  [0, 'unknown', 300_000],
])('a job of age %i that is %s is looked at within %i ms, and not before half of that', (ageMs, phase, most) => {
  expect(getNextPollMs({ ageMs, phase, random: 0 })).toBe(most / 2);
  expect(getNextPollMs({ ageMs, phase, random: 0.999999 })).toBe(most);
});

test('failed looks are repeated after twice the time, up to a quarter of an hour', () => {
  const tries = [1, 2, 3, 9, 50].map((times) => getNextTryMs({ times, code: 'service-unavailable', retryAfterMs: null, random: 0.999999 }));
  expect(tries).toEqual([5000, 10_000, 20_000, 900_000, 900_000]);
});

test('what the service asks for is kept, and a refused credential is tried seldom', () => {
  expect(getNextTryMs({ times: 1, code: 'service-unavailable', retryAfterMs: 60_000, random: 0 })).toBe(60_000);
  expect(getNextTryMs({ times: 1, code: 'credentials-invalid', retryAfterMs: null, random: 0.999999 })).toBe(300_000);
});
