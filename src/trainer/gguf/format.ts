/**
 * GGUF, the files of llama.cpp and Ollama (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): a header with the metadata and a
 * list of tensors, then their bytes. Numbers are little-endian; every tensor begins at a multiple of 32 bytes.
 */

/** A value of the metadata with its type. */
export type MetadataValue =
  | readonly [type: 'uint32' | 'float32', value: number]
  | readonly [type: 'bool', value: boolean]
  | readonly [type: 'string', value: string]
  | readonly [type: 'int32s' | 'float32s', values: readonly number[]]
  | readonly [type: 'strings', values: readonly string[]];

export type Metadata = readonly (readonly [key: string, value: MetadataValue])[];

/** The number of each type in a file. A list is of one type. */
const types = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, list: 9 } as const;

/** Matrices are stored as F16, what has one dimension as F32. */
const formats = {
  F32: { id: 0, bytes: 4 },
  F16: { id: 1, bytes: 2 },
} as const;

/** A tensor to write, without its numbers. */
export interface GgufTensor {
  readonly name: string;
  /** What it is called where it comes from. */
  readonly source: string;
  /** Rows first, as in safetensors. */
  readonly shape: readonly number[];
  readonly type: keyof typeof formats;
  /** The numbers, row by row, in pieces of any length. */
  read(): Iterable<Float32Array>;
}

const alignment = 32;

/**
 * The bytes of a file, a piece of a tensor at a time.
 * @param refuse is told of the first number that F16 cannot hold, and its place in the tensor; it throws
 */
export function* buildGguf(
  metadata: Metadata,
  tensors: readonly GgufTensor[],
  refuse: (tensor: GgufTensor, value: number, place: number) => never,
): Generator<Uint8Array> {
  let length = 0;
  for (const part of buildHeader(metadata, tensors)) {
    length += part.length;
    yield part;
  }
  yield new Uint8Array(countPadding(length));
  for (const tensor of tensors) {
    let written = 0;
    for (const numbers of tensor.read()) {
      const bytes =
        tensor.type === 'F32' ? toBytes(numbers) : toHalves(numbers, (place) => refuse(tensor, numbers[place]!, written + place));
      written += numbers.length;
      yield bytes;
    }
    if (written !== countNumbers(tensor)) throw new Error(`${tensor.name}: ${written} numbers for [${tensor.shape.join(', ')}]`);
    yield new Uint8Array(countPadding(countBytes(tensor)));
  }
}

function* buildHeader(metadata: Metadata, tensors: readonly GgufTensor[]): Generator<Uint8Array> {
  yield Buffer.concat([Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(metadata.length)]);
  for (const [key, value] of metadata) yield Buffer.concat([text(key), toValue(value)]);
  let offset = 0;
  for (const tensor of tensors) {
    const sizes = tensor.shape.toReversed(); // the last size comes first
    yield Buffer.concat([text(tensor.name), uint32(sizes.length), ...sizes.map(uint64), uint32(formats[tensor.type].id), uint64(offset)]);
    const bytes = countBytes(tensor);
    offset += bytes + countPadding(bytes);
  }
}

function toValue([type, value]: MetadataValue): Buffer {
  switch (type) {
    case 'uint32':
      return Buffer.concat([uint32(types.uint32), uint32(value)]);
    case 'float32':
      return Buffer.concat([uint32(types.float32), toBytes(Float32Array.of(value))]);
    case 'bool':
      return Buffer.concat([uint32(types.bool), Buffer.of(value ? 1 : 0)]);
    case 'string':
      return Buffer.concat([uint32(types.string), text(value)]);
    case 'int32s':
      return toList('int32', value.length, toBytes(Int32Array.from(value)));
    case 'float32s':
      return toList('float32', value.length, toBytes(Float32Array.from(value)));
    case 'strings':
      return toList('string', value.length, Buffer.concat(value.map(text)));
  }
}

function toList(type: 'int32' | 'float32' | 'string', count: number, items: Uint8Array): Buffer {
  return Buffer.concat([uint32(types.list), uint32(types[type]), uint64(count), items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function toBytes(numbers: Float32Array | Float16Array | Int32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** The exponent of what is no finite number. */
const infinity = 0x7c00;

/** The nearest numbers of 16 bits; where two are as near, the even one. */
function toHalves(numbers: Float32Array, refuse: (place: number) => never): Uint8Array {
  const halves = Float16Array.from(numbers);
  const bits = new Uint16Array(halves.buffer);
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & infinity) === infinity) refuse(i);
  return toBytes(halves);
}

function countNumbers({ shape }: GgufTensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

function countBytes(tensor: GgufTensor): number {
  return countNumbers(tensor) * formats[tensor.type].bytes;
}

function countPadding(bytes: number): number {
  return (alignment - (bytes % alignment)) % alignment;
}
