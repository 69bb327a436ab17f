/**
 * Rows whose inputs are nearly equal, found without comparing all with all: rows whose sketches agree in one of 16 bands of 5 bins are
 * compared (locality-sensitive hashing). Of two inputs that have 0.8 of their parts in common, 998 in 1000 are compared.
 */
import type { Meeting } from './tally.ts';
import { getPrompt } from './chat.ts';
import { bins, createSketcher, foldText, type Sketcher } from './near-sketch.ts';
import type { Place } from './row-events.ts';
import type { ChatMessage, LocatedRow, Row } from './row.ts';

/** Two inputs are nearly equal where their sketches say that they have so much in common: that misses few of those that have 0.8. */
export const nearFrom = 0.72;

const bands = 16;
const binsOfBand = 5;

/** More rows would take more memory than the rest of a check. */
export const mostNearRows = 500_000;

/** Inputs with fewer parts are compared after folding only: one letter more would make them alike. */
const fewestParts = 8;

/** Rows of one kind, with the first of them beside the row that it meets. */
export interface NearCount {
  rows: number;
  example?: Meeting;
  readonly lines: number[];
}

/** What one part has. */
export interface NearFound {
  /** Rows that are nearly an earlier row of the part. */
  readonly near: NearCount;
  /** Held-out rows that are a training row but for case, white space, punctuation or Unicode form. */
  readonly leakedFolded: NearCount;
  /** Held-out rows that are nearly a training row. */
  readonly leakedNear: NearCount;
}

export interface NearRows {
  /** A row whose input is new, letter by letter. */
  add(row: LocatedRow, part: string): void;
  /** By part; null where there were too many rows. @param onRow receives each row that is found, in no order */
  find(onRow?: OnRow): ReadonlyMap<string, NearFound> | null;
}

interface Entry {
  readonly source: string;
  readonly line: number;
  readonly part: string;
  readonly fingerprint: number;
  readonly isShort: boolean;
}

/** So many inputs are looked at for what all have in common, such as a prompt around each. */
const sampleSize = 200;
const fewestOfSample = 20;
const commonShare = 0.8;

export function createNearRows(): NearRows {
  let sample: { readonly row: LocatedRow; readonly part: string }[] | null = [];
  let sketcher: Sketcher | null = null;
  let entries: Entry[] | null = [];
  let chunks: Uint8Array[] = [];
  const insert = (row: LocatedRow, part: string): void => {
    if (entries === null) return;
    if (entries.length === mostNearRows) {
      entries = null;
      chunks = [];
      return;
    }
    const at = entries.length % rowsOfChunk;
    if (at === 0) chunks.push(new Uint8Array(rowsOfChunk * bins));
    const { fingerprint, count } = sketcher!.sketch(toInput(row), chunks.at(-1)!.subarray(at * bins, (at + 1) * bins));
    entries.push({ source: row.source, line: row.line, part, fingerprint, isShort: count < fewestParts });
  };
  const endSample = (): void => {
    sketcher = createSketcher(findCommon(sample!.map(({ row }) => toInput(row))));
    for (const { row, part } of sample!) insert(row, part);
    sample = null;
  };
  return {
    add(row, part) {
      if (sample === null) return insert(row, part);
      sample.push({ row, part });
      if (sample.length === sampleSize) endSample();
    },
    find(onRow = () => {}) {
      if (sample !== null) endSample();
      return entries === null ? null : countFound(entries, findAll(entries, chunks), onRow);
    },
  };
}

/** What a model is asked; the rules that come before it are often the same in all rows. */
function toInput(row: Row): string {
  if ('text' in row) return row.text2 === undefined ? row.text : `${row.text}\n${row.text2}`;
  return getPrompt(row)
    .filter(({ role }) => role !== 'system' && role !== 'developer')
    .map(toText)
    .join('\n');
}

function toText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as { text?: unknown }[]).map(({ text }) => (typeof text === 'string' ? text : '')).join('\n');
}

