import { createFingerprintSet, getInputFingerprint, getRowFingerprint, type FingerprintSet, type RowPlace } from './fingerprints.ts';
import type { NearRows } from './near.ts';
import { createRowMarks, markRow, type RowMarks } from './row-marks.ts';
import { countCharacters, findTraits, type RowTrait, type RowTraits } from './row-traits.ts';
import type { LocatedRow } from './row.ts';

/** A data file as it was read. */
export interface SourceFacts {
  readonly path: string;
  /** Of a file that was brought here: `hub:owner/name@commit:file`. */
  readonly origin?: string;
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
  /** Rows without a label, where a row may have several. */
  unlabelled: number;
  /** The numbers of the rows of a regression. */
  readonly values: number[];
  rows: number;
  longestCharacters: number;
  duplicates: number;
  /** Rows whose text is in the training files, where that is counted. */
  knownTexts: number;
  /** Rows whose input has occurred with another label or answer before. */
  contradictions: number;
  /** The first of each of these kinds, beside the row that it meets. */
  readonly examples: Partial<Record<'duplicates' | 'knownTexts' | 'contradictions', Meeting>>;
  /** How many texts of rows with labels are new in their files. */
  newTexts: number;
  /** How many rows have from 2^i to below 2^(i+1) characters. */
  readonly lengths: number[];
  /** Conversations that not every service can follow. */
  readonly traits: RowMarks<RowTrait>;
  readonly marks: RowMarks;
  add(row: LocatedRow): void;
  /** Adds rows of a file of its own, and counts the texts that the training files have. */
  addHeldOut(trainTexts: FingerprintSet): (row: LocatedRow) => void;
}

interface TallyOptions {
  /** Those of all parts that come from the same files. */
  readonly texts?: FingerprintSet;
  /** Receives rows whose inputs are new. */
  readonly near?: Pick<NearRows, 'add'> | null;
}

export function createPartTally(name: string, { texts = createFingerprintSet(), near = null }: TallyOptions = {}): PartTally {
  const seen = createFingerprintSet();
  const tally: PartTally = {
    name,
    labels: new Map(),
    unlabelled: 0,
    values: [],
    rows: 0,
    longestCharacters: 0,
    duplicates: 0,
    knownTexts: 0,
    contradictions: 0,
    examples: {},
    newTexts: 0,
    lengths: [],
    traits: createRowMarks(),
    marks: createRowMarks(),
    add(row) {
      add(row, getInputFingerprint(row));
    },
    addHeldOut: (trainTexts) => (row) => {
      const text = getInputFingerprint(row);
      const isKnown = trainTexts.has(text);
      if (isKnown) {
        tally.knownTexts++;
        tally.examples.knownTexts ??= toMeeting(row, trainTexts.getPlace(text));
      }
      add(row, text, isKnown);
    },
  };
  const add = (row: LocatedRow, text: number, isKnown = false): void => {
    tally.rows++;
    markRow(row, tally.marks);
    const characters = countCharacters(row);
    tally.longestCharacters = Math.max(tally.longestCharacters, characters);
    const power = 31 - Math.clz32(Math.max(1, characters));
    tally.lengths[power] = (tally.lengths[power] ?? 0) + 1;
    const fingerprint = getRowFingerprint(row, text);
    const isNewRow = seen.add(fingerprint, row);
    const isNewText = texts.add(text, row);
    if (!isNewRow) {
      tally.duplicates++;
      tally.examples.duplicates ??= toMeeting(row, seen.getPlace(fingerprint));
    }
    if (isNewText && !isKnown) near?.add(row, name);
    if ('value' in row) tally.values.push(row.value);
    if (isNewRow && !isNewText && !('chosen' in row)) {
      tally.contradictions++;
      tally.examples.contradictions ??= toMeeting(row, texts.getPlace(text));
    }
    const labels = 'label' in row ? [row.label] : 'labels' in row ? row.labels : null;
    if (labels === null) {
      if (!('text' in row)) for (const trait of findTraits(row)) tally.traits.add(trait, row);
      return;
    }
    if (isNewText) tally.newTexts++;
    if (labels.length === 0) tally.unlabelled++;
    for (const name of labels) {
      const label = tally.labels.get(name);
      if (label === undefined) tally.labels.set(name, { rows: 1, source: row.source, line: row.line });
      else label.rows++;
    }
  };
  return tally;
}

function toMeeting({ source, line }: LocatedRow, other: RowPlace): Meeting {
  return { source, line, ...(other.source === source ? {} : { otherSource: other.source }), otherLine: other.line };
}

export function toPartFacts(tally: PartTally, { sources, sha256 }: PartFiles): PartFacts {
  const { rows, labels, longestCharacters, duplicates, traits } = tally;
  const found = traits.list().map(({ code, rows: count }) => [code, count]);
  const counts = [...labels].map(([label, { rows: count }]) => [label, count]);
  return {
    sources,
    sha256,
    rows,
    labels: Object.fromEntries(counts) as Record<string, number>,
    longestCharacters,
    duplicates,
    ...(found.length > 0 ? { traits: Object.fromEntries(found) as RowTraits } : {}),
  };
}
