import { createHash } from 'node:crypto';
import type { Failure } from '../errors.ts';
import type { ChatMessage, LocatedRow, Row } from './row.ts';
import { hashRow, hashText } from './split.ts';
import { readTaskRows, type RowShape } from './task-rows.ts';

/** A data file as it was read. */
export interface SourceFacts {
  readonly path: string;
  /** Over the decompressed bytes, in hex. */
  readonly sha256: string;
  /** Decompressed. */
  readonly bytes: number;
}

/** The files of a part, in list order. */
export interface PartFiles {
  readonly sources: readonly SourceFacts[];
  /** Over the decompressed bytes of all of them, in hex. */
  readonly sha256: string;
}

/** What one part of the data holds, as plain JSON. */
export interface PartFacts extends PartFiles {
  readonly rows: number;
  /** How many rows each label has; empty where the task has no labels. */
  readonly labels: Readonly<Record<string, number>>;
  /** Of one row, as `countCharacters` counts. */
  readonly longestCharacters: number;
  /** Rows equal to an earlier row of this part. */
  readonly duplicates: number;
}

/** PartFacts while they are counted. */
export interface PartTally {
  readonly name: string;
  /** How many rows a label has, and where the first of them is. */
  readonly labels: Map<string, { rows: number; readonly source: string; readonly line: number }>;
  /** The numbers of the rows of a regression. */
  readonly values: number[];
  rows: number;
  longestCharacters: number;
  duplicates: number;
  /** Rows whose text is in the training files, where that is counted. */
  knownTexts: number;
  /** Rows whose text has occurred with another label before. */
  contradictions: number;
  add(row: LocatedRow, rowHash: Buffer): void;
  /** Adds rows of a file of its own, and counts the texts that the training files have. */
  addHeldOut(trainTexts: FingerprintSet): (row: LocatedRow, rowHash: Buffer) => void;
}

/** @param texts those of all parts that come from the same files */
export function createPartTally(name: string, texts = createFingerprintSet()): PartTally {
  const seen = createFingerprintSet();
  const tally: PartTally = {
    name,
    labels: new Map(),
    values: [],
    rows: 0,
    longestCharacters: 0,
    duplicates: 0,
    knownTexts: 0,
    contradictions: 0,
    add(row, rowHash) {
      add(row, rowHash, getFingerprint(hashText(row)));
    },
    addHeldOut: (trainTexts) => (row, rowHash) => {
      const text = getFingerprint(hashText(row));
      if (trainTexts.has(text)) tally.knownTexts++;
      add(row, rowHash, text);
    },
  };
  const add = (row: LocatedRow, rowHash: Buffer, text: number): void => {
    tally.rows++;
    tally.longestCharacters = Math.max(tally.longestCharacters, countCharacters(row));
    const isNewRow = seen.add(getFingerprint(rowHash));
    const isNewText = texts.add(text);
    if (!isNewRow) tally.duplicates++;
    if ('value' in row) tally.values.push(row.value);
    if (!('label' in row)) return;
    if (isNewRow && !isNewText) tally.contradictions++;
    const label = tally.labels.get(row.label);
    if (label === undefined) tally.labels.set(row.label, { rows: 1, source: row.source, line: row.line });
    else label.rows++;
  };
  return tally;
}

export function toPartFacts({ rows, labels, longestCharacters, duplicates }: PartTally, { sources, sha256 }: PartFiles): PartFacts {
  const counts = [...labels].map(([label, { rows: count }]) => [label, count]);
  return { sources, sha256, rows, labels: Object.fromEntries(counts) as Record<string, number>, longestCharacters, duplicates };
}

interface PartReader {
  readonly shape: RowShape;
  readonly onBadRow: (failure: Failure) => void;
}

/** Reads the files one after the other, each once, and passes on every row that can be used. */
export async function readPart(
  paths: readonly string[],
  { shape, onBadRow }: PartReader,
  onRow: (row: LocatedRow, rowHash: Buffer) => void,
): Promise<PartFiles> {
  const sources: SourceFacts[] = [];
  const whole = createHash('sha256');
  for (const path of paths) {
    const sha256 = createHash('sha256');
    let bytes = 0;
    const onBytes = (chunk: Buffer): void => {
      sha256.update(chunk);
      if (paths.length > 1) whole.update(chunk);
      bytes += chunk.length;
    };
    for await (const row of readTaskRows([path], shape, { onBytes, onBadRow })) onRow(row, hashRow(row));
    sources.push({ path, sha256: sha256.digest('hex'), bytes });
  }
  return { sources, sha256: paths.length === 1 ? sources[0]!.sha256 : whole.digest('hex') };
}

/**
 * All text of a row, in UTF-16 units: both texts of a pair; the contents and tool calls of all messages (of a preference, the prompt and
 * both ends); the tools, as JSON. Labels, roles and images are not counted.
 */
export function countCharacters(row: Row): number {
  if ('text' in row) return row.text.length + (row.text2?.length ?? 0);
  const tools = row.tools === undefined ? 0 : JSON.stringify(row.tools).length;
  if ('messages' in row) return tools + countInMessages(row.messages);
  return tools + countInMessages(row.prompt) + countInMessages(row.chosen) + countInMessages(row.rejected);
}

function countInMessages(messages: readonly ChatMessage[]): number {
  let count = 0;
  for (const { content, tool_calls: calls } of messages) {
    if (typeof content === 'string') count += content.length;
    else if (Array.isArray(content)) {
      for (const { text } of content as { text?: unknown }[]) count += typeof text === 'string' ? text.length : 0;
    }
    if (Array.isArray(calls)) for (const call of calls as { function: unknown }[]) count += countInCall(call.function);
  }
  return count;
}

function countInCall(called: unknown): number {
  const { name, arguments: given } = called as { name: string; arguments: unknown };
  return name.length + (typeof given === 'string' ? given : JSON.stringify(given)).length;
}

/** A set of 53-bit fingerprints of rows, 8 bytes a slot: JavaScript's own Set ends at 2^24 members and takes five times as much. */
export interface FingerprintSet {
  /** Adds a fingerprint; true where it was new. */
  add(fingerprint: number): boolean;
  has(fingerprint: number): boolean;
}

/** A number in [1, 2^53] from bits of a SHA-256 that the split does not use. Of n rows, n²/2^54 pairs meet by chance. */
export function getFingerprint(sha256: Buffer): number {
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