/** Parts that most inputs have. */
function findCommon(texts: readonly string[]): Set<number> {
  const counts = new Map<number, number>();
  if (texts.length < fewestOfSample) return new Set();
  for (const text of texts) {
    const { parts, count } = foldText(text);
    const own = new Set(parts.subarray(0, count));
    for (const part of own) counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return new Set([...counts].filter(([, count]) => count >= texts.length * commonShare).map(([part]) => part));
}

const rowsOfChunk = 1 << 12;
/** So many rows that agree in a band are compared: more are copies of one another, which meet elsewhere too. */
const longestWalk = 16;
/** Where all rows are alike in part, each is compared with so many only. */
const mostCompared = 48;

function findAll(entries: readonly Entry[], chunks: readonly Uint8Array[]): Found {
  const buckets = new Int32Array(2 ** Math.ceil(Math.log2(entries.length * 2 + 2)));
  const next = new Int32Array(entries.length);
  const near = new Int32Array(entries.length).fill(-1);
  const leaked = new Int32Array(entries.length).fill(-1);
  const isFolded = new Uint8Array(entries.length);
  const compared = new Uint8Array(entries.length);
  const meet = (earlier: number, later: number): void => {
    const [one, other] = [entries[earlier]!, entries[later]!];
    const isEqual = one.fingerprint === other.fingerprint;
    if (!isEqual && (one.isShort || other.isShort || compared[later] === mostCompared)) return;
    if (!isEqual) compared[later]!++;
    if (!isEqual && estimateLikeness(chunks, earlier, later) < nearFrom) return;
    if (one.part === other.part) {
      if (near[later] === -1) near[later] = earlier;
      return;
    }
    const held = one.part === 'train' ? later : other.part === 'train' ? earlier : -1;
    if (held === -1 || (leaked[held] !== -1 && !isEqual)) return;
    leaked[held] = held === later ? earlier : later;
    if (isEqual) isFolded[held] = 1;
  };
  for (let band = 0; band < bands; band++) {
    buckets.fill(-1);
    for (let row = 0; row < entries.length; row++) {
      const isDone = near[row] !== -1 && (entries[row]!.part === 'train' || isFolded[row] === 1);
      const key = toBandKey(chunks, row, band) & (buckets.length - 1);
      let other = buckets[key]!;
      for (let walked = 0; !isDone && other !== -1 && walked < longestWalk; walked++, other = next[other]!) {
        if (areInBand(chunks, [row, other], band)) meet(other, row);
      }
      next[row] = buckets[key]!;
      buckets[key] = row;
    }
  }
  return { near, leaked, isFolded };
}

function toBandKey(chunks: readonly Uint8Array[], row: number, band: number): number {
  const chunk = chunks[Math.trunc(row / rowsOfChunk)]!;
  const start = (row % rowsOfChunk) * bins + band * binsOfBand;
  let key = 0;
  for (let i = 0; i < binsOfBand; i++) key = Math.imul(key ^ chunk[start + i]!, 0x9e3779b1) ^ (key >>> 15);
  return (key ^ (key >>> 16)) >>> 0;
}

function areInBand(chunks: readonly Uint8Array[], [one, other]: readonly [number, number], band: number): boolean {
  const [a, b] = [chunks[Math.trunc(one / rowsOfChunk)]!, chunks[Math.trunc(other / rowsOfChunk)]!];
  const [startA, startB] = [(one % rowsOfChunk) * bins + band * binsOfBand, (other % rowsOfChunk) * bins + band * binsOfBand];
  for (let i = 0; i < binsOfBand; i++) if (a[startA + i] !== b[startB + i]) return false;
  return true;
}

/** With fewer, two inputs are not nearly equal, however many. */
const fewestEqual = bins / 2;

/** The share of their parts that two inputs have in common (Jaccard), as their sketches tell it: of 8 bits one in 256 is equal by chance. */
function estimateLikeness(chunks: readonly Uint8Array[], one: number, other: number): number {
  const [a, b] = [chunks[Math.trunc(one / rowsOfChunk)]!, chunks[Math.trunc(other / rowsOfChunk)]!];
  const [startA, startB] = [(one % rowsOfChunk) * bins, (other % rowsOfChunk) * bins];
  let equal = bins;
  for (let i = 0; i < bins && equal > fewestEqual; i++) if (a[startA + i] !== b[startB + i]) equal--;
  return Math.max(0, (equal / bins - 1 / 256) / (1 - 1 / 256));
}

interface Found {
  /** For each row the one that it meets; -1: none. */
  readonly near: Int32Array;
  readonly leaked: Int32Array;
  readonly isFolded: Uint8Array;
}

const shownLines = 4;

type OnRow = (kind: keyof NearFound, row: Place) => void;

function countFound(entries: readonly Entry[], { near, leaked, isFolded }: Found, onRow: OnRow): Map<string, NearFound> {
  const found = new Map<string, NearFound>();
  const count = (kind: keyof NearFound, row: number, met: number): void => {
    const [{ source, line, part }, other] = [entries[row]!, entries[met]!];
    if (!found.has(part)) found.set(part, { near: createCount(), leakedFolded: createCount(), leakedNear: createCount() });
    const of = found.get(part)![kind];
    of.rows++;
    if (of.lines.length < shownLines) of.lines.push(line);
    of.example ??= { source, line, ...(other.source === source ? {} : { otherSource: other.source }), otherLine: other.line };
    onRow(kind, { source, line });
  };
  for (let row = 0; row < entries.length; row++) {
    if (near[row] !== -1) count('near', row, near[row]!);
    if (leaked[row] !== -1) count(isFolded[row] === 1 ? 'leakedFolded' : 'leakedNear', row, leaked[row]!);
  }
  return found;
}

function createCount(): NearCount {
  return { rows: 0, lines: [] };
}
