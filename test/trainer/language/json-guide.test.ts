import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { toStreamKey, toUniform } from '../../../src/lib/random.ts';
import { createJsonGuides, type JsonGuides, type TokenGuide } from '../../../src/trainer/language/json-guide.ts';
import { byteTokens, readTinyLlama } from './token-bytes.ts';

const tinyLlama = readTinyLlama();
const guides = createJsonGuides(tinyLlama);
const byteGuides = createJsonGuides(byteTokens);
const ajv = new Ajv2020({ strict: false, allowUnionTypes: true });

const ticket = {
  type: 'object',
  properties: {
    sentiment: { enum: ['positive', 'negative', 'mixed', null, 7] },
    score: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
    count: { type: 'integer', minimum: -12, maximum: 345 },
    tags: { type: 'array', items: { type: 'string', minLength: 2, maxLength: 5 }, minItems: 1, maxItems: 3 },
    'naïve "name"': { type: ['string', 'boolean', 'null'] },
    place: { anyOf: [{ $ref: '#/$defs/point' }, { type: 'null' }] },
  },
  required: ['sentiment', 'score', 'tags'],
  additionalProperties: false,
  $defs: { point: { type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }], items: false, minItems: 2, maxItems: 2 } },
};
const tree = {
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      required: ['value', 'children'],
    },
  },
  $ref: '#/$defs/node',
};
const open = {
  type: 'object',
  properties: { é: { type: 'integer' }, ea: { const: { b: [1, 'x'], a: {} } } },
  required: ['ea', 'extra'],
  additionalProperties: { type: ['boolean', 'number'] },
};
const union = {
  anyOf: [
    { type: 'object', properties: { kind: { const: 'a' }, text: { type: 'string', minLength: 3 } }, required: ['kind', 'text'] },
    { type: 'object', properties: { kind: { const: 'b' }, texts: { items: { type: 'string' } } }, required: ['kind'] },
    { type: 'string', maxLength: 4 },
    { type: 'number', maximum: -0.75 },
  ],
};
const schemas: Readonly<Record<string, object>> = { ticket, tree, open, union, any: { type: 'json_object' } };

/** An answer of random tokens: all that are allowed are as likely; it ends with a probability where it may. */
function generate(start: TokenGuide, tokens: readonly (Uint8Array | null)[], { key, end = 0.2 }: { key: number; end?: number }): string {
  const bytes: number[] = [];
  for (let step = 0; ; step++) {
    const allowed = [...tokens.keys()].filter((id) => start.allows(id));
    if (start.mayEnd() && (allowed.length === 0 || toUniform(key, 2 * step) < end)) return Buffer.from(bytes).toString();
    if (allowed.length === 0) throw new Error(`stuck after ${Buffer.from(bytes).toString()}`);
    const id = allowed[Math.floor(toUniform(key, 2 * step + 1) * allowed.length)]!;
    bytes.push(...tokens[id]!);
    start.advance(id);
  }
}

/** Writes a text byte by byte. Whether it is a whole answer, or null where it is none and does not begin one. */
function accepts(
  schema: unknown,
  text: string,
  { from = byteGuides, maxTokens = 10_000 }: { from?: JsonGuides; maxTokens?: number } = {},
): boolean | null {
  const guide = from.start(schema, maxTokens);
  for (const byte of Buffer.from(text)) {
    if (!guide.allows(byte)) return null;
    guide.advance(byte);
  }
  return guide.mayEnd();
}

