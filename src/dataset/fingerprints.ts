/** Sets of rows, by hashes of what they hold. */
import type { Row } from './row.ts';
import { formatInput, formatRow } from './split.ts';

/** Where a row is. */
export interface RowPlace {
  readonly source: string;
  readonly line: number;
}

/**
 * A set of 53-bit fingerprints of rows, with the place of the first row of each, 12 bytes a slot: JavaScript's own Map ends at 2^24 members
 * and takes several times as much.
 */
export interface FingerprintSet {
  /** Adds a fingerprint; true where it was new. */
  add(fingerprint: number, place?: RowPlace): boolean;
  has(fingerprint: number): boolean;
  /** Of the row with which the fingerprint was added. */
  getPlace(fingerprint: number): RowPlace;
}

/**
 * A number in [1, 2^53] of the UTF-16 units of a text, evenly distributed: of n different texts about n²/2^54 pairs meet by chance. Two sums of
 * 32 bits, stirred for each unit and at the end as MurmurHash3 does; SHA-256 would take most of the time of a check.
 */
export function getFingerprint(text: string): number {
  let low = text.length;
  let high = ~text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul((low << 13) | (low >>> 19), 0xcc9e2d51) ^ unit;
    high = Math.imul((high << 15) | (high >>> 17), 0x1b873593) + unit;
  }
  low = stir(low ^ (high >>> 7));
  high = stir(high + low);
  return (high >>> 11) * 2 ** 32 + (low >>> 0) + 1;
}

/** Of what the model reads of a row: all but the label, or the messages before the answer. */
export function getInputFingerprint(row: Row): number {
  return getFingerprint('text' in row && row.text2 === undefined ? row.text : formatInput(row));
}

/** Of a whole row, beside that of its input. */
export function getRowFingerprint(row: Row, input: number): number {
  if ('label' in row) return getFingerprint(`${input} ${row.label}`);
  if ('labels' in row) return getFingerprint(`${input} ${JSON.stringify(row.labels)}`);
  return getFingerprint('value' in row ? `${input} ${row.value}` : formatRow(row));
}

/** Each bit of the result depends on each bit of the number. */
function stir(number: number): number {
  const once = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/** An empty set: open addressing with linear probing, at most two thirds full; 0 marks a free slot. */
export function createFingerprintSet(): FingerprintSet {
  let slots = new Float64Array(1024);
  let places = new Uint32Array(1024); // lines, counted through all files
  const files: { readonly source: string; readonly before: number }[] = [];
  let lastPlace = 0;
  let size = 0;

  /** Where the fingerprint is, or the free slot where it belongs. Fingerprints are uniform, so that they are their own hash. */
  const find = (fingerprint: number): number => {
    let at = fingerprint % slots.length;
    while (slots[at] !== 0 && slots[at] !== fingerprint) at = (at + 1) % slots.length;
    return at;
  };
  const grow = (): void => {
    const old = { slots, places };
    slots = new Float64Array(2 * old.slots.length);
    places = new Uint32Array(slots.length);
    for (let i = 0; i < old.slots.length; i++) {
      const fingerprint = old.slots[i]!;
      if (fingerprint === 0) continue;
      const at = find(fingerprint);
      slots[at] = fingerprint;
      places[at] = old.places[i]!;
    }
  };

  return {
    add(fingerprint, place) {
      const at = find(fingerprint);
      if (slots[at] === fingerprint) return false;
      slots[at] = fingerprint;
      if (place !== undefined) {
        if (files.at(-1)?.source !== place.source) files.push({ source: place.source, before: lastPlace });
        lastPlace = files.at(-1)!.before + place.line;
        places[at] = lastPlace;
      }
      if (++size * 3 > slots.length * 2) grow();
      return true;
    },
    has: (fingerprint) => slots[find(fingerprint)] === fingerprint,
    getPlace(fingerprint) {
      const place = places[find(fingerprint)]!;
      const file = files.findLast(({ before }) => before < place);
      return { source: file?.source ?? '', line: place - (file?.before ?? 0) };
    },
  };
}
