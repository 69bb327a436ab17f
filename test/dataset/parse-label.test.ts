import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLabel } from '../../src/dataset/to-chat.ts';

const labels = ['negative', 'positive', 'Neutral', 'US', 'us', 'etc.', '"quoted"', 'two\nlines', 'é', ' padded '];

test.each([
  ['positive', 'positive'],
  [' positive\n', 'positive'],
  ['positive.', 'positive'],
  ['"positive"', 'positive'],
  ['"positive."', 'positive'],
  ['"positive".', 'positive'],
  ["'positive'", 'positive'],
  ['“Positive”.', 'positive'],
  ['`positive`', 'positive'],
  ['POSITIVE', 'positive'],
  ['neutral.', 'Neutral'],
  ['US', 'US'],
  ['us.', 'us'],
  ['Us', null],
  ['etc.', 'etc.'],
  ['etc', null],
  ['etc..', 'etc.'],
  ['"quoted"', '"quoted"'],
  ['"\\"quoted\\""', '"quoted"'],
  ['"two\\nlines"', 'two\nlines'],
  ['e\u0301', 'é'],
  [' padded ', ' padded '],
  ['Padded', ' padded '],
  ['"positive', null],
  ['"positive\'', null],
  ['it is positive', null],
  ['positive, negative', null],
  ['', null],
  ['"', null],
  ['.', null],
  [null, null],
])('%j is read as %j', (answer, label) => {
  expect(parseLabel(answer, labels)).toBe(label);
});

test('every label is understood as it is, and as the prompt writes it', () => {
  const label = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => /\S/.test(text));
  fc.assert(
    fc.property(fc.uniqueArray(label, { minLength: 2, maxLength: 5 }), (names) => {
      for (const name of names) expect(parseLabel(name, names)).toBe(name);
      const written = JSON.stringify(names[0]);
      expect(parseLabel(written, names)).toBe(names.includes(written) ? written : names[0]);
    }),
  );
});
