/**
 * Reads safetensors files (https://huggingface.co/docs/safetensors#format): eight bytes with the header's length, the header in JSON,
 * the tensors' bytes. Nothing in the file is believed before it is checked, and nothing is allocated that the file's real size does
 * not cover.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Failure, toFileFailure } from '../errors.ts';
import { scanKeys } from './scan-keys.ts';
import { isObject } from '../lib/json.ts';
import { openRegularFile } from '../lib/fs.ts';

const maxHeaderBytes = 16 * 2 ** 20;
const maxTensors = 100_000;

/** Bytes of one element. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type TensorDtype = keyof typeof elementBytes;

/** Where a tensor lies: `start` and `end` are byte offsets in the file. */
export interface TensorEntry {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/** A file's table of contents. */
export interface SafetensorsIndex {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
}

/** A tensor's numbers as float32, row by row; null where the file holds integers, booleans, or floats that are not widened exactly. */
export interface StoredTensor {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly data: Float32Array | null;
}

/** All tensors of a file by name. @throws Failure as `readSafetensorsIndex` and `readTensor` */
export function readSafetensors(path: string): Map<string, StoredTensor> {
  const index = readSafetensorsIndex(path);
  return new Map(
    [...index.entries].map(([name, { dtype, shape }]) => [name, { dtype, shape, data: isWidened(dtype) ? readTensor(index, name) : null }]),
  );
}

/**
 * Reads and checks the header only.
 *
 * @throws Failure `file-missing` or `permission-denied`; `model-invalid` naming the file and, where there is one, the tensor
 */
export function readSafetensorsIndex(path: string): SafetensorsIndex {
  return withFile(path, (file) => {
    const fileBytes = fstatSync(file).size;
    if (fileBytes < 8) throw invalid(path, `expected at least 8 bytes, found ${fileBytes}`);
    const length = readAt(file, path, 0, 8).readBigUInt64LE();
    if (length > BigInt(maxHeaderBytes)) throw invalid(path, `expected a header of at most ${maxHeaderBytes} bytes, found ${length}`);
    const headerBytes = Number(length);
    if (8 + headerBytes > fileBytes) throw invalid(path, `the header should have ${headerBytes} bytes, the whole file has ${fileBytes}`);
    const header = parseHeader(readAt(file, path, 8, headerBytes), path);
    return { path, entries: toEntries(header, path, { dataStart: 8 + headerBytes, fileBytes }) };
  });
}

/**
 * One tensor, widened to float32: F32 as it is, F16 and BF16 exactly.
 *
 * @throws Failure `model-invalid` when there is no such tensor, its type is another one, or the file was cut meanwhile
 */
export function readTensor(index: SafetensorsIndex, name: string): Float32Array {
  const entry = index.entries.get(name);
  if (!entry) throw invalid(index.path, `tensor ${toQuoted(name)} is missing`);
  const { dtype } = entry;
  if (!isWidened(dtype)) throw invalid(index.path, `tensor ${toQuoted(name)}: expected F32, F16 or BF16, found ${dtype}`);
  const bytes = withFile(index.path, (file) => readAt(file, index.path, entry.start, entry.end - entry.start));
  if (dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (dtype === 'F16') return Float32Array.from(new Float16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer); // BF16 is the upper half of a float32
}

/** Whether `readTensor` gives numbers of this type. */
export function isWidened(dtype: TensorDtype): dtype is 'F32' | 'F16' | 'BF16' {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

function parseHeader(bytes: Buffer, path: string): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw invalid(path, 'the header does not begin with "{"');
  let header: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const problem = scanKeys(text, { depth: 3, keys: 4 * maxTensors + 1000 });
    if (problem?.type === 'depth') throw invalid(path, 'the header is nested more deeply than the format allows');
    if (problem?.type === 'count') throw invalid(path, `the header has more keys than ${maxTensors} tensors need`);
    if (problem?.type === 'duplicate') throw invalid(path, `the header has the key ${toQuoted(problem.key)} twice`);
    header = JSON.parse(text);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('model-invalid', `${path}: the safetensors header is not valid JSON`, { error });
  }
  if (!isObject(header)) throw invalid(path, 'the header is not a JSON object');
  return header;
}

/** Checks each entry, and that together they cover the data part once, without gaps. */
function toEntries(
  header: Record<string, unknown>,
  path: string,
  file: { dataStart: number; fileBytes: number },
): Map<string, TensorEntry> {
  const described = Object.entries(header).filter(([name]) => name !== '__metadata__');
  if (described.length > maxTensors) throw invalid(path, `expected at most ${maxTensors} tensors, found ${described.length}`);
  const { __metadata__: metadata } = header;
  if (metadata !== undefined && !(isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string'))) {
    throw invalid(path, '"__metadata__" must be an object of strings');
  }
  const entries = described.map(([name, value]): [string, TensorEntry] => [
    name,
    toEntry(value, file.dataStart, (problem) => invalid(path, `tensor ${toQuoted(name)}: ${problem}`)),
  ]);
  let covered = file.dataStart;
  for (const [name, { start, end }] of entries.toSorted(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (start !== covered)
      throw invalid(
        path,
        `tensor ${toQuoted(name)} begins at byte ${start - file.dataStart} of the data, expected ${covered - file.dataStart}: tensors must neither overlap nor leave gaps`,
      );
    covered = end;
  }
  if (covered !== file.fileBytes) throw invalid(path, `the tensors end at byte ${covered}, the file at byte ${file.fileBytes}`);
  return new Map(entries);
}

function toEntry(value: unknown, dataStart: number, toFailure: (problem: string) => Failure): TensorEntry {
  if (!isObject(value)) throw toFailure('expected an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype))
    throw toFailure(`unknown dtype ${toQuoted(String(JSON.stringify(dtype)))}`);
  if (!isSizes(shape) || shape.length > 16) throw toFailure('expected a shape of at most 16 whole numbers');
  if (!isSizes(offsets) || offsets.length !== 2) throw toFailure('expected two whole numbers as data_offsets');
  const [start, end] = [offsets[0]!, offsets[1]!];
  const expected = shape.reduce((product, size) => product * BigInt(size), BigInt(elementBytes[dtype as TensorDtype]));
  if (BigInt(end) - BigInt(start) !== expected)
    throw toFailure(`${dtype} [${shape.join(', ')}] needs ${expected} bytes, data_offsets give ${end - start}`);
  return { dtype: dtype as TensorDtype, shape, start: dataStart + start, end: dataStart + end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function withFile<T>(path: string, use: (file: number) => T): T {
  const file = openRegularFile(path, 'weights file');
  try {
    return use(file);
  } catch (error) {
    throw toFileFailure(error, 'weights file', path);
  } finally {
    closeSync(file);
  }
}

/** Bytes of their own, aligned for any element type. */
function readAt(file: number, path: string, position: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const count = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (count === 0) throw invalid(path, `expected ${length} bytes at ${position}, found ${done}: the file was cut`);
    done += count;
  }
  return bytes;
}

function invalid(path: string, problem: string): Failure {
  return new Failure('model-invalid', `${path}: not a valid safetensors file: ${problem}`, {
    hint: 'The file is damaged or cut short, or it is something else: download it or save it again.',
  });
}

/** A name from a foreign file, shortened, with control characters escaped. */
function toQuoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
