import { expect, test } from 'vitest';
import { openSource, readFlag, readNumber, readText } from '../../src/import/source.ts';

const context = { file: 'f' };

function nest(depth: number): unknown {
  return depth === 0 ? 1 : { a: nest(depth - 1) };
}

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

test.each([
  ['a list', [], 'f: expected an object of settings, found a list'],
  ['a text', 'x', 'f: expected an object of settings, found "x"'],
  ['nothing', undefined, 'f: expected a value of JSON, found nothing'],
  ['a date', { a: new Date(0) }, 'f: a: expected a value of JSON, found an object'],
  ['a function', { a: () => 1 }, 'f: a: expected a value of JSON, found a function'],
  [
    'too many values',
    Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, i])),
    'expected a training configuration of at most 1000 values',
  ],
  ['a long list', { a: Array.from({ length: 1001 }, () => 1) }, 'expected a training configuration of at most 1000 values'],
  ['too many levels', nest(34), 'expected at most 32 levels, found more'],
  ['a circle', cycle, 'expected at most 32 levels, found more'],
  ['a key that changes objects', JSON.parse('{"__proto__": 1}'), 'f: expected no field "__proto__", found one'],
])('%s is no configuration', (_, content, message) => {
  expect(() => openSource(content, context)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }),
  );
});

test('what is at the limit is read, and what JSON cannot write becomes text', () => {
  expect(openSource(nest(32), context).fields).toEqual(nest(32));
  expect(openSource({ a: [NaN, -Infinity, undefined], b: undefined }, context).fields).toEqual({ a: ['NaN', '-Infinity', null] });
});

test.each([
  ['1e-5', 1e-5],
  ['.5', 0.5],
  ['-3.', -3],
  [7, 7],
  [null, undefined],
])('%j is the number %s', (value, number) => {
  expect(readNumber(openSource({ a: value }, context), ['a'])).toBe(number);
});

test.each(['', '1,5', '0x10', '1e999', 'NaN', NaN, true, [1]])('%j is no number', (value) => {
  expect(() => readNumber(openSource({ a: value }, context), ['a'])).toThrow('f: a: expected a number, found');
});

test.each(['yes', 'On', 'TRUE', true])('%j is true', (value) => {
  expect(readFlag(openSource({ a: value }, context), ['a'])).toBe(true);
});

test.each(['no', 'off', 'False', false])('%j is false', (value) => {
  expect(readFlag(openSource({ a: value }, context), ['a'])).toBe(false);
});

test.each([
  [' ', 'expected a text'],
  [1, 'expected a text'],
  ['x'.repeat(1001), 'expected at most 1000 characters'],
  ['a\tb', 'expected text on one line'],
  ['a\u2028b', 'expected text on one line'],
  ['\ud800', 'expected text on one line'],
  ['hf_abcdefghijklmnop', 'expected a name or path, no credential, found "(hidden)"'],
])('%.20j is no text that is taken over', (value, message) => {
  expect(() => readText(openSource({ a: value }, context), ['a'])).toThrow(message);
});
