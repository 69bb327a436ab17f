import { toStreamKey, toUint32 } from '../../lib/random.ts';

/** So many small numbers from a seed, as little-endian 32-bit floats. */
export function toFloats(seed: number, count: number): Buffer {
  const key = toStreamKey(seed, 'adapter');
  const bytes = Buffer.alloc(4 * count);
  for (let i = 0; i < count; i++) bytes.writeFloatLE((toUint32(key, i) / 2 ** 32 - 0.5) * 0.02, 4 * i);
  return bytes;
}
