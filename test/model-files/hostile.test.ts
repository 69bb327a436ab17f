/** Model folders from hostile hands: whatever their files say, they are read, or refused by name, in short time and little memory. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { isFailure } from '../../src/failure.ts';
import { readModelFolder } from '../../src/model-files/model-folder.ts';
import { readSafetensors } from '../../src/model-files/safetensors.ts';
import { readTokenizer } from '../../src/model-files/tokenizer.ts';
import { createScratchFolder } from '../scratch.ts';
import { createSmallModel } from './small-model.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

let folder: string;
beforeEach(() => {
  folder = createSmallModel();
});

/** Reads the folder as the trainer does. A refusal is returned; anything else that is thrown is a fault. */
function use(text = 'a bad day'): string | null {
  const began = performance.now();
  try {
    const { maxPositions } = readModelFolder(folder);
    for (const { data } of readSafetensors(join(folder, 'model.safetensors')).values()) expect(data?.length ?? 0).toBeLessThan(1000);
    const tokenizer = readTokenizer(folder);
    for (const text2 of [undefined, text]) {
      const { ids, typeIds } = tokenizer.encode(text, text2, maxPositions);
      expect(ids.length).toBeLessThanOrEqual(maxPositions);
      expect(typeIds).toHaveLength(ids.length);
      expect([...ids, ...typeIds].every((id) => Number.isSafeInteger(id) && id >= 0)).toBe(true);
    }
    return null;
  } catch (error) {
    if (!isFailure(error)) throw error;
    expect(['model-invalid', 'file-missing', 'configuration-invalid']).toContain(error.code);
    if (error.code !== 'configuration-invalid') expect(error.message).toContain(folder);
    expect(error.message.length).toBeLessThan(2000);
    return error.message;
  } finally {
    expect(performance.now() - began).toBeLessThan(1000);
  }
}

/** JSON texts. A deep one is written as `<deep>`: whoever prints a counterexample could not walk it either. */
const hostile: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('null', 'true', '0', '-1', '1', '0.5', '64', '1e6', '2147483648', '9007199254740992', '1e300', '-1e999', '<deep>'),
  fc.constantFrom(
    '""',
    '"x"',
    '"128"',
    '"[UNK]"',
    '"\\u0000\\u001b[2J\\u202e"',
    '"\\ud800"',
    '"(a+)+$"',
    '[]',
    '{}',
    '["a"]',
    '[null]',
    '[[]]',
  ),
  // Own properties that a careless reader takes for those of every object.
  fc.constantFrom('{"":null}', '{"0":"a","1":"b"}', '{"toString":1,"valueOf":1,"__proto__":{"type":"NFC"},"constructor":2,"length":1e9}'),
  fc
    .constantFrom('Sequence', 'Replace', 'Split', 'ByteLevel', 'Unigram', 'BPE', 'FixedLength', 'Metaspace')
    .map((type) => JSON.stringify(type)),
  fc.constant(JSON.stringify('x'.repeat(10_000))),
  fc.json({ maxDepth: 2 }),
);
const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;

/** Something done to a JSON value at a place: `at` picks the place, `kind` what is done. */
const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('replace', 'delete', 'insert', 'repeat'),
  key: fc.oneof(fc.constantFrom('__proto__', 'toString', 'type', 'id', 'vocab'), fc.string()),
  value: hostile,
});
type Value<A> = A extends fc.Arbitrary<infer T> ? T : never;

/** The text of `root` after the changes. */
function toMutated(root: Json, mutations: readonly Value<typeof mutation>[]): string {
  const copy = structuredClone(root);
  mutations.forEach((change, i) => mutate(copy, change, `<${i}>`));
  return mutations.reduce((text, { value }, i) => text.replace(`"<${i}>"`, () => value.replace('<deep>', deep)), JSON.stringify(copy));
}

function mutate(root: Json, { at, kind, key }: Value<typeof mutation>, marker: string): void {
  const places: [Record<string, Json>, string][] = [];
  const visit = (parent: Json): void => {
    if (typeof parent !== 'object' || parent === null) return;
    for (const [name, child] of Object.entries(parent)) {
      places.push([parent as Record<string, Json>, name]);
      visit(child);
    }
  };
  visit(root);
  const [parent, name] = places[at % places.length]!;
  const set = (property: string): void =>
    void Object.defineProperty(parent, property, { value: marker, enumerable: true, configurable: true, writable: true });
  if (kind === 'delete' && !Array.isArray(parent)) delete parent[name];
  else if (kind === 'insert' && !Array.isArray(parent)) set(key);
  else if (kind === 'repeat' && Array.isArray(parent)) parent.push(...new Array<Json>(100).fill(parent[Number(name)]!));
  else set(name);
}

