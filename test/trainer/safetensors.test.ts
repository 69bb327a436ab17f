import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { readSafetensorsIndex, readTensor, writeSafetensors } from '../../src/trainer/safetensors.ts';
import { createScratchFolder } from '../scratch.ts';
import { readTensors } from './read-tensors.ts';

/** A file with this header text and these data bytes. */
function createFile(header: string, data: Uint8Array = new Uint8Array(), length?: bigint): string {
  const path = join(createScratchFolder(), 'model.safetensors');
  const bytes = Buffer.from(header);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(bytes.length));
  writeFileSync(path, Buffer.concat([size, bytes, data]));
  return path;
}

const entry = (dtype: string, shape: unknown, start: unknown, end: unknown): string =>
  JSON.stringify({ dtype, shape, data_offsets: [start, end] });

test('what is written is read again, and PyTorch’s layout is kept', () => {
  const folder = createScratchFolder();
  const path = join(folder, 'model.safetensors');
  const tensors = [
    { name: 'a', shape: [2, 2], data: Float32Array.of(1, -0, 1e-45, 3.4e38) },
    { name: 'ü', shape: [], data: Float32Array.of(5) },
    { name: 'empty', shape: [0, 3], data: new Float32Array() },
  ];
  writeSafetensors(path, tensors);
  expect(readdirSync(folder)).toEqual(['model.safetensors']); // no temporary file stays
  const bytes = readFileSync(path);
  expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
  expect(JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())))).toMatchObject({ __metadata__: { format: 'pt' } });
  expect([...readTensors(path)]).toEqual(tensors.map(({ name, ...tensor }) => [name, { dtype: 'F32', ...tensor }]));
});

test('half precision is widened exactly, integers are listed only', () => {
  const data = Buffer.alloc(12);
  data.writeUInt16LE(0x3c01, 0); // F16: 1 + 2^-10
  data.writeUInt16LE(0x0001, 2); // F16: the smallest number, 2^-24
  data.writeUInt16LE(0xbf80, 4); // BF16: -1
  data.writeUInt16LE(0x7f80, 6); // BF16: infinity
  const path = createFile(
    `{"half":${entry('F16', [2], 0, 4)},"brain":${entry('BF16', [2], 4, 8)},"ids":${entry('I32', [1], 8, 12)}}`,
    data,
  );
  const tensors = readTensors(path);
  expect(tensors.get('half')!.data).toEqual(Float32Array.of(1 + 2 ** -10, 2 ** -24));
  expect(tensors.get('brain')!.data).toEqual(Float32Array.of(-1, Infinity));
  expect(tensors.get('ids')).toEqual({ dtype: 'I32', shape: [1], data: null });
});

