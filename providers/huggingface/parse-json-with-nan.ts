/**
 * JSON as Python writes it: bare `NaN`, `Infinity` and `-Infinity` become the strings of these names, everything else stays as it is.
 * Undefined where the text is no JSON even so.
 */
export function parseJsonWithNaN(text: string): unknown {
  try {
    return JSON.parse(quoteNaN(text)) as unknown;
  } catch {
    return undefined;
  }
}

function quoteNaN(text: string): string {
  const parts: string[] = [];
  let done = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') {
      at = skipString(text, at);
      continue;
    }
    const word = words.find((one) => text.startsWith(one, at));
    if (word === undefined) continue;
    parts.push(text.slice(done, at), `"${word}"`);
    at += word.length - 1;
    done = at + 1;
  }
  return parts.join('') + text.slice(done);
}

const words = ['NaN', '-Infinity', 'Infinity'] as const;

/** The place of the quote that ends the string which begins at `from`, or the text's end. */
function skipString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
