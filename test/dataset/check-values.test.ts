import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { checkJson } from '../../src/dataset/check-values.ts';

function isAccepted(value: unknown): boolean {
  try {
    checkJson(value, 'x');
    return true;
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return false;
    throw error;
  }
}

function nest(depth: number): unknown {
  return JSON.parse('['.repeat(depth) + ']'.repeat(depth));
}

test.each([
  ['{"a": [1, {"b": "x\\ud83d"}]}', '.a[1].b: expected text, found half of a surrogate pair'],
  ['{"a b": "\\udc00"}', '["a b"]: expected text'],
  ['[{"\\ud800": 1}]', '[0]: expected names of well-formed text, found "\\ud800"'],
  ['[[-1e999]]', '[0][0]: expected a number of 64 bits, found -Infinity'],
  ['{"__proto__": {"a": "\\ud800"}}', '.__proto__.a: expected text'],
])('%s is refused at its place', (json, message) => {
  const check = (): void => checkJson(JSON.parse(json), 'x:1: column');
  expect(check).toThrow(expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(`x:1: column${message}`) }));
});

test('a hundred levels pass, more do not, and a million end in the same words', () => {
  expect(() => checkJson(nest(100), 'x')).not.toThrow();
  for (const depth of [101, 1_000_000]) {
    expect(() => checkJson(nest(depth), 'x')).toThrow('expected at most 100 lists and objects inside one another, found more');
  }
});

test('what JSON can hold passes just when all of its text is well formed', () => {
  const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });
  fc.assert(
    fc.property(json, (value) => {
      expect(isAccepted(value)).toBe(true);
    }),
  );
  const text = fc.array(fc.constantFrom('a', '\ud83d', '\ude00', '"'), { maxLength: 4 }).map((units) => units.join(''));
  fc.assert(
    fc.property(text, text, (key, value) => {
      expect(isAccepted([{ [key]: { key: value } }])).toBe(key.isWellFormed() && value.isWellFormed());
    }),
  );
});
