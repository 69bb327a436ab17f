import { expect, test } from 'vitest';
import { parseClassificationRow } from '../../src/dataset/map-row.ts';

const columns = { text: 'sentence', label: 'class' };

function parse(json: string, pair = false): unknown {
  const row = JSON.parse(json) as Record<string, unknown>;
  return parseClassificationRow({ line: 7, row }, pair ? { ...columns, text2: 'other' } : columns, 'x.jsonl');
}

test('columns come under our names; numbers and booleans are labels by their JSON text', () => {
  expect(parse('{"sentence": " a ", "class": "x", "id": 1}')).toEqual({ text: ' a ', label: 'x' });
  expect(parse('{"sentence": "a", "class": 1, "other": "b"}', true)).toEqual({ text: 'a', text2: 'b', label: '1' });
  expect(parse('{"sentence": "a", "class": 1.50}')).toMatchObject({ label: '1.5' });
  expect(parse('{"sentence": "a", "class": false}')).toMatchObject({ label: 'false' });
  expect(parse('{"sentence": "a", "class": "__proto__"}')).toMatchObject({ label: '__proto__' });
});

test.each([
  ['{"sentence": 3, "class": "x"}', 'expected a string in column "sentence", found 3'],
  ['{"sentence": null, "class": "x"}', 'expected a string in column "sentence", found null'],
  ['{"sentence": ["a"], "class": "x"}', 'expected a string in column "sentence", found a list'],
  ['{"sentence": " \\n\\u00a0", "class": "x"}', 'column "sentence" is blank'],
  ['{"sentence": "a\\ud800", "class": "x"}', 'expected text in column "sentence", found half of a surrogate pair'],
  ['{"sentence": "a", "class": ""}', 'column "class" is blank'],
  ['{"sentence": "a", "class": {}}', 'expected a label in column "class", found an object'],
  ['{"sentence": "a", "class": null}', 'expected a label in column "class", found null'],
  ['{"sentence": "a", "class": 9007199254740993}', 'expected a label in column "class", found 9007199254740992'],
  ['{"sentence": "a", "class": 1e999}', 'expected a label in column "class", found Infinity'],
  ['{"sentense": "a", "class": "x"}', 'expected a column "sentence", found "sentense", "class"; did you mean "sentense"?'],
  ['{"text": "a", "class": "x"}', 'expected a column "sentence", found "text", "class"'],
  ['{}', 'expected a column "sentence", found no column at all'],
])('%s is refused', (json, message) => {
  expect(() => parse(json)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(`x.jsonl:7: ${message}`) }),
  );
});

test('what every object inherits is no column, and a pair needs its second text', () => {
  const row = { text: 'a', label: 'x' };
  expect(() => parseClassificationRow({ line: 1, row }, { text: 'constructor', label: 'label' }, 'x')).toThrow(
    'expected a column "constructor"',
  );
  expect(() => parse('{"sentence": "a", "class": "x"}', true)).toThrow('expected a column "other"');
});

test('a long value and many columns are cut short', () => {
  const row = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`column ${i}`, 'x']));
  expect(() => parseClassificationRow({ line: 1, row }, columns, 'x')).toThrow(/"column 19" and 30 more$/);
  expect(() => parseClassificationRow({ line: 1, row: { a: 'x', b: Object.freeze({}) } }, { text: 'a', label: 'b' }, 'x')).toThrow(
    'an object',
  );
});
