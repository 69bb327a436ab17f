/**
 * Safetensors files (https://huggingface.co/docs/safetensors#format): eight bytes with the header's length, the header in JSON, the
 * tensors' bytes. Nothing in a file is believed before it is checked, and nothing is allocated that the file's real size does not cover.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Failure, toFileFailure } from '../errors.ts';
import { findFileKind, headBytes } from '../lib/file-kinds.ts';
import { openRegularFile, writeParts } from '../lib/fs.ts';
import { isObject } from '../lib/json.ts';
import { formatName, formatValue } from '../lib/text.ts';

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

/** Where a tensor is stored: `start` and `end` are byte offsets in the file. */
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
    const kind = length > BigInt(maxHeaderBytes) ? findFileKind(readAt(file, path, 0, Math.min(fileBytes, headBytes))) : null;
    if (kind !== null) throw new Failure('model-invalid', `${path}: expected weights, found ${kind.name}`, { hint: kind.remedy });
    if (length > BigInt(maxHeaderBytes)) throw invalid(path, `expected a header of at most ${maxHeaderBytes} bytes, found ${length}`);
    const headerBytes = Number(length);
    if (8 + headerBytes > fileBytes) throw invalid(path, `the header should have ${headerBytes} bytes, the whole file has ${fileBytes}`);
    const header = parseHeader(readAt(file, path, 8, headerBytes), path);
    return { path, entries: parseEntries(header, path, { dataStart: 8 + headerBytes, fileBytes }) };
  });
}

/**
 * One tensor, widened to float32: F32 as it is, F16 and BF16 exactly. `part` names some of its numbers, row by row.
 *
 * @throws Failure `model-invalid` when there is no such tensor, its type is another one, or the file was cut meanwhile
 */
export function readTensor(index: SafetensorsIndex, name: string, part?: { readonly from: number; readonly count: number }): Float32Array {
  const entry = index.entries.get(name);
  if (!entry) throw invalid(index.path, `tensor "${formatName(name)}" is missing`);
  const { dtype, start } = entry;
  if (!isWidened(dtype)) throw invalid(index.path, `tensor "${formatName(name)}": expected F32, F16 or BF16, found ${dtype}`);
  const width = elementBytes[dtype];
  const { from, count } = part ?? { from: 0, count: (entry.end - start) / width };
  const bytes = withFile(index.path, (file) => readAt(file, index.path, start + from * width, count * width));
  if (dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === 'F16') return Float32Array.from(new Float16Array(bytes.buffer, bytes.byteOffset, count));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) bits[i] = halves[i]! << 16; // BF16 is the upper half of a float32
  return new Float32Array(bits.buffer);
}

/** Whether `readTensor` gives numbers of this type. */
export function isWidened(dtype: TensorDtype): dtype is 'F32' | 'F16' | 'BF16' {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

function parseHeader(bytes: Buffer, path: string): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw invalid(path, 'the header does not begin with "{"');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new Failure('model-invalid', `${path}: the safetensors header is not valid JSON`, { error });
  }
  if (!isObject(header)) throw invalid(path, 'the header is not a JSON object');
  return header;
}

/** Checks each entry, and that together they cover the data part once, without gaps. */
function parseEntries(
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
    parseEntry(value, file.dataStart, (problem) => invalid(path, `tensor "${formatName(name)}": ${problem}`)),
  ]);
  let covered = file.dataStart;
  for (const [name, { start, end }] of entries.toSorted(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (start !== covered)
      throw invalid(
        path,
        `tensor "${formatName(name)}" begins at byte ${start - file.dataStart} of the data, expected ${covered - file.dataStart}: tensors must neither overlap nor leave gaps`,
      );
    covered = end;
  }
  if (covered !== file.fileBytes) throw invalid(path, `the tensors end at byte ${covered}, the file at byte ${file.fileBytes}`);
  return new Map(entries);
}

function parseEntry(value: unknown, dataStart: number, refuse: (problem: string) => Failure): TensorEntry {
  if (!isObject(value)) throw refuse('expected an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) throw refuse(`unknown dtype ${formatValue(dtype)}`);
  if (!isSizes(shape) || shape.length > 16) throw refuse('expected a shape of at most 16 whole numbers');
  if (!isSizes(offsets) || offsets.length !== 2) throw refuse('expected two whole numbers as data_offsets');
  const [start, end] = [offsets[0]!, offsets[1]!];
  const expected = shape.reduce((product, size) => product * BigInt(size), BigInt(elementBytes[dtype as TensorDtype]));
  if (BigInt(end) - BigInt(start) !== expected)
    throw refuse(`${dtype} [${shape.join(', ')}] needs ${expected} bytes, data_offsets give ${end - start}`);
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

/** A tensor to write: `data` row by row, as many numbers as the shape says. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Writes tensors as float32, the way PyTorch's writer does it. @throws the system's error */
export function writeSafetensors(path: string, tensors: readonly TensorToWrite[]): void {
  writeParts(path, buildSafetensors(tensors));
}

/** The bytes of such a file, in parts. */
export function* buildSafetensors(tensors: readonly TensorToWrite[]): Generator<Uint8Array> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, shape, data } of tensors) {
    if (Object.hasOwn(header, name)) throw new Error(`tensor ${name} given twice`);
    if (shape.reduce((product, size) => product * size, 1) !== data.length)
      throw new Error(`tensor ${name}: ${data.length} numbers for [${shape.join(', ')}]`);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const text = JSON.stringify(header);
  const bytes = Buffer.from(text.padEnd(text.length + ((8 - (Buffer.byteLength(text) % 8)) % 8), ' '));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  yield length;
  yield bytes;
  for (const { data } of tensors) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
