const longest = 60; // characters: enough to recognise the value, little enough for one line of a message

/** A value as an error message quotes it: JSON, cut short, on one line. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return `${JSON.stringify(value.slice(0, longest))}${value.length > longest ? '…' : ''}`;
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** A name from a foreign file without quotes, shortened, with control characters escaped. */
export function formatName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name).slice(1, -1);
}
