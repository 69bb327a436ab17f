/**
 * A reader of GGUF files, for checks and benches: numbers little-endian, a header with the metadata and a list of tensors, then their bytes
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). It shares nothing with the writer.
 */
import { closeSync, openSync, readSync } from 'node:fs';

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

export interface GgufTensor {
  /** F32, F16, or the name of a block format. */
  readonly type: string;
  /** Rows first, as in PyTorch. GGUF itself names the sizes the other way round. */
  readonly shape: readonly number[];
  /** The place of its bytes in the file. */
  readonly start: number;
  readonly bytes: number;
}

export interface GgufFile {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** What a block format stores: so many numbers in so many bytes. */
interface Format {
  readonly name: string;
  readonly numbers: number;
  readonly bytes: number;
  /** Writes the numbers of the block at byte `at` to `out`, from `to`. */
  widen(view: DataView, at: number, { out, to }: { out: Float32Array; to: number }): void;
}

/** Blocks of 32 numbers of four bits: the low halves of 16 bytes, then the high ones. */
function toNibble(view: DataView, at: number, i: number): number {
  return i < 16 ? view.getUint8(at + i) & 15 : view.getUint8(at + i - 16) >> 4;
}

/** By ggml's number. Products are rounded to float32 as ggml's C code does it. */
const formats: Readonly<Record<number, Format>> = {
  0: { name: 'F32', numbers: 1, bytes: 4, widen: (view, at, { out, to }) => void (out[to] = view.getFloat32(at, true)) },
  1: { name: 'F16', numbers: 1, bytes: 2, widen: (view, at, { out, to }) => void (out[to] = view.getFloat16(at, true)) },
  2: {
    name: 'Q4_0',
    numbers: 32,
    bytes: 18, // scale, 16 bytes
    widen(view, at, { out, to }) {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < 32; i++) out[to + i] = scale * (toNibble(view, at + 2, i) - 8);
    },
  },
  3: {
    name: 'Q4_1',
    numbers: 32,
    bytes: 20, // scale, smallest, 16 bytes
    widen(view, at, { out, to }) {
      const [scale, least] = [view.getFloat16(at, true), view.getFloat16(at + 2, true)];
      for (let i = 0; i < 32; i++) out[to + i] = Math.fround(scale * toNibble(view, at + 4, i)) + least;
    },
  },
  8: {
    name: 'Q8_0',
    numbers: 32,
    bytes: 34, // scale, 32 bytes
    widen(view, at, { out, to }) {
      const scale = view.getFloat16(at, true);
      for (let i = 0; i < 32; i++) out[to + i] = scale * view.getInt8(at + 2 + i);
    },
  },
};

/** The header of a file of version 3. @throws Error for anything else */
export function readGguf(path: string): GgufFile {
  const read = openCursor(path);
  try {
    const [magic, version] = [read.bytes(4).toString('latin1'), read.number(4)];
    if (magic !== 'GGUF' || version !== 3) throw new Error(`${path}: expected GGUF 3, found ${JSON.stringify(magic)} ${version}`);
    const [tensorCount, valueCount] = [read.number(10) as bigint, read.number(10) as bigint];
    const metadata = new Map<string, GgufValue>();
    for (let i = 0n; i < valueCount; i++) metadata.set(read.text(), readValue(read, read.number(4) as number));
    const listed: [string, { shape: number[]; format: Format; offset: number }][] = [];
    for (let i = 0n; i < tensorCount; i++) {
      const name = read.text();
      const shape = Array.from({ length: read.number(4) as number }, () => Number(read.number(10))).toReversed();
      const [type, offset] = [read.number(4) as number, Number(read.number(10))];
      const format = formats[type];
      if (!format) throw new Error(`${path}: ${name}: unknown format ${type}`);
      listed.push([name, { shape, format, offset }]);
    }
    const alignment = Number(metadata.get('general.alignment') ?? 32);
    const data = Math.ceil(read.position() / alignment) * alignment;
    const tensors = listed.map(([name, { shape, format, offset }]): [string, GgufTensor] => {
      const numbers = shape.reduce((product, size) => product * size, 1);
      return [name, { type: format.name, shape, start: data + offset, bytes: (numbers / format.numbers) * format.bytes }];
    });
    return { path, metadata, tensors: new Map(tensors) };
  } finally {
    read.close();
  }
}

/** The numbers of a tensor, row by row. @throws Error where there is none of that name */
export function readGgufTensor({ path, tensors }: GgufFile, name: string): Float32Array<ArrayBuffer> {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`${path} has no tensor ${name}`);
  const format = Object.values(formats).find((one) => one.name === tensor.type)!;
  const bytes = Buffer.alloc(tensor.bytes);
  const file = openSync(path, 'r');
  const count = readSync(file, bytes, 0, bytes.length, tensor.start);
  closeSync(file);
  if (count !== bytes.length) throw new Error(`${path}: ${name}: the file was cut`);
  const out = new Float32Array((tensor.bytes / format.bytes) * format.numbers);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, to = 0; at < bytes.length; at += format.bytes, to += format.numbers) format.widen(view, at, { out, to });
  return out;
}

interface Cursor {
  bytes(count: number): Buffer;
  /** A number, or a truth, of the type with this number. */
  number(type: number): number | bigint;
  text(): string;
  position(): number;
  close(): void;
}

function readValue(read: Cursor, type: number): GgufValue {
  if (type === 8) return read.text();
  if (type !== 9) return type === 7 ? read.number(0) !== 0 : read.number(type);
  const [of, count] = [read.number(4) as number, Number(read.number(10))];
  return Array.from({ length: count }, () => readValue(read, of));
}

/** Reads forwards, a mebibyte at a time. */
function openCursor(path: string): Cursor {
  const file = openSync(path, 'r');
  let [chunk, start, at] = [Buffer.alloc(0), 0, 0];
  const bytes = (count: number): Buffer => {
    if (at + count > chunk.length) {
      const next = Buffer.alloc(Math.max(count, 2 ** 20));
      start += at;
      chunk = next.subarray(0, readSync(file, next, 0, next.length, start));
      at = 0;
      if (chunk.length < count) throw new Error(`${path}: the header was cut`);
    }
    at += count;
    return chunk.subarray(at - count, at);
  };
  const readers: Readonly<Record<number, () => number | bigint>> = {
    0: () => bytes(1).readUInt8(),
    1: () => bytes(1).readInt8(),
    2: () => bytes(2).readUInt16LE(),
    3: () => bytes(2).readInt16LE(),
    4: () => bytes(4).readUInt32LE(),
    5: () => bytes(4).readInt32LE(),
    6: () => bytes(4).readFloatLE(),
    10: () => bytes(8).readBigUInt64LE(),
    11: () => bytes(8).readBigInt64LE(),
    12: () => bytes(8).readDoubleLE(),
  };
  return {
    bytes,
    number(type) {
      const readNumber = readers[type];
      if (!readNumber) throw new Error(`${path}: unknown type of a value: ${type}`);
      return readNumber();
    },
    text: () => bytes(Number(bytes(8).readBigUInt64LE())).toString('utf8'),
    position: () => start + at,
    close: () => closeSync(file),
  };
}
