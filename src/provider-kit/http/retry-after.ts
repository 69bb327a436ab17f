const shortestMs = 1000;
const longestMs = 15 * 60_000;

/** RFC 9110 5.6.7: the form of today and the two old ones. `Date.parse` alone takes almost any text for a date. */
const dates = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (\w{3}) \d{4} \d\d:\d\d:\d\d GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/,
];

/**
 * How long a service wants to be left alone: `Retry-After` in seconds or as a date, or `retry-after-ms`.
 * @returns milliseconds between 1 s and 15 min, or null where there is none that can be read
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

/** The pause after the `tries`-th failed try, in ms: 1 s, twice as long each time, half of it drawn so that processes spread. */
export function toPauseMs(tries: number, random: number): number {
  const ms = Math.min(shortestMs * 2 ** (tries - 1), longestMs);
  return ms / 2 + (random * ms) / 2;
}
