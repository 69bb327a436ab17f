import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeLine, escapeText } from '../../src/cli/escape.ts';

test.each([
  ['plain text, ünïcödé, 日本語, 👍', 'plain text, ünïcödé, 日本語, 👍'],
  ['\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
  ['\u009b2J', '\\x9b2J'],
  ['a\rb\bc\u0007', 'a\\x0db\\x08c\\x07'],
  ['\u202egnp.exe', '\\u{202e}gnp.exe'],
  ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
  ['tag\u{e0041}', 'tag\\u{e0041}'],
  ['line\u2028end', 'line\\u{2028}end'],
  ['lone \ud800 half', 'lone \\u{d800} half'],
  ['line\n\tnext', 'line\n\tnext'],
])('%j is shown as %j', (text, shown) => {
  expect(escapeText(text)).toBe(shown);
});

test('one line stays one line', () => {
  expect(escapeLine('a\nb\tc')).toBe('a\\nb c');
});

test('nothing that a terminal obeys or hides gets through', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)) }), (text) => {
      expect(escapeLine(text)).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]/u);
    }),
    { numRuns: 2000 },
  );
});
