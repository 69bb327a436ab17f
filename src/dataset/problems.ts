import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import type { PartFiles, PartTally } from './tally.ts';

/** `part` is `train`, `validation` or `test/<name>`. */
export type DataWarning =
  /** Rows equal to an earlier row of their part. */
  | { readonly type: 'duplicate-rows'; readonly part: string; readonly rows: number }
  /** Rows whose text, or messages before the answer, are in the training files too: the model has seen them. */
  | { readonly type: 'texts-in-training'; readonly part: string; readonly rows: number }
  /** Rows whose text has occurred with another label before. */
  | { readonly type: 'contradictory-labels'; readonly part: string; readonly rows: number }
  /** Labels that differ only in capitals, white space or the form of accents. */
  | { readonly type: 'similar-labels'; readonly part: string; readonly labels: readonly string[] }
  /** Labels with fewer training rows than a model can learn from. */
  | { readonly type: 'rare-labels'; readonly part: string; readonly labels: readonly string[] };

/** A part of the data that was read. */
export interface ReadPart {
  readonly tally: PartTally;
  readonly files: PartFiles;
}

/** A label with fewer training rows is hardly learned. */
const fewRows = 5;

export function findWarnings({ name: part, duplicates, knownTexts, contradictions, labels }: PartTally): DataWarning[] {
  const warnings: DataWarning[] = [];
  if (duplicates > 0) warnings.push({ type: 'duplicate-rows', part, rows: duplicates });
  if (contradictions > 0) warnings.push({ type: 'contradictory-labels', part, rows: contradictions });
  if (knownTexts > 0) warnings.push({ type: 'texts-in-training', part, rows: knownTexts });
  if (part !== 'train') return warnings; // no other part has labels of its own
  const alike = Map.groupBy(labels.keys(), normalizeLabel);
  for (const group of alike.values()) if (group.length > 1) warnings.push({ type: 'similar-labels', part, labels: group.sort() });
  const rare = [...labels].filter(([, { rows }]) => rows < fewRows).map(([label]) => label);
  if (rare.length > 0) warnings.push({ type: 'rare-labels', part, labels: rare.sort() });
  return warnings;
}

