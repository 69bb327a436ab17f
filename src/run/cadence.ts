/** When to look at a job again. */

const firstMs = 5000;
const longestMs = 120_000;
/** No pause is longer: one that seems to be was planned before the clock was set back. */
export const longestPauseMs = 900_000;
/** A status word that nobody knows, or a credential that is refused, does not change soon. */
const seldomMs = 300_000;

export interface PollTiming {
  readonly ageMs: number;
  readonly phase: string;
  /** In [0, 1). */
  readonly random: number;
}

/** After a look that saw the job: a twentieth of its age, between 5 s and 2 min, with equal jitter so that processes spread. */
export function getNextPollMs({ ageMs, phase, random }: PollTiming): number {
  if (phase === 'unknown') return spread(seldomMs, random);
  return spread(Math.min(Math.max(ageMs / 20, firstMs), longestMs), random);
}

/** After the `times`-th look in a row that failed: twice as long each time, up to 15 min; at least what the service asked for. */
export function getNextTryMs({
  times,
  code,
  retryAfterMs,
  random,
}: {
  times: number;
  code: string;
  retryAfterMs: number | null;
  random: number;
}): number {
  if (code === 'credentials-invalid') return spread(seldomMs, random);
  return Math.max(retryAfterMs ?? 0, spread(Math.min(firstMs * 2 ** (times - 1), longestPauseMs), random));
}

function spread(ms: number, random: number): number {
  return Math.round(ms / 2 + (random * ms) / 2);
}
