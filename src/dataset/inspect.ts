import { hash } from 'node:crypto';
import { basename } from 'node:path';
import type { ReadNote } from './findings.ts';
import type { Failure } from '../errors.ts';
import { createBadRows, type BadRows } from './bad-rows.ts';
import { checkLabels, checkRows, checkSplit, findWarnings, type DataWarning, type ReadPart } from './problems.ts';
import { createNearRows } from './near.ts';
import { findNearWarnings } from './near-warnings.ts';
import { findFrequentLabels, formatLabelList } from './label-list.ts';
import { tryParse } from './row-events.ts';
import { readPart } from './read-part.ts';
import type { ReadProgress } from './reading-progress.ts';
import { findRowSecret } from './row-marks.ts';
import type { Columns, LocatedRow, RowTask, TableQuote } from './row.ts';
import { divideRows, isHeldOutRow, isValidationRow, type HeldOutSplit } from './split.ts';
import { createFingerprintSet } from './fingerprints.ts';
import { createPartTally, toPartFacts, type PartFacts, type PartFiles, type PartTally } from './tally.ts';
import { readTaskBatches, type RowShape } from './task-rows.ts';

export interface DatasetSources {
  /** The kind of the rows; `classification` when absent. */
  readonly task?: RowTask;
  /** Absolute paths. */
  readonly train: readonly string[];
  /** Paths of its own, or the share of the training rows that validates. */
  readonly validation: readonly string[] | { readonly fraction: number } | null;
  /** The held-out sets by name. */
  readonly test: Readonly<Record<string, readonly string[]>>;
  /** The share of the training rows of each label that is the only held-out set, `test`. */
  readonly testFraction?: number;
  readonly columns: Columns;
  /** How the quotes of all tables are read. */
  readonly quote?: TableQuote | undefined;
  /** Those of held-out sets that have columns of their own. */
  readonly testColumns?: Readonly<Record<string, Columns>>;
  /** Is told how far the reading is. */
  readonly onRead?: ((progress: ReadProgress) => void) | undefined;
  /** Whether rows with nearly equal inputs are looked for; absent: they are. */
  readonly looksForNear?: boolean;
  /** Whether rows with keys and secrets are used. */
  readonly allowSecrets?: boolean;
}

/** Facts about the data, as plain JSON. */
export interface DataFacts {
  readonly columns: Columns;
  /** Without the rows that validate or are held out. */
  readonly train: PartFacts;
  /** With a fraction its rows are in the training files: `sources` is empty, and `sha256` is that of the training files. */
  readonly validation: PartFacts | null;
  readonly test: Readonly<Record<string, PartFacts>>;
  /** Which rows of the training files are the held-out set `test`; absent where it has files of its own. */
  readonly heldOut?: HeldOutSplit;
  /** The training rows' labels, sorted by code unit; empty where the task has none. */
  readonly labels: readonly string[];
  /** What a rule without a model answers: the most frequent label of the training rows, of several the first, the best labels for all rows where a row may have several (a JSON list), or the median of their numbers; null where the task has none of these. */
  readonly majority: string | null;
  readonly warnings: readonly DataWarning[];
}

/** Where a report wants all that is wrong, and not the first of it. */
export interface InspectHooks {
  readonly badRows: BadRows;
  /** Receives what is wrong beside single rows; reading goes on. */
  readonly onFailure: (failure: Failure) => void;
  readonly onPart: (part: ReadPart) => void;
}

/**
 * Reads every file as a stream, once (the training files twice where a share of them is held out), and gathers its facts.
 * @throws Failure as `readRows`; `data-invalid` for rows that cannot be used (of up to 20 kinds), a part without rows, and for
 *   classification a single training label or none, and a held-out label that no training row has
 */
