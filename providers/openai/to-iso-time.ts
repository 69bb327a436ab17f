/** Above this a number of seconds is a year after 5000: gateways give milliseconds where seconds are defined. */
const mostSeconds = 1e11;

/** The service's time, Unix seconds, as ISO 8601; null where there is none. */
export function toIsoTime(time: unknown): string | null {
  if (typeof time !== 'number' || !(time > 0)) return null;
  const date = new Date(time > mostSeconds ? time : time * 1000);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