describe('answers of random tokens', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    it(`are valid and complete within their tokens: ${name}`, () => {
      const validate = name === 'any' ? ajv.compile({ type: 'object' }) : ajv.compile(schema);
      const lengths = Array.from({ length: 250 }, (_, i) => {
        const maxTokens = 60 + (i % 50);
        const key = toStreamKey(i, name);
        const text = generate(guides.start(schema, maxTokens), tinyLlama, { key, end: i % 2 === 0 ? 0.2 : 0 });
        expect([text, validate(JSON.parse(text)), text.includes('\ufffd')]).toEqual([text, true, false]);
        return text.length;
      });
      expect(new Set(lengths).size).toBeGreaterThan(15); // they are no few texts again and again
    });
  }

  it('need no more tokens than the fewest with which they may begin', () => {
    for (const [name, schema] of Object.entries(schemas)) {
      const fewest = Array.from({ length: 200 }, (_, i) => i).find((maxTokens) => {
        try {
          guides.start(schema, maxTokens);
          return true;
        } catch {
          return false;
        }
      })!;
      for (let i = 0; i < 20; i++) {
        const text = generate(guides.start(schema, fewest), tinyLlama, { key: toStreamKey(i, name, 'fewest'), end: 0 });
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }
    }
  });

  it('are the same tokens that are found by trying each of them', () => {
    const tokens = [
      ...byteTokens,
      ...['{"', '": ', 'ab', 'a"', '",', '"}', 'é', '\\n', '\\u00', 'true', '12', '.5', '}]', 'é"'].map((text) =>
        new TextEncoder().encode(text),
      ),
    ];
    const mixed = createJsonGuides(tokens);
    for (const [name, schema] of Object.entries(schemas)) {
      const key = toStreamKey(name, 'each');
      const guide = mixed.start(schema, 1000);
      const written: number[] = [];
      for (let step = 0; step < 18; step++) {
        const allowed = [...tokens.keys()].filter((id) => guide.allows(id));
        const tried = [...tokens.keys()].filter((id) => {
          const bytewise = byteGuides.start(schema, 10_000);
          return [...written.flatMap((one) => [...tokens[one]!]), ...tokens[id]!].every((byte) => {
            const isAllowed = bytewise.allows(byte);
            if (isAllowed) bytewise.advance(byte);
            return isAllowed;
          });
        });
        expect(allowed).toEqual(tried);
        if (allowed.length === 0) break;
        // Long tokens are preferred, so that their inner bytes are passed.
        const long = allowed.filter((id) => id >= 256);
        const among = long.length > 0 && toUniform(key, 2 * step) < 0.6 ? long : allowed;
        const id = among[Math.floor(toUniform(key, 2 * step + 1) * among.length)]!;
        guide.advance(id);
        written.push(id);
      }
    }
  });
});

describe('what is written', () => {
  it.each([
    [ticket, '{"sentiment":"mixed","score":0.5,"tags":["ab"]}'],
    [ticket, ' {"sentiment": null, "score": 0, "count": -12, "tags": ["äöü", "\\u00e9\\ud83d\\ude00"], "place": [1, -2.5e3]}'],
    [ticket, '{"sentiment": 7, "score": 0.999999999, "count": 345, "tags": ["😀😀"], "naïve \\"name\\"": true, "place": null}'],
    [tree, '{"value":1,"children":[{"value":-20,"children":[]}]}'],
    [open, '{"ea":{"b":[1,"x"],"a":{}},"extra":true,"eaa":1E+5,"ē":false}'],
    [union, '"four"'],
    [union, '-0.75'],
    [{ type: 'json_object' }, '{"":{"a":[[],{}]}}'],
    [{ properties: { a: { type: 'number', minimum: 0.1, maximum: 0.1 } } }, '{"a":0.1}'],
    [true, 'null'],
    [{ enum: [1, 12, 'a', 'ab'] }, '12'],
  ])('may be this %#', (schema, text) => {
    expect(accepts(schema, text)).toBe(true);
  });

  it.each([
    ['a property before its turn', ticket, '{"sc'],
    ['an end before all required properties', ticket, '{"sentiment":"mixed"}'],
    ['a comma without a further property', ticket, '{"sentiment":"mixed","score":0,"tags":["ab"],"place":null,'],
    ['a property that the schema does not name', ticket, '{"sentiment":"mixed","x'],
    ['a number above its bound', ticket, '{"sentiment":"mixed","score":1'],
    ['an integer above its bound', ticket, '{"sentiment":"mixed","score":0,"count":346'],
    ['a string that is too long', ticket, '{"sentiment":"mixed","score":0,"tags":["abcdef'],
    ['a string that is too short', ticket, '{"sentiment":"mixed","score":0,"tags":["a"'],
    ['too many items', ticket, '{"sentiment":"mixed","score":0,"tags":["aa","aa","aa",'],
    ['no item', ticket, '{"sentiment":"mixed","score":0,"tags":[]'],
    ['two spaces', ticket, '{"sentiment":  '],
    ['a new line', ticket, '{\n'],
    ['a control character', { type: 'string' }, '"\t'],
    ['half of a surrogate pair', { type: 'string' }, '"\\ud83d"'],
    ['the second half of a surrogate pair', { type: 'string' }, '"\\udc'],
    ['a leading zero', { type: 'integer' }, '01'],
    ['a fraction of an integer', { type: 'integer' }, '1.'],
    ['a name that has a rule of its own, as a further one', open, '{"ea":{"b":[1,"x"],"a":{}},"extra":true,"ea"'],
    ['such a name with an escape', open, '{"ea":{"b":[1,"x"],"a":{}},"extra":true,"\\'],
    ['a number that would be infinite', { type: 'number' }, '1e100'],
    ['anything after the value', { type: 'boolean' }, 'true '],
  ])('is never %s', (_, schema, text) => {
    expect([accepts(schema, text.slice(0, -1)) !== null, accepts(schema, text)]).toEqual([true, null]);
  });

  it('is no half of a character where the tokenizer could not end it', () => {
    const bytes = byteTokens.filter(([byte]) => byte! < 0x80 || byte === 0xc3);
    const few = createJsonGuides([...bytes, new TextEncoder().encode('é')]);
    const guide = few.start({ type: 'string' }, 10);
    guide.advance(bytes.findIndex(([byte]) => byte === 0x22));
    expect([guide.allows(bytes.length - 1), guide.allows(bytes.length)]).toEqual([false, true]);
  });
});