/** Something done to the bytes of a file. */
const damage = fc.record({ cut: fc.nat(), at: fc.nat(), byte: fc.nat(255), more: fc.uint8Array({ maxLength: 16 }) });

function spoil(bytes: Buffer, { cut, at, byte, more }: Value<typeof damage>): Buffer {
  const changed = Buffer.from(bytes);
  changed[at % changed.length] = byte;
  return Buffer.concat([cut % 2 === 0 ? changed.subarray(0, (cut / 2) % changed.length) : changed, more]);
}

test('the small model itself can be used', () => {
  expect(use()).toBeNull();
});

test.each(['config.json', 'tokenizer.json', 'tokenizer_config.json'])('any value at any place of %s', (name) => {
  const path = join(folder, name);
  const valid = JSON.parse(readFileSync(path, 'utf8')) as Json;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      writeFileSync(path, toMutated(valid, mutations));
      if (use() !== null) refused++;
    }),
    { numRuns: 1000, seed: 1 },
  );
  expect(refused).toBeGreaterThan(name === 'tokenizer_config.json' ? 100 : 500); // or the changes miss what is read
});

test.each(['config.json', 'tokenizer.json', 'model.safetensors'])('any bytes in %s', (name) => {
  const path = join(folder, name);
  const valid = readFileSync(path);
  fc.assert(
    fc.property(damage, (change) => {
      writeFileSync(path, spoil(valid, change));
      use();
    }),
    { numRuns: 400, seed: 2 },
  );
});

/** The header of a safetensors file, its length as it is said to be, and the data. */
function writeWeights(header: string, data: Uint8Array, length = BigInt(Buffer.byteLength(header))): void {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt.asUintN(64, length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([size, Buffer.from(header), data]));
}

function readWeights(): { header: Json; data: Buffer } {
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  const end = 8 + Number(bytes.readBigUInt64LE());
  return { header: JSON.parse(bytes.toString('utf8', 8, end)) as Json, data: bytes.subarray(end) };
}

test('any value at any place of the weights’ header', () => {
  const { header, data } = readWeights();
  let refused = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), fc.bigInt(-2n, 2n ** 64n), fc.nat(9), (mutations, length, choice) => {
      writeWeights(toMutated(header, mutations), data, choice === 0 ? length : undefined);
      if (use() !== null) refused++;
    }),
    { numRuns: 1000, seed: 3 },
  );
  expect(refused).toBeGreaterThan(600);
});

test.each<[string, string, bigint?]>([
  ['a header of 1 TB', '{}', 10n ** 12n],
  ['a header of as many bytes as are allowed', '{}', 2n ** 24n],
  ['a header of 2^64 - 1 bytes', '{}', 2n ** 64n - 1n],
  ['a tensor of 1 TB', '{"a":{"dtype":"F32","shape":[250000000000],"data_offsets":[0,1000000000000]}}'],
  [
    'sizes whose product is beyond counting',
    `{"a":{"dtype":"F32","shape":[${new Array(16).fill(2 ** 53 - 1).join()}],"data_offsets":[0,8]}}`,
  ],
  ['more sizes than a shape has', `{"a":{"dtype":"F32","shape":[${new Array(5000).fill(1).join()}],"data_offsets":[0,4]}}`],
  ['nesting', `{"a":${'{"a":'.repeat(50_000)}`],
])('%s fails at once and takes no memory', (_what, header, length) => {
  writeWeights(header, new Uint8Array(8), length);
  const before = process.memoryUsage();
  expect(use()).toContain('not a valid safetensors file');
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
  expect(after.rss - before.rss).toBeLessThan(64 * 2 ** 20);
});

/** Changes tokenizer.json. */
function changeTokenizer(change: object): void {
  const path = join(folder, 'tokenizer.json');
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change }));
}

const evil = [
  '(a+)+$',
  '(a|a)*$',
  '(.*a){20}',
  '(?=(a+))\\1+b',
  'a*a*a*a*a*b',
  '\\s+$',
  '(?i:(a+)+)b',
  '[a-z]+[a-z]+[a-z]+1',
  '^',
  '\\b',
  '(',
  '[',
  '[a&&[^b]]',
  '',
];

