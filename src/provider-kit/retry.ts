import pRetry from 'p-retry';
import { failureKinds, isFailure, type Failure } from '../errors.ts';

const shortestMs = 1000;
const longestMs = 15 * 60_000;

/** What waiting needs; a provider's context has it. */
export interface Patience {
  readonly signal: AbortSignal | null;
  /** Resolves after so many milliseconds, or rejects when the signal aborts. */
  wait(ms: number): Promise<void>;
}

export interface RetryOptions {
  /** Tries in all, the first one included. */
  readonly tries: number;
  /** The pause before the next try, in ms; null: another try would not go better. Absent: `getPauseMs`. */
  getPauseMs?(error: unknown, tries: number): number | null;
}

/**
 * Calls until a call goes well. For reads, and for writes that may be repeated at no cost; never for what costs money.
 * @param call is given the number of the try, from 1
 * @throws the error of the last try, or the reason of the signal
 */
export async function retry<T>(call: (tries: number) => Promise<T>, { signal, wait }: Patience, options: RetryOptions): Promise<T> {
  const { tries, getPauseMs: getPause = getPauseMs } = options;
  return await pRetry(call, {
    retries: tries - 1,
    minTimeout: 0, // `wait` waits instead: its clock is the caller's
    signal: signal ?? undefined,
    async shouldRetry({ error, attemptNumber }) {
      const pauseMs = getPause(error, attemptNumber);
      if (pauseMs !== null) await wait(pauseMs).finally(() => signal?.throwIfAborted());
      return pauseMs !== null;
    },
  });
}

/**
 * The pause before another try, in ms; null for an error of a kind that stays. It is what the service asked for, else 1 s after the
 * first try and twice as long after each further one, half of it random, so that processes spread.
 * @param random in [0, 1); absent: the whole pause
 */
export function getPauseMs(error: unknown, tries: number, random = 1): number | null {
  if (!isFailure(error) || !failureKinds[error.code].retryable) return null;
  const ms = Math.min(shortestMs * 2 ** (tries - 1), longestMs);
  return error.retryAfterMs ?? ms / 2 + (random * ms) / 2;
}

export interface PollOptions {
  /** The first pause; each one is twice as long as the one before. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** How long the result is waited for in all. */
  readonly withinMs: number;
  /** What is thrown once this time is over. */
  onTimeout(): Failure;
}

const notYet = new Error('not yet');

/** Checks again and again until there is a result. @throws what a check throws, `onTimeout`, or the reason of the signal */
export async function poll<T>(
  check: () => Promise<T | null>,
  { signal, wait, now }: Patience & { now(): Date },
  { firstMs, longestMs: longestPauseMs, withinMs, onTimeout }: PollOptions,
): Promise<T> {
  const startedMs = now().getTime();
  let waitedMs = 0;
  const checkOnce = async (): Promise<T> => {
    const found = await check();
    if (found === null) throw notYet;
    return found;
  };
  return await pRetry(checkOnce, {
    retries: Infinity,
    minTimeout: 0,
    signal: signal ?? undefined,
    async shouldRetry({ error, attemptNumber }) {
      if (error !== notYet) return false;
      if (Math.max(waitedMs, now().getTime() - startedMs) >= withinMs) throw onTimeout();
      const pauseMs = Math.min(firstMs * 2 ** (attemptNumber - 1), longestPauseMs);
      await wait(pauseMs).finally(() => signal?.throwIfAborted());
      waitedMs += pauseMs;
      return true;
    },
  });
}

/** RFC 9110 5.6.7: the form of today and the two old ones. `Date.parse` alone takes almost any text for a date. */
const dates = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (\w{3}) \d{4} \d\d:\d\d:\d\d GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/,
];

/**
 * The pause that a service asks for: `Retry-After` in seconds or as a date, or `retry-after-ms`.
 * @returns milliseconds between 1 s and 15 min, or null where no header can be read
 */
export function parseRetryAfter(headers: Headers, now: Date): number | null {
  const milliseconds = toNumber(headers.get('retry-after-ms'));
  if (milliseconds !== null) return clamp(milliseconds);
  const text = headers.get('retry-after')?.trim() ?? null;
  const seconds = toNumber(text);
  if (seconds !== null) return clamp(seconds * 1000);
  if (text === null || !dates.some((date) => date.test(text))) return null;
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(time) ? null : clamp(time - now.getTime());
}

function toNumber(text: string | null): number | null {
  return text !== null && /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : null;
}

function clamp(ms: number): number {
  return Math.min(Math.max(ms, shortestMs), longestMs);
}