describe('few tokens', () => {
  it('lead to the end of the answer', () => {
    const schema = { properties: { a: { type: 'string' }, b: { type: 'array' } }, required: ['a', 'b'] };
    expect(accepts(schema, '{"a":"", "b":[]}', { maxTokens: 16 })).toBe(true);
    expect(accepts(schema, '{"a":"x", "b', { maxTokens: 16 })).toBe(null); // no token is left for the space
    expect(accepts(schema, '{"a":"x","b":[]}', { maxTokens: 16 })).toBe(true);
    expect(() => byteGuides.start(schema, 14)).toThrow('answers as JSON: an answer may need 15 at least, and 14 tokens are allowed');
  });
});

describe('schemas that cannot be followed', () => {
  it.each([
    [{ type: 'object', properties: { 'a/b': { type: 'string', pattern: '^a' } } }, 'at #/properties/a~1b: "pattern" is not followed'],
    [{ oneOf: [{ type: 'string' }] }, 'at #: "oneOf" is not followed where answers are written: use "anyOf"'],
    [{ anyOf: [{}], type: 'string' }, 'at #: "anyOf" and "type" cannot be followed together'],
    [{ type: 'text' }, 'at #/type: expected "object", "array"'],
    [{ $ref: '#/$defs/no' }, 'at #/$ref: there is no "#/$defs/no" in the schema'],
    [{ $ref: 'https://example.org/x.json' }, 'at #/$ref: expected a place in this schema'],
    [{ items: 5 }, 'at #/items: expected an object, found 5'],
    [{ minItems: -1 }, 'at #/minItems: expected a whole number of at least 0, found -1'],
    [{ minimum: 1, minLength: 2 }, 'expected "type": there are keywords about string and number'],
    [{ enum: [] }, 'its schema allows no answer'],
    [{ type: 'integer', minimum: 5, maximum: 4 }, 'its schema allows no answer'],
    [{ properties: { a: { $ref: '#' } }, required: ['a'] }, 'its schema allows no answer'],
    [{ $ref: '#' }, 'its schema allows no answer'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'its schema allows no answer'],
    ['x', 'at #: expected an object, found "x"'],
  ])('are refused: %j', (schema, message) => {
    expect(() => byteGuides.start(schema, 1000)).toThrow(message);
  });

  it('are refused where they are nested too deep', () => {
    const deep = Array.from({ length: 100 }).reduce((schema: object) => ({ items: schema }), {});
    expect(() => byteGuides.start(deep, 1000)).toThrow('nested more than 64 levels deep');
  });

  it('and so are tokenizers that cannot write JSON', () => {
    expect(() => createJsonGuides(byteTokens.filter(([byte]) => byte !== 0x7b))).toThrow('no token for "{" alone');
  });
});

it('lets each of many values, and each of many optional properties, be written', () => {
  const names = Array.from({ length: 100 }, (_, i) => `word-${i}`);
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'integer' }]));
  const writes = (schema: object, text: string): boolean => {
    const guide = byteGuides.start(schema, 200);
    return [...Buffer.from(text)].every((byte) => {
      const id = byteTokens.findIndex((bytes) => bytes?.length === 1 && bytes[0] === byte);
      const isAllowed = guide.allows(id);
      if (isAllowed) guide.advance(id);
      return isAllowed;
    });
  };
  expect(names.filter((name) => !writes({ enum: names }, JSON.stringify(name)))).toEqual([]);
  expect(names.filter((name) => !writes({ type: 'object', properties, additionalProperties: false }, `{"${name}":1}`))).toEqual([]);
  expect(writes({ enum: names }, '"word-100"')).toBe(false);
});
