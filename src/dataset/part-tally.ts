import { createHash } from 'node:crypto';
import type { BadRows } from './bad-rows.ts';
import { countCharacters } from './count-characters.ts';
import { createFingerprintSet, toFingerprint } from './fingerprint-set.ts';
import { openDataset } from './open-dataset.ts';
import type { LocatedRow } from './row.ts';
import { readTaskRows, type RowShape } from './rows.ts';
import { toRowHash } from './split.ts';

/** A data file as it was read. */
export interface SourceFacts {
  readonly path: string;
  /** Over the decompressed bytes, hexadecimal. */
  readonly sha256: string;
  /** Decompressed. */
  readonly bytes: number;
}

/** The files of a part, in list order. */
export interface PartFiles {
  readonly sources: readonly SourceFacts[];
  /** Over the decompressed bytes of all of them, hexadecimal. */
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

/** PartFacts in the making. */
export interface PartTally {
  readonly name: string;
  /** How many rows a label has, and where the first one stands. */
  readonly labels: Map<string, { rows: number; readonly source: string; readonly line: number }>;
  rows: number;
  longestCharacters: number;
  duplicates: number;
  /** Rows whose text is in the training files, where that is counted. */
  knownTexts: number;
  add(row: LocatedRow, rowHash: Buffer): void;
}

export function createPartTally(name: string): PartTally {
  const seen = createFingerprintSet();
  const tally: PartTally = {
    name,
    labels: new Map(),
    rows: 0,
    longestCharacters: 0,
    duplicates: 0,
    knownTexts: 0,
    add(row, rowHash) {
      tally.rows++;
      tally.longestCharacters = Math.max(tally.longestCharacters, countCharacters(row));
      if (!seen.add(toFingerprint(rowHash))) tally.duplicates++;
      if (!('label' in row)) return;
      const label = tally.labels.get(row.label);
      if (label === undefined) tally.labels.set(row.label, { rows: 1, source: row.source, line: row.line });
      else label.rows++;
    },
  };
  return tally;
}

/** Reads the files one after the other, each once, and hands on every row that can be used. */
export async function readPart(
  paths: readonly string[],
  { shape, badRows }: { readonly shape: RowShape; readonly badRows: BadRows },
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
    for await (const row of readTaskRows([path], shape, { onBytes, onBadRow: badRows.add })) onRow(row, toRowHash(row));
    sources.push({ path, sha256: sha256.digest('hex'), bytes });
  }
  return { sources, sha256: paths.length === 1 ? sources[0]!.sha256 : whole.digest('hex') };
}

/**
 * SHA-256 over the decompressed bytes of a data file, hexadecimal.
 * @param name whose ending tells how the file is read, where its own does not.
 * @throws Failure as `openDataset`.
 */
export async function hashSource(path: string, name = path): Promise<string> {
  const sha256 = createHash('sha256');
  for await (const chunk of openDataset(path, name)) sha256.update(chunk);
  return sha256.digest('hex');
}

export function toPartFacts({ rows, labels, longestCharacters, duplicates }: PartTally, { sources, sha256 }: PartFiles): PartFacts {
  const counts = [...labels].map(([label, { rows: count }]) => [label, count]);
  return { sources, sha256, rows, labels: Object.fromEntries(counts) as Record<string, number>, longestCharacters, duplicates };
}
