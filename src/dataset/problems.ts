import { basename } from 'node:path';
import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import type { Place } from './row-events.ts';
import type { Columns } from './row.ts';
import type { Meeting, PartFiles, PartTally } from './tally.ts';

/** `part` is `train`, `validation` or `test/<name>`; `example` is the first row of the kind beside the one that it meets. */
export type DataWarning =
  /** Rows equal to an earlier row of their part. */
  | { readonly type: 'duplicate-rows'; readonly part: string; readonly rows: number; readonly example?: Meeting }
  /** Rows whose text, or messages before the answer, are in the training files too: the model has seen them. */
  | { readonly type: 'texts-in-training'; readonly part: string; readonly rows: number; readonly example?: Meeting }
  /** Rows whose text has occurred with another label before. */
  | { readonly type: 'contradictory-labels'; readonly part: string; readonly rows: number; readonly example?: Meeting }
  /** Labels that differ only in capitals, white space or the form of accents; `counts` are their rows. */
  | { readonly type: 'similar-labels'; readonly part: string; readonly labels: readonly string[]; readonly counts?: readonly number[] }
  /** Labels with fewer training rows than a model can learn from. */
  | { readonly type: 'rare-labels'; readonly part: string; readonly labels: readonly string[] }
  /** Nearly as many labels as rows; `texts` is the number of different texts. */
  | {
      readonly type: 'many-labels';
      readonly part: string;
      readonly labels: number;
      readonly rows: number;
      readonly texts: number;
      readonly columns: { readonly text: string; readonly label: string };
    }
  /** Something was read in another way than it is written. */
  | { readonly type: 'reading'; readonly part: string; readonly code: string; readonly message: string };

/** A part of the data that was read. */
export interface ReadPart {
  readonly tally: PartTally;
  readonly files: PartFiles;
}

/** A label with fewer training rows is hardly learned. */
const fewRows = 5;

/** @param columns of the part: a warning names those that may be the wrong ones */
export function findWarnings(tally: PartTally, columns: Columns): DataWarning[] {
  const { name: part, rows, duplicates, knownTexts, contradictions, examples, labels, newTexts } = tally;
  const warnings: DataWarning[] = [];
  const add = (
    type: 'duplicate-rows' | 'contradictory-labels' | 'texts-in-training',
    count: number,
    example: Meeting | undefined,
  ): void => {
    if (count > 0) warnings.push({ type, part, rows: count, ...(example === undefined ? {} : { example }) });
  };
  const hasMany = part === 'train' && labels.size > fewLabels && labels.size * 2 > rows;
  add('duplicate-rows', duplicates, examples.duplicates);
  if (hasMany) {
    const { text = 'text', labels: several = 'label', label = several } = columns;
    warnings.push({ type: 'many-labels', part, labels: labels.size, rows, texts: newTexts, columns: { text, label } });
  } else add('contradictory-labels', contradictions, examples.contradictions); // where columns are swapped, nearly every row contradicts
  add('texts-in-training', knownTexts, examples.knownTexts);
  if (part !== 'train') return warnings; // no other part has labels of its own
  const alike = Map.groupBy(labels.keys(), normalizeLabel);
  for (const group of alike.values()) {
    if (group.length === 1) continue;
    const sorted = group.sort();
    warnings.push({ type: 'similar-labels', part, labels: sorted, counts: sorted.map((label) => labels.get(label)!.rows) });
  }
  const rare = [...labels].filter(([, { rows: count }]) => count < fewRows).map(([label]) => label);
  if (rare.length > 0 && !hasMany) warnings.push({ type: 'rare-labels', part, labels: rare.sort() });
  return warnings;
}

/** With so few labels nearly as many as rows are no sign of a wrong column. */
const fewLabels = 10;

