/** A set of 53-bit fingerprints of rows, 8 bytes a slot: JavaScript's own Set ends at 2^24 members and takes five times as much. */
export interface FingerprintSet {
  /** Adds and says whether it was new. */
  add(fingerprint: number): boolean;
  has(fingerprint: number): boolean;
}

/** A number in [1, 2^53] from bits of a SHA-256 that the split does not use. Of n rows, n²/2^54 pairs meet by chance. */
export function toFingerprint(sha256: Buffer): number {
  return sha256.readUInt32BE(8) * 2 ** 21 + (sha256.readUInt32BE(12) >>> 11) + 1;
}

/** An empty set: open addressing with linear probing, at most two thirds full; 0 marks a free slot. */
export function createFingerprintSet(): FingerprintSet {
  let slots = new Float64Array(1024);
  let size = 0;

  /** Where the fingerprint is, or the free slot where it belongs. Fingerprints are uniform, so that they are their own hash. */
  const find = (fingerprint: number): number => {
    let at = fingerprint % slots.length;
    while (slots[at] !== 0 && slots[at] !== fingerprint) at = (at + 1) % slots.length;
    return at;
  };
  const grow = (): void => {
    const old = slots;
    slots = new Float64Array(2 * old.length);
    for (const fingerprint of old) if (fingerprint !== 0) slots[find(fingerprint)] = fingerprint;
  };

  return {
    add(fingerprint) {
      const at = find(fingerprint);
      if (slots[at] === fingerprint) return false;
      slots[at] = fingerprint;
      if (++size * 3 > slots.length * 2) grow();
      return true;
    },
    has: (fingerprint) => slots[find(fingerprint)] === fingerprint,
  };
}
