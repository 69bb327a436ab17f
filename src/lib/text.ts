const longest = 60; // characters: enough to recognise the value, little enough for one line of a message

/** A value as an error message quotes it: JSON, cut short, on one line. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  switch (typeof value) {
    case 'string':
      return `${JSON.stringify(value.slice(0, longest))}${value.length > longest ? '…' : ''}`;
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value === undefined ? 'nothing' : `a ${typeof value}`;
  }
}

/** A name from a foreign file without quotes, shortened, with control characters escaped. */
export function formatName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name).slice(1, -1);
}

/** A word of a command line as one types it: in quotes where a shell would read it otherwise. */
export function quoteWord(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** `91.3 MB`; decimal, as disks and downloads are counted. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