export async function inspectDataset(sources: DatasetSources, hooks?: InspectHooks): Promise<DataFacts> {
  const {
    task = 'classification',
    train: paths,
    validation: rule,
    test,
    testFraction,
    columns,
    quote,
    testColumns = {},
    allowSecrets = false,
    looksForNear = true,
    onRead,
  } = sources;
  const badRows = hooks?.badRows ?? createBadRows();
  const notes = createNotes();
  const reader = { shape: { task, columns, quote }, onBadRow: badRows.add, onRead };
  const trainTexts = createFingerprintSet();
  const fraction = rule !== null && 'fraction' in rule ? rule.fraction : 0;
  const near = looksForNear ? createNearRows() : null;
  const train = createPartTally('train', { texts: trainTexts, near });
  const split = createPartTally('validation', { texts: trainTexts, near });
  const tested = createPartTally('test/test', { texts: trainTexts, near });
  const divided = testFraction === undefined ? null : watchRows(paths, reader);
  const heldOutSplit = divided === null ? {} : await divideRows(divided, testFraction!);
  /** Whether the row may be used. */
  const isAllowed = (row: LocatedRow, { marks }: PartTally): boolean => {
    const failure = findRowSecret(row);
    if (failure === null) return true;
    if (allowSecrets) marks.add('secret-allowed', row);
    else badRows.add(failure, row);
    return allowSecrets;
  };
  const trainFiles = await readPart(paths, { ...reader, onNote: notes.of('train') }, (row) => {
    const part = isHeldOutRow(row, heldOutSplit) ? tested : isValidationRow(row, fraction) ? split : train;
    if (isAllowed(row, part)) part.add(row);
  });
  const readHeldOut = async (name: string, files: readonly string[], own = columns): Promise<ReadPart> => {
    const tally = createPartTally(name, { near });
    const events = { onBadRow: badRows.add, onNote: notes.of(name), onRead };
    const add = tally.addHeldOut(trainTexts);
    const read = await readPart(files, { ...events, shape: { task, columns: own, quote } }, (row) => {
      if (isAllowed(row, tally)) add(row);
    });
    return { tally, files: read };
  };
  const trained = { tally: train, files: trainFiles };
  const readValidation = async (): Promise<ReadPart | null> => {
    if (rule === null) return null;
    return 'fraction' in rule ? { tally: split, files: { ...trainFiles, sources: [] } } : await readHeldOut('validation', rule);
  };
  const validation = await readValidation();
  const tests: [string, ReadPart][] = [];
  if (testFraction !== undefined) tests.push(['test', { tally: tested, files: toShare(trainFiles, testFraction) }]);
  else for (const [name, files] of Object.entries(test)) tests.push([name, await readHeldOut(`test/${name}`, files, testColumns[name])]);
  if (hooks === undefined) badRows.check();

  const heldOut = [...(validation === null ? [] : [validation]), ...tests.map(([, part]) => part)];
  const check = (run: () => void): void => {
    if (hooks === undefined) return run();
    tryParse(run, hooks.onFailure, { source: '', line: 0 });
  };
  check(() => {
    if (testFraction !== undefined) checkSplit(trained, tested, `data.test with the fraction ${testFraction}`);
    if (fraction > 0) checkSplit(trained, split, `data.validation with the fraction ${fraction}`);
  });
  for (const part of [trained, ...heldOut]) check(() => checkRows(part));
  if (task === 'classification' || task === 'multi-label') {
    check(() => checkLabels(train, heldOut, task === 'classification' ? 2 : 1));
  }
  for (const part of [trained, ...heldOut]) hooks?.onPart(part);
  const labels = [...train.labels.keys()].sort();
  const toFacts = ({ tally, files }: ReadPart): PartFacts => toPartFacts(tally, files);
  return {
    columns,
    train: toFacts(trained),
    validation: validation === null ? null : toFacts(validation),
    test: Object.fromEntries(tests.map(([name, part]) => [name, toFacts(part)])),
    ...(testFraction === undefined ? {} : { heldOut: heldOutSplit }),
    labels,
    majority: findRule(task, labels, train),
    warnings: [
      ...[trained, ...heldOut].flatMap(({ tally }) => findWarnings(tally, columns)),
      ...(near === null ? [] : findNearWarnings(near)),
      ...notes.list(),
    ],
  };
}

/** The rows for a first look at them; bad ones are reported when they are read again. */
async function* watchRows(
  paths: readonly string[],
  { shape, onRead }: { readonly shape: RowShape; readonly onRead: DatasetSources['onRead'] },
): AsyncGenerator<LocatedRow> {
  for (const path of paths) {
    let [bytes, rows] = [0, 0];
    const onBytes = (chunk: Buffer): void => void (bytes += chunk.length);
    for await (const batch of readTaskBatches([path], shape, { onBadRow: () => {}, onBytes })) {
      yield* batch;
      rows += batch.length;
      onRead?.({ path, bytes, rows });
    }
  }
}

/** What was read in another way than it is written, as warnings, each once. */
function createNotes(): { of(part: string): (note: ReadNote) => void; list(): DataWarning[] } {
  const notes = new Map<string, DataWarning>();
  return {
    of:
      (part) =>
      ({ code, source, line, message }) => {
        const place = `${basename(source)}${line === null ? '' : `:${line}`}`;
        notes.set(`${code} ${source} ${message}`, { type: 'reading', part, code, message: `${place}: ${message}` });
      },
    list: () => [...notes.values()],
  };
}

/** A share of the training files has none of its own, and is another set for another fraction. */
function toShare({ sha256 }: PartFiles, fraction: number): PartFiles {
  return { sources: [], sha256: hash('sha256', `${sha256} ${fraction}`) };
}

function findRule(task: RowTask, labels: readonly string[], train: PartTally): string | null {
  if (task === 'regression') return findMedian(train.values);
  if (task !== 'multi-label') return findMajority(labels, train);
  const counts = new Map([...train.labels].map(([label, { rows }]) => [label, rows]));
  return formatLabelList(findFrequentLabels(counts, train.rows));
}

/** The number with the least mean distance from all. */
function findMedian(values: readonly number[]): string {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return String(sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2);
}

function findMajority(labels: readonly string[], { labels: counts }: PartTally): string | null {
  const countRows = (label: string): number => counts.get(label)!.rows;
  return labels.reduce<string | null>((best, label) => (best === null || countRows(label) > countRows(best) ? label : best), null);
}
