import { createHash } from 'node:crypto';
import type { ReadRowsOptions } from './read-rows.ts';
import type { ChatMessage, ChatRow, LocatedRow, PreferenceRow, Row } from './row.ts';
import { hashRow, hashText } from './split.ts';
import { readTaskBatches, type RowShape } from './task-rows.ts';

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
  /** How many conversations have what not every service can follow; absent: none has any. */
  readonly traits?: RowTraits;
}

/** What a conversation may have that not every service can follow. */
export type RowTrait = 'images' | 'bareImages' | 'weights' | 'objectArguments';

export type RowTraits = Readonly<Partial<Record<RowTrait, number>>>;

/** A row, and an earlier one that it has something in common with. */
export interface Meeting {
  readonly source: string;
  readonly line: number;
  /** Absent: in the same file. */
  readonly otherSource?: string;
  readonly otherLine: number;
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
  /** The first of each of these kinds, beside the row that it meets. */
  readonly examples: Partial<Record<'duplicates' | 'knownTexts' | 'contradictions', Meeting>>;
  /** How many texts of rows with labels are new in their files. */
  newTexts: number;
  /** How many rows have from 2^i to below 2^(i+1) characters. */
  readonly lengths: number[];
  readonly traits: Partial<Record<RowTrait, number>>;
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
    examples: {},
    newTexts: 0,
    lengths: [],
    traits: {},
    add(row, rowHash) {
      add(row, rowHash, getFingerprint(hashText(row)));
    },
    addHeldOut: (trainTexts) => (row, rowHash) => {
      const text = getFingerprint(hashText(row));
      if (trainTexts.has(text)) {
        tally.knownTexts++;
        tally.examples.knownTexts ??= toMeeting(row, trainTexts.getPlace(text));
      }
      add(row, rowHash, text);
    },
  };
  const add = (row: LocatedRow, rowHash: Buffer, text: number): void => {
    tally.rows++;
    const characters = countCharacters(row);
    tally.longestCharacters = Math.max(tally.longestCharacters, characters);
    const power = 31 - Math.clz32(Math.max(1, characters));
    tally.lengths[power] = (tally.lengths[power] ?? 0) + 1;
    const fingerprint = getFingerprint(rowHash);
    const isNewRow = seen.add(fingerprint, row);
    const isNewText = texts.add(text, row);
    if (!isNewRow) {
      tally.duplicates++;
      tally.examples.duplicates ??= toMeeting(row, seen.getPlace(fingerprint));
    }
    if ('value' in row) tally.values.push(row.value);
    if (!('label' in row)) {
      if (!('text' in row)) for (const trait of findTraits(row)) tally.traits[trait] = (tally.traits[trait] ?? 0) + 1;
      return;
    }
    if (isNewText) tally.newTexts++;
    if (isNewRow && !isNewText) {
      tally.contradictions++;
      tally.examples.contradictions ??= toMeeting(row, texts.getPlace(text));
    }
    const label = tally.labels.get(row.label);
    if (label === undefined) tally.labels.set(row.label, { rows: 1, source: row.source, line: row.line });
    else label.rows++;
  };
  return tally;
}

function toMeeting({ source, line }: LocatedRow, other: RowPlace): Meeting {
  return { source, line, ...(other.source === source ? {} : { otherSource: other.source }), otherLine: other.line };
}

export function toPartFacts(tally: PartTally, { sources, sha256 }: PartFiles): PartFacts {
  const { rows, labels, longestCharacters, duplicates, traits } = tally;
  const hasTraits = Object.keys(traits).length > 0;
  const counts = [...labels].map(([label, { rows: count }]) => [label, count]);
  return {
    sources,
    sha256,
    rows,
    labels: Object.fromEntries(counts) as Record<string, number>,
    longestCharacters,
    duplicates,
    ...(hasTraits ? { traits } : {}),
  };
}

interface PartReader extends Pick<ReadRowsOptions, 'onBadRow' | 'onNote'> {
  readonly shape: RowShape;
}

/** Reads the files one after the other, each once, and passes on every row that can be used. */
export async function readPart(
  paths: readonly string[],
  { shape, ...events }: PartReader,
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
    for await (const batch of readTaskBatches([path], shape, { onBytes, ...events })) for (const row of batch) onRow(row, hashRow(row));
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

/** What the conversation of a row has that not every service can follow. */
export function findTraits(row: ChatRow | PreferenceRow): ReadonlySet<RowTrait> {
  const traits = new Set<RowTrait>();
  for (const messages of 'messages' in row ? [row.messages] : [row.prompt, row.chosen, row.rejected]) {
    for (const { content, weight, tool_calls: calls } of messages) {
      if (weight === 0) traits.add('weights');
      if (Array.isArray(content) && (content as { type: string }[]).some(({ type }) => type.startsWith('image'))) traits.add('images');
      if (Array.isArray(content) && (content as { type: string }[]).some(({ type }) => type === 'image')) traits.add('bareImages');
      if (!Array.isArray(calls)) continue;
      const isObject = (call: { function: { arguments: unknown } }): boolean => typeof call.function.arguments !== 'string';
      if ((calls as { function: { arguments: unknown } }[]).some(isObject)) traits.add('objectArguments');
    }
  }
  return traits;
}

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

/** A number in [1, 2^53] from bits of a SHA-256 that the split does not use. Of n rows, n²/2^54 pairs meet by chance. */
export function getFingerprint(sha256: Buffer): number {
  return sha256.readUInt32BE(8) * 2 ** 21 + (sha256.readUInt32BE(12) >>> 11) + 1;
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
