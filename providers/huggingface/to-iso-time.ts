/** ISO 8601 in UTC with milliseconds; null for what is no time. */
export function toIsoTime(value: unknown): string | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
