import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A tensor to write: `data` row by row, as many numbers as the shape says. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Writes float32 tensors as a safetensors file, the way PyTorch's writer does. The file appears whole or not at all: it is written
 * under a temporary name, flushed to the disk, and renamed.
 *
 * @throws the system's error when the disk is full or the folder cannot be written
 */
export function writeSafetensors(path: string, tensors: readonly TensorToWrite[]): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    for (const bytes of toSafetensorsParts(tensors)) writeAll(file, bytes);
    fsyncSync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  flushFolder(dirname(path));
}

/** Makes renames in a folder outlive a power cut. */
export function flushFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A safetensors file with these tensors, in parts. */
export function* toSafetensorsParts(tensors: readonly TensorToWrite[]): Generator<Uint8Array> {
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

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30));
}