const eight = new Uint8Array(8);
test.each<[string, () => string, string]>([
  ['a file that is too short', () => createFile('', eight.subarray(0, 0), 5n), 'the whole file has 8'],
  ['a header length of 2^63', () => createFile('{}', eight, 2n ** 63n), 'expected a header of at most 16777216 bytes'],
  ['a header longer than the file', () => createFile('{}', eight, 1000n), 'the header should have 1000 bytes'],
  ['no JSON', () => createFile('{"a":'), 'not valid JSON'],
  ['no object', () => createFile('[]'), 'does not begin with "{"'],
  ['bytes that are no UTF-8', () => createFile('{}', Uint8Array.of(0xff), 3n), 'not valid JSON'],
  ['deep nesting', () => createFile(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), 'tensor "a": expected an object'],
  [
    'a tensor twice',
    () => createFile(`{"a":${entry('F32', [1], 0, 4)},"\\u0061":${entry('F32', [1], 4, 8)}}`, eight),
    'begins at byte 4 of the data, expected 0',
  ],
  ['metadata that is not text', () => createFile('{"__metadata__":{"a":1}}'), '"__metadata__" must be an object of strings'],
  ['an entry that is no object', () => createFile('{"a":3}'), 'tensor "a": expected an object'],
  ['an unknown dtype', () => createFile(`{"a":${entry('F31', [2], 0, 8)}}`, eight), 'tensor "a": unknown dtype'],
  ['a dtype from the prototype', () => createFile(`{"a":${entry('constructor', [2], 0, 8)}}`, eight), 'unknown dtype'],
  ['a negative size', () => createFile(`{"a":${entry('F32', [-2], 0, 8)}}`, eight), 'expected a shape'],
  ['a fraction as size', () => createFile(`{"a":${entry('F32', [0.5, 4], 0, 8)}}`, eight), 'expected a shape'],
  [
    'sizes whose product overflows',
    () => createFile(`{"a":${entry('F32', [2 ** 32, 2 ** 32], 0, 8)}}`, eight),
    'needs 73786976294838206464 bytes',
  ],
  [
    'offsets that do not fit the shape',
    () => createFile(`{"a":${entry('F32', [2], 0, 4)}}`, eight),
    'F32 [2] needs 8 bytes, data_offsets give 4',
  ],
  ['offsets in reverse', () => createFile(`{"a":${entry('F32', [2], 8, 0)}}`, eight), 'needs 8 bytes, data_offsets give -8'],
  ['three offsets', () => createFile('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}', eight), 'expected two whole numbers'],
  [
    'an overlap',
    () => createFile(`{"a":${entry('F32', [1], 0, 4)},"b":${entry('F32', [1], 0, 4)}}`, eight),
    'neither overlap nor leave gaps',
  ],
  ['a gap', () => createFile(`{"a":${entry('F32', [1], 4, 8)}}`, eight), 'begins at byte 4 of the data, expected 0'],
  ['bytes after the last tensor', () => createFile(`{"a":${entry('F32', [1], 0, 4)}}`, eight), 'the tensors end at byte'],
  ['a tensor beyond the file', () => createFile(`{"a":${entry('F32', [4], 0, 16)}}`, eight), 'the tensors end at byte'],
])('%s is refused, with the file’s name', (_what, create, message) => {
  const path = create();
  expect(() => readTensors(path)).toThrow(
    expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(message) as string }),
  );
  expect(() => readTensors(path)).toThrow(path);
});

test('more tensors than anybody has are refused', () => {
  const many = Array.from({ length: 100_001 }, (_, i) => `"${i}":${entry('F32', [0], 0, 0)}`).join(',');
  expect(() => readSafetensorsIndex(createFile(`{${many}}`))).toThrow('expected at most 100000 tensors');
});

test('a name from the prototype is a name', () => {
  const path = createFile(`{"__proto__":${entry('F32', [1], 0, 4)},"toString":${entry('F32', [1], 4, 8)}}`, eight);
  expect([...readTensors(path).keys()]).toEqual(['__proto__', 'toString']);
});

test('a file that is cut after its header was read is refused', () => {
  const path = createFile(`{"a":${entry('F32', [2], 0, 8)}}`, eight);
  const index = readSafetensorsIndex(path);
  truncateSync(path, index.entries.get('a')!.start + 3);
  expect(() => readTensor(index, 'a')).toThrow('the file was cut');
  expect(() => readTensor(index, 'b')).toThrow('tensor "b" is missing');
});

test('a missing file and a folder say what they are', () => {
  const folder = createScratchFolder();
  expect(() => readTensors(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'file-missing' }));
  expect(() => readTensors(folder)).toThrow(expect.objectContaining({ code: 'file-missing' }));
});

test('whatever bytes are changed, it reads or fails with a name', () => {
  const path = join(createScratchFolder(), 'model.safetensors');
  writeSafetensors(path, [
    { name: 'weight', shape: [2, 3], data: new Float32Array(6) },
    { name: 'bias', shape: [3], data: new Float32Array(3) },
  ]);
  const valid = readFileSync(path);
  const change = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(valid.length), (changes, cut) => {
      const bytes = Buffer.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      writeFileSync(path, bytes.subarray(0, cut % 3 === 0 ? cut : valid.length));
      try {
        for (const { data } of readTensors(path).values()) expect(data === null || data.length < 100).toBe(true);
      } catch (error) {
        if (!isFailure(error, 'model-invalid')) throw error;
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});
