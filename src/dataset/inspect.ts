import { checkLabels, checkRows, checkSplit, createBadRows, findWarnings, type DataWarning, type ReadPart } from './problems.ts';
import type { Columns, RowTask } from './row.ts';
import { hashText, isBelowFraction } from './split.ts';
import { createFingerprintSet, createPartTally, getFingerprint, readPart, toPartFacts, type PartFacts, type PartTally } from './tally.ts';

export interface DatasetSources {
  /** The kind of the rows; `classification` when absent. */
  readonly task?: RowTask;
  /** Absolute paths. */
  readonly train: readonly string[];
  /** Paths of its own, or the share of the training rows that validates. */
  readonly validation: readonly string[] | { readonly fraction: number } | null;
  /** The held-out sets by name. */
  readonly test: Readonly<Record<string, readonly string[]>>;
  readonly columns: Columns;
  /** Those of held-out sets that have columns of their own. */
  readonly testColumns?: Readonly<Record<string, Columns>>;
}

/** Facts about the data, as plain JSON. */
export interface DataFacts {
  readonly columns: Columns;
  /** Without the rows that validate. */
  readonly train: PartFacts;
  /** With a fraction its rows are in the training files: `sources` is empty, and `sha256` is that of the training files. */
  readonly validation: PartFacts | null;
  readonly test: Readonly<Record<string, PartFacts>>;
  /** The training rows' labels, sorted by code unit; empty where the task has none. */
  readonly labels: readonly string[];
  /** The most frequent label of the training rows, of several the first; null where the task has none. */
  readonly majority: string | null;
  readonly warnings: readonly DataWarning[];
}

/**
 * Reads every file once, as a stream, and gathers its facts.
 * @throws Failure as `readRows`; `data-invalid` for rows that cannot be used (up to 20 are listed), a part without rows, and for
 *   classification a single training label, and a held-out label that no training row has.
 */
export async function inspectDataset(sources: DatasetSources): Promise<DataFacts> {
  const { task = 'classification', train: paths, validation: rule, test, columns, testColumns = {} } = sources;
  const badRows = createBadRows();
  const reader = { shape: { task, columns }, onBadRow: badRows.add };
  const trainTexts = createFingerprintSet();
  const hasHeldOut = Array.isArray(rule) || Object.keys(test).length > 0;
  const fraction = rule !== null && 'fraction' in rule ? rule.fraction : 0;
  const train = createPartTally('train');
  const split = createPartTally('validation');
  const trainFiles = await readPart(paths, reader, (row, rowHash) => {
    if (hasHeldOut) trainTexts.add(getFingerprint(hashText(row)));
    (isBelowFraction(rowHash, fraction) ? split : train).add(row, rowHash);
  });
  const readHeldOut = async (name: string, heldOut: readonly string[], own = columns): Promise<ReadPart> => {
    const tally = createPartTally(name);
    const files = await readPart(heldOut, { ...reader, shape: { task, columns: own } }, (row, rowHash) => {
      if (trainTexts.has(getFingerprint(hashText(row)))) tally.knownTexts++;
      tally.add(row, rowHash);
    });
    return { tally, files };
  };
  const readValidation = async (): Promise<ReadPart | null> => {
    if (rule === null) return null;
    return 'fraction' in rule ? { tally: split, files: { ...trainFiles, sources: [] } } : await readHeldOut('validation', rule);
  };
  const validation = await readValidation();
  const tests: [string, ReadPart][] = [];
  for (const [name, heldOut] of Object.entries(test)) tests.push([name, await readHeldOut(`test/${name}`, heldOut, testColumns[name])]);
  badRows.check();

  const trained = { tally: train, files: trainFiles };
  const heldOut = [...(validation === null ? [] : [validation]), ...tests.map(([, part]) => part)];
  if (fraction > 0) checkSplit(trained, split, fraction);
  for (const part of [trained, ...heldOut]) checkRows(part);
  if (task === 'classification') checkLabels(train, heldOut);
  const labels = [...train.labels.keys()].sort();
  const toFacts = ({ tally, files }: ReadPart): PartFacts => toPartFacts(tally, files);
  return {
    columns,
    train: toFacts(trained),
    validation: validation === null ? null : toFacts(validation),
    test: Object.fromEntries(tests.map(([name, part]) => [name, toFacts(part)])),
    labels,
    majority: findMajority(labels, train),
    warnings: [trained, ...heldOut].flatMap(({ tally }) => findWarnings(tally)),
  };
}

function findMajority(labels: readonly string[], { labels: counts }: PartTally): string | null {
  const countRows = (label: string): number => counts.get(label)!.rows;
  return labels.reduce<string | null>((best, label) => (best === null || countRows(label) > countRows(best) ? label : best), null);
}
