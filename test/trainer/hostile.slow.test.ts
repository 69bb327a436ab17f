/** Model folders from hostile hands: whatever their files say, they are read, or refused by name, in short time and little memory. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { isFailure, type Failure } from '../../src/errors.ts';
import { readModelFolder } from '../../src/trainer/model-folder.ts';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../scratch.ts';
import { readTensors } from './read-tensors.ts';
import { writeSmallModel } from './small-training.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

let folder: string;
beforeEach(() => {
  folder = createScratchFolder();
  writeSmallModel(folder, 'with a head');
  const config = { tokenizer_class: 'BertTokenizer', do_lower_case: true, unk_token: '[UNK]', additional_special_tokens: ['[X]'] };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config)); // nothing in it that nobody reads
});

/** Reads the folder as the trainer does. */
function read(): void {
  const { maxPositions } = readModelFolder(folder);
  for (const { data } of readTensors(join(folder, 'model.safetensors')).values()) expect(data?.length ?? 0).toBeLessThan(1000);
  const [tokenizer, text] = [readTokenizer(folder), 'a bad day'];
  for (const text2 of [undefined, text]) {
    const { ids, typeIds } = tokenizer.encode(text, text2, maxPositions);
    expect(ids.length).toBeLessThanOrEqual(maxPositions);
    expect(typeIds).toHaveLength(ids.length);
    expect([...ids, ...typeIds].every((id) => Number.isSafeInteger(id) && id >= 0)).toBe(true);
  }
}

/** Reads the folder, or says why not. Whatever else is thrown is a fault, and so is what takes long. */
function use(): string | null {
  const began = performance.now();
  let failure: Failure | null = null;
  try {
    read();
  } catch (error) {
    if (!isFailure(error)) throw error;
    failure = error;
  }
  expect(performance.now() - began).toBeLessThan(1000);
  expect(failure === null ? null : toComplaint(failure)).toBeNull();
  return failure?.message ?? null;
}

/** What is wrong with a refusal itself, or null. */
function toComplaint({ code, message }: Failure): string | null {
  if (!['model-invalid', 'file-missing', 'configuration-invalid'].includes(code)) return `of the wrong code: ${code}`;
  if (code !== 'configuration-invalid' && !message.includes(folder)) return `names no file: ${message}`;
  return message.length > 2000 ? `too long: ${message.length} characters` : null;
}

/** JSON texts. A deep one is written as `<deep>`: it could not be printed in a counterexample either. */
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
  else if (kind === 'repeat' && Array.isArray(parent)) parent.push(...new Array<Json>(100).fill((parent as Json[])[Number(name)]!));
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
  expect(refused).toBeGreaterThan(name === 'tokenizer_config.json' ? 100 : 400); // or the changes miss what is read
});

test.each(['config.json', 'tokenizer.json', 'model.safetensors'])('any bytes in %s', (name) => {
  const path = join(folder, name);
  const valid = readFileSync(path);
  let refused = 0;
  fc.assert(
    fc.property(damage, (change) => {
      writeFileSync(path, spoil(valid, change));
      if (use() !== null) refused++;
    }),
    { numRuns: 400, seed: 2 },
  );
  expect(refused).toBeGreaterThan(200);
});

/** The header of a safetensors file, the length that the file claims, and the data. */
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
  ['nesting', `{"a":${'{"a":'.repeat(50_000)}0${'}'.repeat(50_001)}`],
])('%s fails at once and takes no memory', (_what, header, length) => {
  writeWeights(header, new Uint8Array(8), length);
  const before = process.memoryUsage();
  expect(use()).toContain('not a valid safetensors file');
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
  expect(after.rss - before.rss).toBeLessThan(256 * 2 ** 20);
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