function normalizeLabel(label: string): string {
  return label.normalize('NFKC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

export function formatWarning(warning: DataWarning): string {
  const { type, part } = warning;
  const where = formatPart(part);
  if (type === 'similar-labels') {
    return `the labels ${formatLabels(warning.labels)} of the ${where} differ only in capitals or white space: the model learns them as different labels`;
  }
  if (type === 'rare-labels') {
    return `fewer than ${fewRows} rows of the ${where} have the label ${formatLabels(warning.labels)}: a model hardly learns it from so few`;
  }
  const { rows } = warning;
  const one = rows === 1;
  if (type === 'duplicate-rows') return `${rows} duplicate ${one ? 'row' : 'rows'} in the ${where}`;
  const subject = `${rows} ${one ? 'row' : 'rows'} of the ${where} ${one ? 'has' : 'have'}`;
  if (type === 'contradictory-labels') return `${subject} the text of another row with another label`;
  return `${subject} the same input as a training row: the scores will be too high`;
}

const shownLabels = 5;

function formatLabels(labels: readonly string[]): string {
  const shown = labels.slice(0, shownLabels).map(formatValue);
  return `${shown.join(', ')}${labels.length > shownLabels ? ` and ${labels.length - shownLabels} more` : ''}`;
}

/** A part as messages name it. A single test set is called `test`. */
function formatPart(part: string): string {
  if (part === 'train') return 'training data';
  if (!part.startsWith('test/')) return `${part} data`;
  const name = part.slice('test/'.length);
  return name === 'test' ? 'test data' : `test data ${formatValue(name)}`;
}

const shownKinds = 20;
/** Of a problem that more rows have, the first is shown with the lines of some others. */
const shownAlike = 3;

export interface BadRows {
  add(failure: Failure): void;
  /** @throws Failure `data-invalid` that lists the failures, if there are any. */
  check(): void;
}

/** Gathers failures of single rows, so that a person sees all of them at once, and those that are alike once. */
export function createBadRows(): BadRows {
  const kinds = new Map<string, { readonly failures: Failure[]; rows: number }>();
  let count = 0;
  return {
    add(failure) {
      count++;
      const words = failure.message.replace(/:\d+/, '');
      const kind = kinds.get(words);
      if (kind === undefined) {
        if (kinds.size < shownKinds) kinds.set(words, { failures: [failure], rows: 1 });
        return;
      }
      kind.rows++;
      if (kind.failures.length <= shownAlike) kind.failures.push(failure);
    },
    check() {
      const all = [...kinds.values()];
      const failures = all.flatMap((kind) => kind.failures);
      const [first] = failures;
      if (first === undefined) return;
      if (count === 1) throw first;
      const hint = first.hint !== null && failures.every((failure) => failure.hint === first.hint) ? { hint: first.hint } : {};
      const shown = all.flatMap(listAlike);
      if (shown.length === 1) throw new Failure('data-invalid', shown[0]!, hint);
      const rest = count - all.reduce((sum, { rows }) => sum + rows, 0);
      const lines = [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].map((line) => `  ${line}`);
      throw new Failure('data-invalid', `${count} rows cannot be used:\n${lines.join('\n')}`, hint);
    },
  };
}

/** Each of a few failures, or the first of many with the lines of the next ones. */
function listAlike({ failures, rows }: { readonly failures: readonly Failure[]; readonly rows: number }): string[] {
  const messages = failures.map(({ message }) => message);
  if (rows <= shownAlike) return messages;
  const lines = messages.slice(1).map((message) => /:(\d+)/.exec(message)?.[1]);
  return [`${messages[0]!} (and ${rows - 1} more rows like it: lines ${lines.join(', ')}${rows - 1 > lines.length ? ', …' : ''})`];
}

/** @throws Failure `data-invalid` for a fraction that leaves one side empty */
export function checkSplit(train: ReadPart, share: PartTally, field: string): void {
  const empty = [train.tally, share].find(({ rows }) => rows === 0);
  if (empty === undefined || train.tally.rows === share.rows) return; // both empty: so is the file, which checkRows reports
  const expected = `${field}: expected rows on both sides`;
  const found = `found no ${empty === train.tally ? 'training' : share.name === 'validation' ? 'validation' : 'held-out'} row in ${listFiles(train)}`;
  const hint = 'Use another fraction or more rows, or give these rows a file of their own.';
  throw new Failure('data-invalid', `${expected}, ${found}`, { hint });
}

/** @throws Failure `data-invalid` for a part without rows */
export function checkRows(part: ReadPart): void {
  if (part.tally.rows > 0) return;
  throw new Failure('data-invalid', `expected rows in the ${formatPart(part.tally.name)}, found none in ${listFiles(part)}`);
}

function listFiles({ files }: ReadPart): string {
  return files.sources.map(({ path }) => path).join(', ');
}

/** @throws Failure `data-invalid` for a single training label, and for held-out labels that no training row has */
export function checkLabels(train: PartTally, heldOut: readonly ReadPart[]): void {
  if (train.labels.size < 2) {
    const [label] = train.labels.keys();
    const found = `found only ${formatValue(label)} in ${train.rows} rows`;
    throw new Failure('data-invalid', `expected at least two labels in the training rows, ${found}`);
  }
  const badRows = createBadRows();
  for (const { tally: part } of heldOut) {
    for (const [label, { rows, source, line }] of part.labels) {
      if (train.labels.has(label)) continue;
      const count = rows === 1 ? '1 row has it' : `${rows} rows have it`;
      const message = `${source}:${line}: no training row has the label ${formatValue(label)} of the ${formatPart(part.name)} (${count})`;
      const hint = 'A model predicts only labels that it was trained on: add training rows, or remove these.';
      badRows.add(new Failure('data-invalid', message, { hint }));
    }
  }
  badRows.check();
}