function normalizeLabel(label: string): string {
  return label.normalize('NFKC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

/** The warning without the place of the first row that has it. */
export function omitExample(warning: DataWarning): DataWarning {
  if (!('example' in warning)) return warning;
  const { example: _, ...rest } = warning;
  return rest;
}

export function formatWarning(warning: DataWarning): string {
  const { type, part } = warning;
  const where = formatPart(part);
  if (type === 'reading') return warning.message;
  if (type === 'similar-labels') {
    const shown = warning.counts === undefined ? formatLabels(warning.labels) : formatLabels(warning.labels, warning.counts);
    return `the labels ${shown} of the ${where} differ only in capitals or white space: the model learns them as different labels`;
  }
  if (type === 'rare-labels') {
    return `fewer than ${fewRows} rows of the ${where} have the label ${formatLabels(warning.labels)}: a model hardly learns it from so few`;
  }
  if (type === 'many-labels') return formatManyLabels(warning);
  const { rows, example } = warning;
  const one = rows === 1;
  const place = example === undefined ? '' : formatMeeting(example, rows);
  if (type === 'duplicate-rows') return `${rows} duplicate ${one ? 'row' : 'rows'} in the ${where}${place}`;
  const subject = `${rows} ${one ? 'row' : 'rows'} of the ${where} ${one ? 'has' : 'have'}`;
  if (type === 'contradictory-labels') return `${subject} the text of another row with another label${place}`;
  return `${subject} the same input as a training row: the scores will be too high${place}`;
}

function formatManyLabels({ labels, rows, texts, columns }: Extract<DataWarning, { readonly type: 'many-labels' }>): string {
  const question = `${labels} labels for ${rows} rows: is ${formatValue(columns.label)} the right column?`;
  if (texts * 4 > labels) return question;
  const swapped = `{"text": ${formatValue(columns.label)}, "label": ${formatValue(columns.text)}}`;
  return `${question} ${formatValue(columns.text)} has only ${texts} different values: if the two are swapped, set data.columns to ${swapped}`;
}

/** ` (line 61 like line 1)`. */
function formatMeeting({ source, line, otherSource, otherLine }: Meeting, rows: number): string {
  const first = rows === 1 ? '' : 'first ';
  if (otherSource === undefined) return ` (${first}line ${line} against line ${otherLine})`;
  return ` (${first}${basename(source)}:${line} against ${basename(otherSource)}:${otherLine})`;
}

const shownLabels = 5;

/** @param counts how many rows have each */
function formatLabels(labels: readonly string[], counts?: readonly number[]): string {
  const shown = labels
    .slice(0, shownLabels)
    .map((label, i) => `${formatValue(label)}${counts === undefined ? '' : ` (${counts[i]} rows)`}`);
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

/** Rows that cannot be used for the same cause. */
export interface BadRowKind {
  /** Of the first of them. */
  readonly failures: readonly Failure[];
  readonly places: readonly Place[];
  readonly rows: number;
}

export interface BadRows {
  add(failure: Failure, place: Place): void;
  list(): readonly BadRowKind[];
  /** @throws Failure `data-invalid` that lists the failures, if there are any. */
  check(): void;
}

/** Gathers failures of single rows, so that a person sees all of them at once, and those of the same cause once. */
export function createBadRows(): BadRows {
  const kinds = new Map<string, { readonly failures: Failure[]; readonly places: Place[]; rows: number }>();
  let count = 0;
  return {
    add(failure, place) {
      count++;
      const cause = `${place.source} ${toCause(failure)}`;
      const kind = kinds.get(cause);
      if (kind === undefined) {
        if (kinds.size < shownKinds) kinds.set(cause, { failures: [failure], places: [place], rows: 1 });
        return;
      }
      kind.rows++;
      if (kind.failures.length > shownAlike) return;
      kind.failures.push(failure);
      kind.places.push(place);
    },
    list: () => [...kinds.values()],
    check() {
      const all = [...kinds.values()];
      const failures = all.flatMap((kind) => kind.failures);
      const [first] = failures;
      if (first === undefined) return;
      if (count === 1) throw first;
      const isSame = (field: 'hint' | 'finding'): boolean => failures.every((failure) => failure[field] === first[field]);
      const details = {
        ...(first.hint !== null && isSame('hint') ? { hint: first.hint } : {}),
        ...(first.finding !== null && isSame('finding') ? { finding: first.finding } : {}),
      };
      const shown = all.flatMap(listAlike);
      if (shown.length === 1) throw new Failure('data-invalid', shown[0]!, details);
      const rest = count - all.reduce((sum, { rows }) => sum + rows, 0);
      const lines = [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].map((line) => `  ${line}`);
      throw new Failure('data-invalid', `${count} rows cannot be used:\n${lines.join('\n')}`, details);
    },
  };
}

/** What failures of one cause have in common: the code, and what was expected; not the place, and not what was found. */
function toCause({ message, finding }: Failure): string {
  const expected = message
    .replace(/:\d+(:\d+)?/, '')
    .replace(/, (?:found|in) .*$/s, '')
    .replace(/\[\d+\]/g, '[]');
  return finding === 'json-invalid' ? finding : `${finding ?? ''} ${expected}`;
}

/** Each of a few failures, or the first of many with the lines of the next ones. */
function listAlike({ failures, places, rows }: BadRowKind): string[] {
  const messages = failures.map(({ message }) => message);
  if (rows <= shownAlike) return messages;
  const lines = places.slice(1).map(({ line }) => line);
  return [`${messages[0]!} (and ${rows - 1} more rows like it: lines ${lines.join(', ')}${rows - 1 > lines.length ? ', …' : ''})`];
}

/** @throws Failure `data-invalid` for a fraction that leaves one side empty */
export function checkSplit(train: ReadPart, share: PartTally, field: string): void {
  const empty = [train.tally, share].find(({ rows }) => rows === 0);
  if (empty === undefined || train.tally.rows === share.rows) return; // both empty: so is the file, which checkRows reports
  const expected = `${field}: expected rows on both sides`;
  const found = `found no ${empty === train.tally ? 'training' : share.name === 'validation' ? 'validation' : 'held-out'} row in ${listFiles(train)}`;
  const hint = 'Use another fraction or more rows, or give these rows a file of their own.';
  throw createDataFailure('rows-missing', `${expected}, ${found}`, { hint });
}

/** @throws Failure `data-invalid` for a part without rows */
export function checkRows(part: ReadPart): void {
  if (part.tally.rows > 0) return;
  throw createDataFailure('rows-missing', `expected rows in the ${formatPart(part.tally.name)}, found none in ${listFiles(part)}`);
}

function listFiles({ files }: ReadPart): string {
  return files.sources.map(({ path }) => path).join(', ');
}

/**
 * @param least labels that the training rows need: two, or one where a row may have none
 * @throws Failure `data-invalid` for fewer training labels, and for held-out labels that no training row has
 */
export function checkLabels(train: PartTally, heldOut: readonly ReadPart[], least: 1 | 2): void {
  if (train.labels.size < least) {
    const [label] = train.labels.keys();
    const expected = `expected at least ${least === 1 ? 'one label' : 'two labels'} in the training rows`;
    const found = `found ${label === undefined ? 'none' : `only ${formatValue(label)}`} in ${train.rows} rows`;
    throw createDataFailure('labels-one', `${expected}, ${found}`);
  }
  const badRows = createBadRows();
  for (const { tally: part } of heldOut) {
    for (const [label, { rows, source, line }] of part.labels) {
      if (train.labels.has(label)) continue;
      const count = rows === 1 ? '1 row has it' : `${rows} rows have it`;
      const near = findNear(label, train.labels.keys());
      const but = near === null ? '' : `; training rows have ${formatValue(near)}`;
      const message = `${source}:${line}: no training row has the label ${formatValue(label)} of the ${formatPart(part.name)} (${count})${but}`;
      badRows.add(createDataFailure('label-unknown', message, { hint: near === null ? missingHint : nearHint }), { source, line });
    }
  }
  badRows.check();
}

const missingHint = 'A model predicts only labels that it was trained on: add training rows, or remove these.';
const nearHint =
  'Write both in the same way: pandas makes 1.0 of 1 where a column has empty cells, which .astype(int) undoes; labels are compared letter by letter.';

/** A label that a person takes for the same. */
function findNear(label: string, labels: Iterable<string>): string | null {
  const toNear = (text: string): string => {
    const plain = normalizeLabel(text);
    return /^[+-]?\d+([.,]\d+)?$/.test(plain) ? String(Number(plain.replace(',', '.'))) : plain;
  };
  for (const other of labels) if (toNear(other) === toNear(label)) return other;
  return null;
}
