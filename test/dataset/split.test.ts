import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Row } from '../../src/dataset/row.ts';
import { hashRow, isValidationRow } from '../../src/dataset/split.ts';
import { readTaskRows } from '../../src/dataset/task-rows.ts';

// The shares were computed with Python's hashlib over json.dumps(sort_keys=True, ensure_ascii=False, separators=(',', ':')).
test.each([
  [{ text: 'Good case, Excellent value.', label: 'positive' }, 0.5086018342990428],
  [{ text: 'a', text2: 'é\n"😀', label: '1' }, 0.9998081328812987],
])('the share of %j', (row, share) => {
  expect(isValidationRow(row, share)).toBe(false); // strictly below
  expect(isValidationRow(row, share + 2 ** -32)).toBe(true);
});

test('the order in which the columns were written does not matter, nor what else the row carries', () => {
  const row = { label: 'x', text: 'b', text2: 'c' };
  const located = { line: 3, source: 'f', text2: 'c', text: 'b', label: 'x' };
  const share = createHash('sha256').update('{"label":"x","text":"b","text2":"c"}').digest().readUInt32BE(0) / 2 ** 32;
  for (const fraction of [share, share + 2 ** -32]) expect(isValidationRow(located, fraction)).toBe(isValidationRow(row, fraction));
  expect(isValidationRow(located, share + 2 ** -32)).toBe(true);
});

test('a larger fraction keeps the validation rows of a smaller one', () => {
  const fraction = fc.double({ min: 0, max: 1, noNaN: true });
  const string = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(string, string, fraction, fraction, (text, label, a, b) => {
      const inSmaller = isValidationRow({ text, label }, Math.min(a, b));
      expect(!inSmaller || isValidationRow({ text, label }, Math.max(a, b))).toBe(true);
    }),
  );
});

test('of the sample data a tenth validates: the number that Python counts', async () => {
  let count = 0;
  for await (const row of readTaskRows(['fixtures/sentiment/train.jsonl'], {
    task: 'classification',
    columns: { text: 'text', label: 'label' },
  })) {
    if (isValidationRow(row, 0.1)) count++;
  }
  expect(count).toBe(232);
});

test('the hash is over canonical JSON', () => {
  const string = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(string, string, fc.option(string, { nil: undefined }), (text, label, text2) => {
      const row = text2 === undefined ? { text, label } : { text, label, text2 };
      expect(hashRow(row)).toEqual(createHash('sha256').update(canonicalize(row)!).digest());
    }),
  );
});

test('the hash is over the canonical JSON of the mapped columns, and of nothing else', () => {
  const lines = ['fixtures/chat/train.jsonl', 'fixtures/preference/train.jsonl'].flatMap((path) =>
    readFileSync(path, 'utf8').trim().split('\n'),
  );
  const rows = lines.map((line) => JSON.parse(line) as Row).filter((row) => 'messages' in row || 'prompt' in row);
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const expected = createHash('sha256').update(canonicalize(row)!).digest();
    expect(hashRow(row)).toEqual(expected);
    const located = { line: 1, source: 'x', ...Object.fromEntries(Object.entries(row).reverse()) } as unknown as Row;
    expect(hashRow(located)).toEqual(expected);
  }
});

// Computed with Python's hashlib over json.dumps(sort_keys=True, ensure_ascii=False, separators=(',', ':')).
test.each([
  [
    {
      messages: [
        { role: 'user', content: 'é' },
        { role: 'assistant', content: 'b' },
      ],
      parallel_tool_calls: false,
    },
    0.3195854304358363,
  ],
  [
    {
      prompt: [{ role: 'user', content: 'q' }],
      chosen: [{ role: 'assistant', content: 'a' }],
      rejected: [{ role: 'assistant', content: 'b' }],
    },
    0.1438871887512505,
  ],
])('the share of %j', (row, share) => {
  expect(isValidationRow(row, share)).toBe(false); // strictly below
  expect(isValidationRow(row, share + 2 ** -32)).toBe(true);
});
