/**
 * Sketches of texts by which nearly equal ones are found: MinHash (Broder 1997) in one permutation with bins (Li, Owen and Zhang 2012), whose
 * empty bins are filled by optimal densification (Shrivastava 2017). The parts of a text are its runs of five characters after folding case,
 * white space, punctuation and Unicode form.
 */

export const bins = 128;

/** A text after folding. */
export interface FoldedText {
  /** Equal for texts that differ in case, white space, punctuation and Unicode form only; below 2^53. */
  readonly fingerprint: number;
  /** Its parts, until the next text is folded: the first `count` of them. */
  readonly parts: Int32Array;
  readonly count: number;
}

/** What a character is after folding: 0 is none; words are held apart by one 1. */
const gap = 1;
const asciiFolds = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[a-z]/i.test(character)) return character.toLowerCase().charCodeAt(0) - 97 + 2; // 2 to 27
  if (/[0-9]/.test(character)) return code - 48 + 28; // 28 to 37
  return 0;
});

/** Six bits a character, so that five are one number. */
const partMask = 0x3fffffff;

const empty = 0x7fffffff;

export interface Sketcher {
  /** Folds a text, counts the parts that are not left out, and leaves the least hash of its parts in each bin of `sketch`, as its last 8 bits. */
  sketch(text: string, sketch: Uint8Array): Pick<FoldedText, 'fingerprint' | 'count'>;
}

/** @param common parts that are left out, such as those of a prompt that all rows have */
export function createSketcher(common: ReadonlySet<number> = new Set()): Sketcher {
  const least = new Int32Array(bins);
  const skips = common.size > 0;
  return {
    sketch(text, sketch) {
      least.fill(empty);
      const { fingerprint, parts, count } = foldText(text);
      let own = count;
      for (let i = 0; i < count; i++) {
        const part = parts[i]!;
        if (skips && common.has(part)) {
          own--;
          continue;
        }
        const hash = mix(part);
        const bin = hash >>> 25;
        const value = hash & 0x1ffffff;
        if (value < least[bin]!) least[bin] = value;
      }
      fillEmpty(least, sketch);
      return { fingerprint, count: own };
    },
  };
}

function mix(part: number): number {
  let hash = Math.imul(part ^ (part >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** An empty bin takes what another one has, which its number and the count of tries choose, for all texts alike. */
function fillEmpty(least: Int32Array, sketch: Uint8Array): void {
  let isEmpty = true;
  for (let bin = 0; bin < bins && isEmpty; bin++) isEmpty = least[bin] === empty;
  for (let bin = 0; bin < bins; bin++) {
    let from = bin;
    for (let tries = 1; !isEmpty && least[from] === empty; tries++) from = mix(bin * 4096 + tries) >>> 25;
    sketch[bin] = isEmpty ? 0 : least[from]!;
  }
}

/** The parts of the text that was folded last. */
let partsOfText = new Int32Array(4096);

/** Folds a text: parts may come twice. A text that is shorter than one part is one. */
export function foldText(text: string): FoldedText {
  const source = isAscii(text) ? text : text.normalize('NFKC').toLowerCase();
  if (partsOfText.length < 2 * source.length + 1) partsOfText = new Int32Array(4 * source.length);
  const parts = partsOfText;
  let high = 0x811c9dc5 | 0;
  let low = 0x1b873593;
  let part = 0;
  let count = 0;
  let length = 0;
  let isApart = 0;
  for (let i = 0; i < source.length; i++) {
    const code = source.charCodeAt(i);
    const fold = code < 128 ? asciiFolds[code]! : foldOther(code);
    if (fold === 0) {
      isApart = length;
      continue;
    }
    if (isApart !== 0) {
      isApart = 0;
      part = ((part << 6) | gap) & partMask;
      if (++length >= 5) parts[count++] = part;
    }
    const unit = code < 128 ? fold : code;
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul((low + unit) | 0, 0x5bd1e995) ^ (low >>> 15);
    part = ((part << 6) | fold) & partMask;
    if (++length >= 5) parts[count++] = part;
  }
  if (count === 0 && length > 0) parts[count++] = part;
  return { fingerprint: (high >>> 0) * 2 ** 21 + (low >>> 11) + 1, parts, count };
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

const isWord = new Map<number, boolean>();

/** Of a letter, a digit or a mark of them; halves of a pair count as such. */
function foldOther(code: number): number {
  return isWordUnit(code) ? 2 + ((code ^ (code >> 6) ^ (code >> 11)) & 0x3d) : 0;
}

function isWordUnit(code: number): boolean {
  let known = isWord.get(code);
  if (known === undefined) {
    known = /[\p{L}\p{N}\p{M}\p{Cs}]/u.test(String.fromCharCode(code));
    isWord.set(code, known);
  }
  return known;
}
