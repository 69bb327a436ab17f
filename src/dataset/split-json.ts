/** JSON values that follow one another in a text, also over several lines, and whether a list holds them. */

export interface JsonItem {
  /** The line on which it begins, from 1. */
  readonly line: number;
  readonly text: string;
}

export interface JsonSplitter {
  /** The items that end in this piece of the text. */
  split(text: string): JsonItem[];
  /** What is wrong where the text ends now; null: nothing. */
  findEndProblem(): JsonEndProblem | null;
  /** How much of an item is there that has not ended. */
  getOpenLength(): number;
}

export interface JsonEndProblem {
  /** Where the open item begins, or the text ends. */
  readonly line: number;
  /** `bare-text`: no bracket or quote is open, so that the end of the text ends the item, of this text. */
  readonly problem: 'open-item' | 'open-list' | 'bare-text';
  readonly text?: string;
}

/** `list`: the items of one list; `stream`: values after one another, with white space or commas between them. */
export type JsonLayout = 'list' | 'stream';

const quote = 0x22;
const comma = 0x2c;
const openList = 0x5b;
const backslash = 0x5c;
const closeList = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/**
 * @param onTrailing receives the line of the first character after the end of a list that is not white space; the splitter gives no
 *   further items.
 */
export function createJsonSplitter(layout: JsonLayout, onTrailing: (line: number) => void): JsonSplitter {
  let line = 1;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let open: { text: string; readonly line: number } | null = null;
  let list: 'before' | 'inside' | 'after' = layout === 'list' ? 'before' : 'inside';

  /** Whether the character belongs to the item that is open. */
  const stays = (code: number): boolean => {
    if (isInString) {
      if (isEscaped) isEscaped = false;
      else if (code === backslash) isEscaped = true;
      else if (code === quote) isInString = false;
      return true;
    }
    if (code === quote) isInString = true;
    else if (code === openObject || code === openList) depth++;
    else if (code === closeObject || code === closeList) depth--;
    else if (depth === 0) return code !== comma && !isWhite(code);
    return depth >= 0;
  };
  const skip = (code: number): void => {
    if (list === 'before') {
      if (code === openList) list = 'inside';
    } else if (list === 'inside') {
      if (layout === 'list' && code === closeList) list = 'after';
    } else if (!isWhite(code)) {
      onTrailing(line);
      list = 'after';
    }
  };
  return {
    split(text) {
      const items: JsonItem[] = [];
      let start = 0;
      for (let at = 0; at < text.length; at++) {
        const code = text.charCodeAt(at);
        if (open === null) {
          const begins = list === 'inside' && !isWhite(code) && code !== comma && !(layout === 'list' && code === closeList);
          if (begins) {
            open = { text: '', line };
            start = at;
            depth = 0;
            if (!stays(code)) {
              items.push({ line, text: text[at]! }); // a closing bracket that closes nothing
              open = null;
            }
          } else skip(code);
        } else {
          const stayed = stays(code);
          const isClosed = stayed && depth === 0 && !isInString && (code === closeObject || code === closeList);
          if (isClosed || !stayed) {
            items.push({ line: open.line, text: open.text + text.slice(start, isClosed ? at + 1 : at) });
            open = null;
            if (!stayed) skip(code);
          }
        }
        if (code === 0x0a) line++;
      }
      if (open !== null) open.text += text.slice(start);
      return items;
    },
    getOpenLength: () => open?.text.length ?? 0,
    findEndProblem() {
      if (open !== null && depth === 0 && !isInString) return { line: open.line, problem: 'bare-text', text: open.text };
      if (open !== null) return { line: open.line, problem: 'open-item' };
      return layout === 'list' && list !== 'after' ? { line, problem: 'open-list' } : null;
    },
  };
}

function isWhite(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09 || code === 0xfeff;
}

/** Whether a line begins a value and ends before it does, as lines of JSON that is written for people. */
export function isBegunOnly(text: string): boolean {
  const splitter = createJsonSplitter('stream', () => {});
  const items = splitter.split(text);
  const isInString = dropStrings(text, '').includes('"');
  return items.length === 0 && splitter.findEndProblem() !== null && !isInString;
}

/** Where the string that begins at `start` ends, after its closing quote; -1: it does not. A pattern runs out of stack on long ones. */
function findStringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === backslash) at++;
    else if (code === quote) return at + 1;
  }
  return -1;
}

/** A JSON text with all closed strings replaced. */
export function dropStrings(text: string, by: string): string {
  let rest = '';
  let start = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', start)) {
    const end = findStringEnd(text, at);
    if (end < 0) break;
    rest += text.slice(start, at) + by;
    start = end;
  }
  return rest + text.slice(start);
}

/** Strings whole, and the characters that give a text its structure. */
function* listTokens(text: string): Generator<{ readonly token: string; readonly end: number }> {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = findStringEnd(text, at);
      if (end < 0) return;
      yield { token: text.slice(at, end), end };
      at = end - 1;
    } else if (code === openObject || code === closeObject || code === openList || code === closeList || code === comma) {
      yield { token: text[at]!, end: at + 1 };
    }
  }
}

/** The path to a key that stands twice in one object of a JSON text, and its name; null: there is none. */
export function findKeyTwice(text: string): string | null {
  const open: { readonly keys: Set<string> | null; name: string; items: number }[] = [];
  const toPath = (name: string): string => {
    return open
      .map((one, i) => (i === open.length - 1 ? name : one.keys === null ? `[${one.items}]` : one.name))
      .join('.')
      .replaceAll('.[', '[');
  };
  for (const { token, end } of listTokens(text)) {
    const inner = open.at(-1);
    if (token === '{' || token === '[') open.push({ keys: token === '{' ? new Set() : null, name: '', items: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',') {
      if (inner !== undefined) inner.items++;
    } else if (inner != null && inner.keys !== null && /^\s*:/.test(text.slice(end, end + 20))) {
      const name = JSON.parse(token) as string;
      if (inner.keys.has(name)) return toPath(name);
      inner.keys.add(name);
      inner.name = name;
    }
  }
  return null;
}

/** Deeper values are refused elsewhere. */
const maxDepth = 100;

/** Whether a text has more keys than the value that it gave: one of them stands twice. It may be wrong with "yes" only. */
export function mayHaveKeyTwice(text: string, value: object): boolean {
  let marks = 0;
  for (let at = text.indexOf('":'); at >= 0; at = text.indexOf('":', at + 2)) if (!isEscaped(text, at)) marks++;
  marks += text.match(/"[ \t\r\n]+:/g)?.length ?? 0;
  return marks > countKeys(value, 0);
}

/** Whether an odd number of backslashes stands before a character. */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text.charCodeAt(before - 1) === backslash) before--;
  return (at - before) % 2 === 1;
}

function countKeys(value: object, depth: number): number {
  if (depth > maxDepth) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) count += countKeys(item as object, depth + 1);
    return count;
  }
  for (const key in value) {
    count++;
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === 'object' && item !== null) count += countKeys(item, depth + 1);
  }
  return count;
}
