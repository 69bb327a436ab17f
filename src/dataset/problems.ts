import { createBadRows } from './bad-rows.ts';
import { basename } from 'node:path';
import { formatValue } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import { findLabelWarnings, formatLabelWarning, type LabelWarning } from './label-warnings.ts';
import { formatNearWarning, type NearWarning } from './near-warnings.ts';
import type { Place } from './row-events.ts';
import type { Columns } from './row.ts';
import type { MarkCode } from './row-marks.ts';
import type { Meeting, PartFiles, PartTally } from './tally.ts';

/** `part` is `train`, `validation` or `test/<name>`; `example` is the first row of the kind beside the one that it meets. */
export type DataWarning =
  /** Rows equal to an earlier row of their part. */
  | { readonly type: 'duplicate-rows'; readonly part: string; readonly rows: number; readonly example?: Meeting }
  /** Rows whose text, or messages before the answer, are in the training files too: the model has seen them. */
  | { readonly type: 'texts-in-training'; readonly part: string; readonly rows: number; readonly example?: Meeting }
  /** Rows whose text, or messages before the answer, have occurred with another label or answer before. */
  | {
      readonly type: 'contradictory-labels';
      readonly part: string;
      readonly rows: number;
      readonly example?: Meeting;
      /** Rows of conversations, which have answers. */
      readonly areChats?: boolean;
    }
  /** Labels that differ only in capitals, white space or the form of accents; `counts` are their rows. */
  | {
      readonly type: 'similar-labels';
      readonly part: string;
      readonly labels: readonly string[];
      readonly counts?: readonly number[];
      readonly lines?: readonly number[];
    }
  /** Labels with fewer training rows than a model can learn from. */
  | { readonly type: 'rare-labels'; readonly part: string; readonly labels: readonly string[]; readonly lines?: readonly number[] }
  /** Nearly as many labels as rows; `texts` is the number of different texts. */
  | {
      readonly type: 'many-labels';
      readonly part: string;
      readonly labels: number;
      readonly rows: number;
      readonly texts: number;
      readonly columns: { readonly text: string; readonly label: string };
    }
  | NearWarning
  | LabelWarning
  /** Rows that have something that a person should know. */
  | {
      readonly type: 'marked-rows';
      readonly part: string;
      readonly code: MarkCode;
      readonly rows: number;
      readonly places: readonly Place[];
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
    const areChats = type === 'contradictory-labels' && labels.size === 0;
    if (count > 0) warnings.push({ type, part, rows: count, ...(example && { example }), ...(areChats && { areChats }) });
  };
  const hasMany = part === 'train' && labels.size > fewLabels && labels.size * 2 > rows;
  add('duplicate-rows', duplicates, examples.duplicates);
  if (hasMany) {
    const { text = 'text', label = 'label' } = columns;
    warnings.push({ type: 'many-labels', part, labels: labels.size, rows, texts: newTexts, columns: { text, label } });
  } else add('contradictory-labels', contradictions, examples.contradictions); // where columns are swapped, nearly every row contradicts
  add('texts-in-training', knownTexts, examples.knownTexts);
  for (const mark of tally.marks.list()) warnings.push({ type: 'marked-rows', part, ...mark });
  if (part !== 'train') return warnings; // no other part has labels of its own
  const findLines = (some: readonly string[]): number[] => some.slice(0, shownLabels).map((label) => labels.get(label)!.line);
  const alike = Map.groupBy(labels.keys(), normalizeLabel);
  for (const group of alike.values()) {
    if (group.length === 1) continue;
    const sorted = group.sort();
    warnings.push({
      type: 'similar-labels',
      part,
      labels: sorted,
      counts: sorted.map((label) => labels.get(label)!.rows),
      lines: findLines(sorted),
    });
  }
  const rare = [...labels].filter(([, { rows: count }]) => count < fewRows).map(([label]) => label);
  if (!hasMany) warnings.push(...findLabelWarnings(tally));
  if (rare.length > 0 && !hasMany) warnings.push({ type: 'rare-labels', part, labels: rare.sort(), lines: findLines(rare) });
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
  if (type === 'marked-rows') return formatMarked(warning, where);
  if (type === 'near-rows') return formatNearWarning(warning, where);
  if (type === 'missing-labels' || type === 'uneven-labels') return formatLabelWarning(warning, where);
  const { rows, example } = warning;
  const one = rows === 1;
  const place = example === undefined ? '' : formatMeeting(example, rows);
  if (type === 'duplicate-rows') return `${rows} duplicate ${one ? 'row' : 'rows'} in the ${where}${place}`;
  const subject = `${rows} ${one ? 'row' : 'rows'} of the ${where} ${one ? 'has' : 'have'}`;
  if (type === 'contradictory-labels') {
    return `${subject} ${warning.areChats === true ? 'the messages of another row with another answer' : 'the text of another row with another label'}${place}`;
  }
  return `${subject} the same input as a training row: the scores will be too high${place}`;
}

function formatManyLabels({ labels, rows, texts, columns }: Extract<DataWarning, { readonly type: 'many-labels' }>): string {
  const question = `${labels} labels for ${rows} rows: is ${formatValue(columns.label)} the right column?`;
  if (texts * 4 > labels) return question;
  const swapped = `{"text": ${formatValue(columns.label)}, "label": ${formatValue(columns.text)}}`;
  return `${question} ${formatValue(columns.text)} has only ${texts} different values: if the two are swapped, set data.columns to ${swapped}`;
}

const marked: Readonly<Record<MarkCode, string>> = {
  'secret-allowed': 'with a key or a secret, which you allowed',
  'personal-email': 'with addresses of e-mail: a model may learn and tell them',
  'personal-phone': 'with numbers of telephones: a model may learn and tell them',
  'tools-unanswered': 'in which the conversation goes on before the calls of tools have their answers: services may refuse them',
  'chat-empty': 'in which a message of the user has no word',
};

function formatMarked({ code, rows, places }: Extract<DataWarning, { readonly type: 'marked-rows' }>, where: string): string {
  const [first] = places;
  const place = first === undefined ? '' : ` (${rows === 1 ? '' : 'first '}${basename(first.source)}:${first.line})`;
  return `${rows} ${rows === 1 ? 'row' : 'rows'} of the ${where} ${marked[code]}${place}`;
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

/** @throws Failure `data-invalid` for a single training label, and for held-out labels that no training row has */
export function checkLabels(train: PartTally, heldOut: readonly ReadPart[]): void {
  if (train.labels.size < 2) {
    const [label] = train.labels.keys();
    const found = `found only ${formatValue(label)} in ${train.rows} rows`;
    throw createDataFailure('labels-one', `expected at least two labels in the training rows, ${found}`);
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
