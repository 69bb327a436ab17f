/**
 * Counter-based random numbers: number `i` of a stream is a pure function of the stream's key and `i`, so that nothing has to be
 * saved to go on after an interruption, and a backward pass can draw the forward pass's numbers again.
 *
 * Each number is MurmurHash3's 32-bit finalizer over a Weyl sequence, as SplitMix does it (Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014). Not for cryptography.
 */

/** MurmurHash3's finalizer `fmix32` (Appleby, public domain): a bijection of the 32-bit integers. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

const golden = 0x9e3779b9; // 2^32 divided by the golden ratio: the Weyl increment

/** A stream's key from whatever distinguishes it, for example (seed, purpose, step). */
export function toStreamKey(...parts: readonly (number | string)[]): number {
  let key = 0;
  for (const part of parts) {
    if (typeof part === 'number') key = mix(key + golden + mix(part | 0));
    else for (const unit of part) key = mix(key + golden + unit.codePointAt(0)!);
  }
  return key;
}

/** Number `index` of the stream: an integer in [0, 2^32). */
export function toUint32(key: number, index: number): number {
  return mix((key + Math.imul(index + 1, golden)) | 0);
}

/** The key of the stream that begins at number `count` of this one. */
export function skipNumbers(key: number, count: number): number {
  return (key + Math.imul(count, golden)) >>> 0;
}

/** Number `index` of the stream, uniform in [0, 1). */
export function toUniform(key: number, index: number): number {
  return toUint32(key, index) / 2 ** 32;
}

/** `count` draws from N(0, deviation²) by the Box-Muller transform, two uniforms a draw. */
export function toNormals(key: number, count: number, deviation: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - toUniform(key, 2 * i)));
    return deviation * radius * Math.cos(2 * Math.PI * toUniform(key, 2 * i + 1));
  });
}

/** A shuffled copy (Fisher-Yates). */
export function toShuffled<T>(items: readonly T[], key: number): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(toUniform(key, i) * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
