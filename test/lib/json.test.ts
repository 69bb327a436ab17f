import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseFields, formatCanonicalJson } from '../../src/lib/json.ts';

test('the same as the reference implementation of RFC 8785 writes', () => {
  const key = fc.oneof(
    fc.constantFrom('__proto__', 'toJSON', 'constructor', '10', '9', 'é', '€', '😀', '\ufb33'),
    fc.string({ unit: 'binary' }),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries) as unknown),
    ),
  }));
  fc.assert(
    fc.property(value, (json) => {
      expect(formatCanonicalJson(json)).toBe(canonicalize(json));
    }),
    { numRuns: 500 },
  );
});

// From RFC 8785, section 3.2.3.
test('names are sorted by UTF-16 code units, and names without a value are left out', () => {
  const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
  const json = formatCanonicalJson({ ...Object.fromEntries(names.map((name) => [name, 0])), absent: undefined });
  expect(Object.keys(JSON.parse(json) as object)).toEqual(['1', '\r', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']);
  expect(json.startsWith('{"\\r":0,"1":0,')).toBe(true);
});

test('a value of another shape is refused by its first wrong field', () => {
  const schema = z.object({ rows: z.array(z.object({ step: z.int('a whole number') }), 'a list') });
  const options = { source: 'events.json', code: 'data-invalid' } as const;
  expect(parseFields(schema, { rows: [{ step: 1, more: 2 }] }, options)).toEqual({ rows: [{ step: 1 }] });
  expect(() => parseFields(schema, { rows: [{ step: 1 }, { step: 'x' }] }, options)).toThrow(
    expect.objectContaining({ code: 'data-invalid', message: 'events.json: rows.1.step: expected a whole number, found "x"' }),
  );
  expect(() => parseFields(schema, {}, options)).toThrow('events.json: rows: expected a list, found nothing');
});
