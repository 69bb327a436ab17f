import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePythonDict, parsePythonNumber } from '../../../providers/huggingface/parse-python-dict.ts';

function parse(text: string): unknown {
  return parsePythonDict(text, 0)?.map(({ name, value, isQuoted }) => [name, value, isQuoted]) ?? null;
}

test('numbers of all forms, quoted or not', () => {
  expect(parse("{'loss': 1.2, 'learning_rate': 1e-05, 'n': 5, 'd': -0.5, 'big': 1e+16}")).toEqual([
    ['loss', 1.2, false],
    ['learning_rate', 1e-5, false],
    ['n', 5, false],
    ['d', -0.5, false],
    ['big', 1e16, false],
  ]);
  expect(parse("{'loss': '1.2', 'logps/chosen': '-121.5', 'epoch': '1'} and more")).toEqual([
    ['loss', 1.2, true],
    ['logps/chosen', -121.5, true],
    ['epoch', 1, true],
  ]);
});

test('nan and inf stand without quotes, and can stand in quotes', () => {
  expect(parse("{'a': nan, 'b': inf, 'c': -inf, 'd': 'nan'}")).toEqual([
    ['a', Number.NaN, false],
    ['b', Infinity, false],
    ['c', -Infinity, false],
    ['d', Number.NaN, true],
  ]);
});

test('what is no number is null, and a quote in a string does not end it', () => {
  expect(parse(`{'a': None, 'b': True, 'c': 'it\\'s {', "d'": "x"}`)).toEqual([
    ['a', null, false],
    ['b', null, false],
    ['c', null, true],
    ["d'", null, true],
  ]);
});

test.each(['{', '{}x', "{'a'}", "{'a': }", "{'a': 1", "{'a': [1]}", "{'a': {'b': 1}}", '{1: 2}', "{'a' 1}", "{'a': 'b", "{'a': 1 'b': 2}"])(
  '%s is no flat dict',
  (text) => {
    expect(parse(text)).toEqual(text.startsWith('{}') ? [] : null);
  },
);

test.each(['', '-', '.', '1.2.3', '0x10', '1_000', ' 1', 'None', '1e', '--1', 'infinity'])('"%s" is no number', (text) => {
  expect(parsePythonNumber(text)).toBeNull();
});

test('what Python prints comes back', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z_/]{1,9}$/), number, { maxKeys: 9 }), (dict) => {
      const pairs = Object.entries(dict);
      const text = `{${pairs.map(([name, value]) => `'${name}': ${String(value)}`).join(', ')}}`;
      expect(parsePythonDict(text, 0)?.map(({ name, value }) => [name, value! + 0])).toEqual(
        pairs.map(([name, value]) => [name, value + 0]),
      );
    }),
  );
});
