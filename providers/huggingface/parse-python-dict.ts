/** One key of a dict and its value: a number (NaN and infinities too), or null for what is none. */
export interface DictEntry {
  readonly name: string;
  readonly value: number | null;
  /** Whether the number stood in quotes, as transformers 5 writes it: with four significant digits. */
  readonly isQuoted: boolean;
}

/** More than any training measures. */
const mostEntries = 200;

/**
 * A flat dict as Python prints it, such as `{'loss': 1.2, 'epoch': 0.5}` or `{'loss': '1.2', 'epoch': '0.5'}`. `from` is the place of its
 * brace. Null where there is no such dict, also where a value is itself a list or a dict.
 */
export function parsePythonDict(text: string, from: number): DictEntry[] | null {
  const entries: DictEntry[] = [];
  let at = from + 1;
  for (;;) {
    at = skipSpaces(text, at);
    if (text[at] === '}') return entries;
    const key = readString(text, at);
    if (key === null || entries.length === mostEntries) return null;
    at = skipSpaces(text, key.end);
    if (text[at] !== ':') return null;
    at = skipSpaces(text, at + 1);
    const quoted = readString(text, at);
    const value = quoted ?? readWord(text, at);
    if (value === null) return null;
    entries.push({ name: key.text, value: parsePythonNumber(value.text), isQuoted: quoted !== null });
    at = skipSpaces(text, value.end);
    if (text[at] === ',') at += 1;
    else if (text[at] !== '}') return null;
  }
}

/** A number as Python prints it; null where it is none. */
export function parsePythonNumber(text: string): number | null {
  const sign = text.startsWith('-') ? -1 : 1;
  const word = sign < 0 ? text.slice(1) : text;
  if (word === 'nan' || word === 'NaN') return Number.NaN;
  if (word === 'inf' || word === 'Infinity') return sign * Infinity;
  return /^(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(word) ? sign * Number(word) : null;
}

interface Token {
  readonly text: string;
  readonly end: number;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ') at += 1;
  return at;
}

function readString(text: string, from: number): Token | null {
  const quote = text[from];
  if (quote !== "'" && quote !== '"') return null;
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === quote) return { text: text.slice(from + 1, at), end: at + 1 };
  }
  return null;
}

function readWord(text: string, from: number): Token | null {
  let at = from;
  while (at < text.length && /[\w.+-]/.test(text[at]!)) at += 1;
  return at === from ? null : { text: text.slice(from, at), end: at };
}
