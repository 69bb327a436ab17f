import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonWithNaN } from '../../../providers/huggingface/parse-json-with-nan.ts';
import { anyText } from './any-text.ts';

test('only what is bare changes', () => {
  const text = '{"a": NaN, "b": [Infinity, -Infinity, -1], "NaN": "a NaN, \\"Infinity\\" and \\\\", "c": "NaN"}';
  expect(parseJsonWithNaN(text)).toEqual({ a: 'NaN', b: ['Infinity', '-Infinity', -1], NaN: 'a NaN, "Infinity" and \\', c: 'NaN' });
});

test.each(['', '{', '"', '"\\', 'NaNNaN', '{"a": nan}', '-NaN'])('%j is no JSON', (text) => {
  expect(parseJsonWithNaN(text)).toBeUndefined();
});

test('every JSON text means what it means', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJsonWithNaN(text)).toEqual(JSON.parse(text));
    }),
  );
});

// A reader that goes over a text again and again would not end before the test's time is up.
test('any text is read, a long one too', { timeout: 15_000 }, () => {
  for (const part of ['"\\"', 'NaN', '"', '\\', '-']) expect(parseJsonWithNaN(part.repeat(200_001))).toBeUndefined();
  fc.assert(
    fc.property(anyText, (text) => {
      expect(parseJsonWithNaN(`[${JSON.stringify(text)}, NaN]`)).toEqual([text, 'NaN']);
      parseJsonWithNaN(text);
    }),
  );
});
