import { expect, test } from 'vitest';
import { Failure } from '../../src/errors.ts';
import { getPauseMs, parseRetryAfter, poll, retry } from '../../src/provider-kit/retry.ts';

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

test('without a header there is nothing to wait for', () => {
  expect(parseRetryAfter(new Headers(), now)).toBeNull();
});

test('pauses double, half of each is random, and the service has the first word', () => {
  const passing = new Failure('service-unavailable', 'x');
  expect([1, 2, 3].map((tries) => [getPauseMs(passing, tries, 0), getPauseMs(passing, tries)])).toEqual([
    [500, 1000],
    [1000, 2000],
    [2000, 4000],
  ]);
  expect(getPauseMs(passing, 99)).toBe(900_000);
  expect(getPauseMs(new Failure('rate-limited', 'x', { retryAfterMs: 7000 }), 1)).toBe(7000);
  expect(getPauseMs(new Failure('request-refused', 'x'), 1)).toBeNull();
  expect(getPauseMs(new Error('x'), 1)).toBeNull();
});

/** A clock that only goes on while somebody waits. */
function createPatience(signal: AbortSignal | null = null) {
  const pauses: number[] = [];
  const now = (): Date => new Date(pauses.reduce((sum, ms) => sum + ms, 0));
  return { pauses, patience: { signal, now, wait: async (ms: number) => await Promise.resolve(void pauses.push(ms)) } };
}

test('a call is tried again while its error may pass, and no more often than allowed', async () => {
  const { pauses, patience } = createPatience();
  const tried: number[] = [];
  const passing = new Failure('timeout', 'slow');
  const call = async (tries: number): Promise<string> => {
    tried.push(tries);
    if (tries < 3) throw passing;
    return await Promise.resolve('done');
  };
  expect(await retry(call, patience, { tries: 3 })).toBe('done');
  expect([tried, pauses]).toEqual([
    [1, 2, 3],
    [1000, 2000],
  ]);
  await expect(retry(call, patience, { tries: 2 })).rejects.toBe(passing);
  expect(pauses).toEqual([1000, 2000, 1000]);
  await expect(retry(call, patience, { tries: 3, getPauseMs: () => null })).rejects.toBe(passing);
  for (const error of [new Failure('data-invalid', 'x'), new TypeError('x'), new Error('x')]) {
    await expect(retry(async () => await Promise.reject(error), patience, { tries: 9 })).rejects.toBe(error);
  }
  expect(pauses).toHaveLength(3);
});

test('an abort ends the tries with its reason, while a call runs and while it waits', async () => {
  for (const abortIn of ['call', 'wait']) {
    const controller = new AbortController();
    const reason = new Error('enough');
    const abort = (): void => controller.abort(reason);
    const wait = async (): Promise<void> => {
      abort();
      await Promise.reject(new DOMException('aborted', 'AbortError'));
    };
    const call = async (tries: number): Promise<never> => {
      expect(tries).toBe(1);
      if (abortIn === 'call') abort();
      return await Promise.reject(new Failure('timeout', 'slow'));
    };
    await expect(retry(call, { signal: controller.signal, wait }, { tries: 5 })).rejects.toBe(reason);
    await expect(retry(call, { signal: controller.signal, wait }, { tries: 5 })).rejects.toBe(reason);
  }
});

test('a result is looked for with growing pauses, for as long as allowed', async () => {
  const { pauses, patience } = createPatience();
  const options = { firstMs: 500, longestMs: 3000, withinMs: 10_000, onTimeout: () => new Failure('timeout', 'never came') };
  let looks = 0;
  expect(await poll(async () => await Promise.resolve(++looks < 5 ? null : 'there'), patience, options)).toBe('there');
  expect(pauses).toEqual([500, 1000, 2000, 3000]);
  await expect(poll(async () => await Promise.resolve(null), patience, options)).rejects.toMatchObject({ message: 'never came' });
  expect(pauses.slice(4)).toEqual([500, 1000, 2000, 3000, 3000, 3000]);
  const fault = new Failure('service-unavailable', 'x'); // a look has tries of its own
  await expect(poll(async () => await Promise.reject(fault), patience, options)).rejects.toBe(fault);
  // Looks take time too: here each one takes a minute.
  const clock = createPatience();
  let minutes = 0;
  const slow = { ...clock.patience, now: () => new Date(minutes * 60_000) };
  await expect(poll(async () => await Promise.resolve(++minutes > 99 ? 1 : null), slow, options)).rejects.toThrow('never came');
  expect(clock.pauses).toEqual([]);
});
