import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeLine, escapeText, formatJson } from '../../src/cli/escape.ts';

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

test.each([
  ['\u009b2J\u007f', '"\\u009b2J\\u007f"'],
  ['\u202egnp\u2066\u061c', '"\\u202egnp\\u2066\\u061c"'],
  ['tag\u{e0041}', '"tag\\udb40\\udc41"'],
  ['ünïcödé 👍', '"ünïcödé 👍"'],
])('in JSON %j is written as %s', (value, json) => {
  expect(formatJson(value)).toBe(json);
});

test('JSON moves no terminal, and is the same value', () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)) });
  fc.assert(
    fc.property(fc.dictionary(text, fc.array(text)), fc.constantFrom(undefined, 2), (value, space) => {
      const json = formatJson(value, space);
      expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]/u);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 2000 },
  );
});

test('no command prints JSON in another way', () => {
  const others = globSync('src/cli/**/*.ts').filter((path) => /print\([^;]*JSON\.stringify/.test(readFileSync(path, 'utf8')));
  expect(others).toEqual([]);
});
