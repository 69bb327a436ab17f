/** What stops a scan: nesting deeper than allowed, more keys than allowed, or one key twice in an object. */
export type KeyProblem = { readonly type: 'depth' } | { readonly type: 'count' } | { readonly type: 'duplicate'; readonly key: string };

const quote = 0x22;
const backslash = 0x5c;

/**
 * Looks through JSON text for what `JSON.parse` does not report: it merges duplicate keys, and it allocates whatever the text asks for.
 * Needs no valid JSON and no recursion; the caller parses afterwards. Returns the first problem, or null.
 */
export function scanKeys(text: string, limits: { readonly depth: number; readonly keys: number }): KeyProblem | null {
  const open: (Set<string> | null)[] = []; // the keys seen in each open object; null for an array
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charAt(i)) {
      case '{':
      case '[':
        if (open.length === limits.depth) return { type: 'depth' };
        open.push(text[i] === '{' ? new Set() : null);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = toStringEnd(text, i);
        const keys = open.at(-1);
        if (keys && isFollowedByColon(text, end)) {
          const key = toKey(text.slice(i, end));
          if (keys.has(key)) return { type: 'duplicate', key };
          keys.add(key);
          if (++count > limits.keys) return { type: 'count' };
        }
        i = end - 1;
      }
    }
  }
  return null;
}

/** The index after the closing quote of the string that begins at `start`. */
function toStringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) return i + 1;
    if (code === backslash) i++;
  }
  return text.length;
}

function isFollowedByColon(text: string, from: number): boolean {
  let i = from;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\t' || text[i] === '\r') i++;
  return text[i] === ':';
}

/** The key that the literal stands for: `"a"` and `"\u0061"` are the same. */
function toKey(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal; // not valid JSON: the parser will say so
  }
}
