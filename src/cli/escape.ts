/**
 * Text from outside (names, labels, log lines, messages of services) for a terminal: whatever could move the cursor, change colours,
 * turn the reading direction or hide is shown as an escape instead. Line feeds and tabs pass.
 */
export function escapeText(text: string): string {
  return text.replaceAll(dangerous, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** The same on one line. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n').replaceAll('\t', ' ');
}

/**
 * A value as JSON that is safe on a terminal: the same characters stand as `\u009b` in it, which every reader of JSON turns back. Below
 * U+0020 JSON escapes them itself.
 */
export function formatJson(value: unknown, space?: number): string {
  return JSON.stringify(value, null, space).replaceAll(dangerous, (character) => {
    return Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
  });
}

// Control characters except tab and line feed; bidirectional controls; zero-width characters; line separators; tags; lone surrogates.
const dangerous =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;
