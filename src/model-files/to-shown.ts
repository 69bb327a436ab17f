const longest = 60; // characters

/** A foreign JSON value as an error message quotes it: on one line, cut short, whatever its size. */
export function toShown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  return value.length > longest ? `${JSON.stringify(value.slice(0, longest))}…` : JSON.stringify(value);
}

/** A name from a foreign file without quotes, shortened, with control characters escaped. */
export function toShownName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name).slice(1, -1);
}
