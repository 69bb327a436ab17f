import { Failure } from '../errors.ts';

/** Sizes at which a service cuts a list that has no pages. */
function isUsualCap(length: number): boolean {
  return [10, 20, 25, 30, 40].includes(length) || (length >= 16 && (length % 50 === 0 || Number.isInteger(Math.log2(length))));
}

interface Asked {
  /** Such as `GET /fine-tunes`, for the message. */
  readonly call: string;
  /** What is looked for came after this time, ISO 8601; null: nobody knows. */
  readonly since: string | null;
}

/**
 * A list without pages may end somewhere, and nobody says so: that something is not in it proves nothing if it may have been cut. It is
 * surely whole where it has a length at which nobody cuts. Otherwise it must begin with the newest item and reach back behind the time
 * before which the one that is looked for cannot have been made.
 * @param times of the items as they come, ISO 8601; '' for one without a time
 * @throws Failure `response-invalid` where an absent item may exist all the same
 */
export function checkWhole(times: readonly string[], { call, since }: Asked): void {
  const isNewestFirst = times.every((time, i) => time !== '' && (i === 0 || time <= times[i - 1]!));
  if (!isUsualCap(times.length) || (isNewestFirst && since !== null && times.at(-1)! < since)) return;
  throw new Failure('response-invalid', `${call}: expected a list that is surely whole, found ${times.length} jobs, where it may be cut`, {
    hint: 'delete an old job at the service (or start another one), so that the list has another length; nothing was started',
  });
}
