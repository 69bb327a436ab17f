const longest = 60; // characters: enough to recognise the value, little enough for one line of a message

/** A value as an error message quotes it: JSON, cut short, on one line. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, longest)) : String(value);
  return typeof value === 'string' && value.length > longest ? `${text}…` : text;
}

/** A name from a foreign file without quotes, shortened, with control characters escaped. */
export function formatName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name).slice(1, -1);
}