test.each(evil)('the regular expression %j is refused wherever it stands', (Regex) => {
  const steps = { normalizer: ['Replace'], pre_tokenizer: ['Split', 'Replace'], decoder: ['Replace'] };
  for (const [field, types] of Object.entries(steps)) {
    for (const type of types) {
      const original = readFileSync(join(folder, 'tokenizer.json'));
      changeTokenizer({
        [field]: {
          type: 'Sequence',
          normalizers: [],
          pretokenizers: [],
          decoders: [],
          [toList(field)]: [{ type, pattern: { Regex }, content: '' }],
        },
      });
      expect(use('a'.repeat(10_000))).toContain('expected a text, or a regular expression of one character or class');
      writeFileSync(join(folder, 'tokenizer.json'), original);
    }
  }
});

function toList(field: string): string {
  return { normalizer: 'normalizers', pre_tokenizer: 'pretokenizers', decoder: 'decoders' }[field]!;
}

test.each([' {2,}', '\\s+', '\\p{L}', '[^\\s\\p{L}]+', '[0-9]', '.', 'é', '\\.{1,3}'])(
  'the regular expression %j takes time in proportion',
  (Regex) => {
    changeTokenizer({
      normalizer: { type: 'Replace', pattern: { Regex }, content: ' ' },
      pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Removed', invert: false },
    });
    for (const text of [' ', 'a', 'a ', '. a']) expect(use(text.repeat(20_000))).toBeNull();
  },
);

const replace = (text: string, content: string): object => ({ type: 'Replace', pattern: { String: text }, content });

test.each<[string, object]>([
  ['doubled 40 times', { normalizer: { type: 'Sequence', normalizers: new Array(30).fill(replace('a', 'aa')) } }],
  ['replaced by a book', { normalizer: replace('a', 'b'.repeat(10_000)) }],
  ['prepended with a book', { normalizer: { type: 'Prepend', prepend: 'b'.repeat(10_000) } }],
  ['spaces that become a book', { pre_tokenizer: { type: 'Metaspace', replacement: 'b'.repeat(10_000) } }],
  ['bytes of bytes of bytes', { pre_tokenizer: { type: 'Sequence', pretokenizers: new Array(20).fill({ type: 'ByteLevel' }) } }],
  ['cut into pieces of nothing', { pre_tokenizer: { type: 'FixedLength', length: 0 } }],
  ['doubled while decoding', { decoder: { type: 'Sequence', decoders: new Array(30).fill({ type: 'BPEDecoder', suffix: '' }) } }],
  ['put into the template twice', { post_processor: toTemplate(['A', 'A'], ['A', 'B']) }],
  ['a pair with one text', { post_processor: toTemplate(['A'], ['A']) }],
  ['a pair with three texts', { post_processor: toTemplate(['A'], ['A', 'B', 'B']) }],
])('a text that is %s is refused', (_what, change) => {
  changeTokenizer(change);
  expect(use('é a'.repeat(1000))).toContain('expected');
});

function toTemplate(single: readonly string[], pair: readonly string[]): object {
  const toItems = (texts: readonly string[]): object[] => texts.map((id) => ({ Sequence: { id, type_id: 0 } }));
  return { type: 'TemplateProcessing', single: toItems(single), pair: toItems(pair), special_tokens: {} };
}

test('steps within steps within steps are refused', () => {
  const path = join(folder, 'tokenizer.json');
  const text = readFileSync(path, 'utf8');
  const nested = '{"type":"Sequence","normalizers":['.repeat(20_000) + ']}'.repeat(20_000);
  writeFileSync(path, text.replace('"normalizer":{', `"normalizer":${nested},"was":{`));
  expect(use()).toContain('nested more than 64 levels deep');
});

test.each<[string, unknown]>([
  ['an id that no table has', 2 ** 31],
  ['an id that is no number', '1'],
  ['a negative id', -1],
  ['half an id', 0.5],
])('a vocabulary with %s is refused', (_what, id) => {
  const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as { model: { vocab: object } };
  changeTokenizer({ model: { ...model, vocab: { ...model.vocab, odd: id } } });
  expect(use()).toContain('model.vocab "odd": expected an id');
});

test.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])(
  'a pipe in the place of %s is no file',
  (name) => {
    const path = join(createScratchFolder(), 'pipe');
    execFileSync('mkfifo', [path]);
    execFileSync('ln', ['-sf', path, join(folder, name)]);
    expect(use()).toContain('found no regular file');
  },
);
