/** What a service says is left of an allowance. */
export interface RateLimit {
  /** Requests or tokens. */
  readonly remaining: number;
  /** Until the allowance is full again; null where the service does not say. */
  readonly resetMs: number | null;
}

/**
 * The scarcest allowance that the headers of an answer speak of, or null. Read are `ratelimit: "api";r=0;t=55` and its older forms
 * (IETF draft-ietf-httpapi-ratelimit-headers), and `x-ratelimit-remaining`, `-remaining-requests`, `-remaining-tokens` with their resets.
 */
export function parseRateLimit(headers: Headers, now: Date): RateLimit | null {
  const found = [...parseRateLimitField(headers), ...parsePairs(headers, now)];
  return found.sort((a, b) => a.remaining - b.remaining || (b.resetMs ?? 0) - (a.resetMs ?? 0))[0] ?? null;
}

/** `"api";r=0;t=55, "day";r=9;t=86400`, or of an older draft `limit=10, remaining=0, reset=55`. */
function parseRateLimitField(headers: Headers): RateLimit[] {
  const field = headers.get('ratelimit');
  if (field === null) return [];
  const isOld = /\bremaining=/.test(field);
  return (isOld ? [field] : field.split(',')).flatMap((item) => {
    const remaining = /(?:^|[;,\s])(?:r|remaining)=(\d+)/.exec(item)?.[1];
    const reset = /(?:^|[;,\s])(?:t|reset)=(\d+)/.exec(item)?.[1];
    return remaining === undefined ? [] : [{ remaining: Number(remaining), resetMs: reset === undefined ? null : Number(reset) * 1000 }];
  });
}

function parsePairs(headers: Headers, now: Date): RateLimit[] {
  return ['ratelimit', 'x-ratelimit'].flatMap((prefix) =>
    ['', '-requests', '-tokens'].flatMap((suffix) => {
      const remaining = headers.get(`${prefix}-remaining${suffix}`)?.trim() ?? '';
      if (!/^\d+$/.test(remaining)) return [];
      return [{ remaining: Number(remaining), resetMs: parseReset(headers.get(`${prefix}-reset${suffix}`), now) }];
    }),
  );
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `12` seconds, `6m0s`, `20ms`, or the second of the epoch at which it happens. */
function parseReset(text: string | null, now: Date): number | null {
  const trimmed = text?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    const seconds = Number(trimmed);
    const isEpoch = seconds > 1e9; // as seconds from now: in thirty years
    return isEpoch ? Math.max(0, seconds * 1000 - now.getTime()) : seconds * 1000;
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return null;
  const parts = trimmed.matchAll(/([\d.]+)(ms|s|m|h|d)/g);
  return [...parts].reduce((sum, [, number, unit]) => sum + Number(number) * unitMs[unit!]!, 0);
}
