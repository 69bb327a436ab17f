/** RFC 8259, character by character; a key that stands twice in an object is a problem. */

export type StrictJson = { readonly value: unknown } | { readonly problem: string };

/** @param text is one value with white space around it */
export function parseStrictJson(text: string): StrictJson {
  let at = 0;
  let twice: string | null = null;
  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at ${at}`);
  };
  const skip = (): void => {
    while (at < text.length && ' \t\r\n'.includes(text[at]!)) at++;
  };
  const take = (expected: string): void => {
    if (text.slice(at, at + expected.length) !== expected) fail(`no ${expected}`);
    at += expected.length;
  };
  const readString = (): string => {
    take('"');
    let value = '';
    for (;;) {
      const character = text[at++];
      if (character === undefined) return fail('an open string');
      if (character === '"') return value;
      if (character.charCodeAt(0) < 0x20) fail('a control character');
      if (character !== '\\') {
        value += character;
        continue;
      }
      const escape = text[at++] ?? '';
      const plain: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
      if (escape === 'u') {
        const digits = text.slice(at, at + 4);
        if (!/^[0-9a-f]{4}$/i.test(digits)) fail('no code');
        value += String.fromCharCode(parseInt(digits, 16));
        at += 4;
      } else value += plain[escape] ?? fail('an unknown escape');
    }
  };
  const readList = (): unknown[] => {
    take('[');
    const items: unknown[] = [];
    skip();
    if (text[at] === ']') at++;
    else {
      for (;;) {
        items.push(readValue());
        skip();
        if (text[at] !== ',') break;
        at++;
      }
      take(']');
    }
    return items;
  };
  const readObject = (): Record<string, unknown> => {
    take('{');
    const members = new Map<string, unknown>();
    skip();
    if (text[at] === '}') at++;
    else {
      for (;;) {
        skip();
        const name = readString();
        skip();
        take(':');
        if (members.has(name)) twice ??= name;
        members.set(name, readValue());
        skip();
        if (text[at] !== ',') break;
        at++;
      }
      take('}');
    }
    return Object.fromEntries(members);
  };
  const readValue = (): unknown => {
    skip();
    const character = text[at];
    if (character === '{') return readObject();
    if (character === '[') return readList();
    if (character === '"') return readString();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (!text.startsWith(word, at)) continue;
      at += word.length;
      return value;
    }
    const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?/i.exec(text.slice(at))?.[0] ?? fail('no value');
    at += number.length;
    return Number(number);
  };
  try {
    const value = readValue();
    skip();
    if (at < text.length) fail('more text');
    return twice === null ? { value } : { problem: `the key ${String(twice)} twice` };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: error.message };
    throw error;
  }
}
