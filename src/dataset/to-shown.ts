const longest = 60; // characters: enough to recognise the value, little enough for one line of a message

/** A value as an error message quotes it: JSON, cut short, on one line. */
export function toShown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, longest)) : String(value);
  return typeof value === 'string' && value.length > longest ? `${text}…` : text;
}
