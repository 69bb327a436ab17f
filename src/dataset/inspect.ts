import { Failure } from '../errors.ts';
import type { Columns } from './check-columns.ts';
import { type BadRows, createBadRows } from './bad-rows.ts';
import { createFingerprintSet, toFingerprint } from './fingerprint-set.ts';
import { createPartTally, type PartFacts, type PartFiles, type PartTally, readPart, toPartFacts } from './part-tally.ts';
import type { RowTask } from './row.ts';
import { isBelowFraction, toTextHash } from './split.ts';
import { formatValue } from '../lib/text.ts';

export interface DatasetSources {
  /** What the rows are; `classification` when absent. */
  readonly task?: RowTask;
  /** Absolute paths. */
  readonly train: readonly string[];
  /** Paths of its own, or the share of the training rows that validates. */
  readonly validation: readonly string[] | { readonly fraction: number } | null;
  /** The held-out sets by name. */
  readonly test: Readonly<Record<string, readonly string[]>>;
  readonly columns: Columns;
}

/** What the data is, as plain JSON. */
export interface DataFacts {
  readonly columns: Columns;
  /** Without the rows that validate. */
  readonly train: PartFacts;
  /** With a fraction its rows stand in the training files: `sources` is empty, and `sha256` is that of the training files. */
  readonly validation: PartFacts | null;
  readonly test: Readonly<Record<string, PartFacts>>;
  /** The training rows' labels, sorted by code unit; empty where the task has none. */
  readonly labels: readonly string[];
  /** The most frequent label of the training rows, of several the first; null where the task has none. */
  readonly majority: string | null;
  readonly warnings: readonly DataWarning[];
}

/** `part` is `train`, `validation` or `test/<name>`. */
export type DataWarning =
  /** Rows equal to an earlier row of their part. */
  | { readonly type: 'duplicate-rows'; readonly part: string; readonly rows: number }
  /** Rows whose text, or messages before the answer, stand in the training files too: their scores say less than they seem to. */
  | { readonly type: 'texts-in-training'; readonly part: string; readonly rows: number };

/**
 * Reads every file once, as a stream, and says what is in it.
 * @throws Failure as `readRows`; `data-invalid` for rows that cannot be used (up to 20 are listed), a part without rows, and for
 *   classification a single training label, and a label elsewhere that no training row has.
 */
export async function inspectDataset(sources: DatasetSources): Promise<DataFacts> {
  const { task = 'classification', train: paths, validation: rule, test, columns } = sources;
  const badRows = createBadRows();
  const read = { shape: { task, columns }, badRows };
  const trainTexts = createFingerprintSet();
  const hasHeldOut = Array.isArray(rule) || Object.keys(test).length > 0;
  const fraction = rule !== null && 'fraction' in rule ? rule.fraction : 0;
  const train = createPartTally('train');
  const split = createPartTally('validation');
  const trainFiles = await readPart(paths, read, (row, rowHash) => {
    if (hasHeldOut) trainTexts.add(toFingerprint(toTextHash(row)));
    (isBelowFraction(rowHash, fraction) ? split : train).add(row, rowHash);
  });
  const readHeldOut = async (name: string, heldOut: readonly string[]): Promise<ReadPart> => {
    const tally = createPartTally(name);
    const files = await readPart(heldOut, read, (row, rowHash) => {
      if (trainTexts.has(toFingerprint(toTextHash(row)))) tally.knownTexts++;
      tally.add(row, rowHash);
    });
    return { tally, files };
  };
  const validation =
    rule === null
      ? null
      : 'fraction' in rule
        ? { tally: split, files: { ...trainFiles, sources: [] } }
        : await readHeldOut('validation', rule);
  const tests: [string, ReadPart][] = [];
  for (const [name, heldOut] of Object.entries(test)) tests.push([name, await readHeldOut(`test/${name}`, heldOut)]);
  badRows.check();

  const trained = { tally: train, files: trainFiles };
  const heldOut = [...(validation === null ? [] : [validation]), ...tests.map(([, part]) => part)];
  if (fraction > 0) checkSplit(trained, split, fraction);
  for (const part of [trained, ...heldOut]) checkRows(part);
  if (task === 'classification') checkLabels(train, heldOut, badRows);
  const labels = [...train.labels.keys()].sort();
  const toFacts = ({ tally, files }: ReadPart): PartFacts => toPartFacts(tally, files);
  return {
    columns,
    train: toFacts(trained),
    validation: validation === null ? null : toFacts(validation),
    test: Object.fromEntries(tests.map(([name, part]) => [name, toFacts(part)])),
    labels,
    majority: toMajority(labels, train),
    warnings: [trained, ...heldOut].flatMap(({ tally }) => toWarnings(tally)),
  };
}

interface ReadPart {
  readonly tally: PartTally;
  readonly files: PartFiles;
}

function checkSplit({ tally: train, files }: ReadPart, validation: PartTally, fraction: number): void {
  const empty = [train, validation].find(({ rows }) => rows === 0);
  if (empty === undefined || train.rows === validation.rows) return; // both empty: the file is, and checkRows says so
  const read = files.sources.map(({ path }) => path).join(', ');
  throw new Failure(
    'data-invalid',
    `expected rows on both sides of the validation fraction ${fraction}, found no ${empty.name} row in ${read}`,
    {
      hint: 'Use another fraction or more rows, or give the validation rows a file of their own.',
    },
  );
}

function checkRows({ tally, files }: ReadPart): void {
  if (tally.rows > 0) return;
  throw new Failure(
    'data-invalid',
    `expected rows in the ${tally.name} data, found none in ${files.sources.map(({ path }) => path).join(', ')}`,
  );
}

function checkLabels(train: PartTally, heldOut: readonly ReadPart[], badRows: BadRows): void {
  if (train.labels.size < 2) {
    const [label] = train.labels.keys();
    throw new Failure(
      'data-invalid',
      `expected at least two labels in the training rows, found only ${formatValue(label)} in ${train.rows} rows`,
    );
  }
  for (const { tally: part } of heldOut) {
    for (const [label, { rows, source, line }] of part.labels) {
      if (train.labels.has(label)) continue;
      const message = `${source}:${line}: label ${formatValue(label)} of the ${part.name} data is on no training row (${rows} rows have it)`;
      badRows.add(
        new Failure('data-invalid', message, { hint: 'A label must be trained to be predicted: add training rows, or take these out.' }),
      );
    }
  }
  badRows.check();
}

function toMajority(labels: readonly string[], { labels: counts }: PartTally): string | null {
  const toRows = (label: string): number => counts.get(label)!.rows;
  return labels.reduce<string | null>((best, label) => (best === null || toRows(label) > toRows(best) ? label : best), null);
}

function toWarnings({ name, duplicates, knownTexts }: PartTally): DataWarning[] {
  const warnings: DataWarning[] = [];
  if (duplicates > 0) warnings.push({ type: 'duplicate-rows', part: name, rows: duplicates });
  if (knownTexts > 0) warnings.push({ type: 'texts-in-training', part: name, rows: knownTexts });
  return warnings;
}
