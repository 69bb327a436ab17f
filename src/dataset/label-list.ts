/** Several labels of a row: how files write them, how they are written again, and what a model's answer says. */
import { parseJsonOr } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { findLabelColumns } from '../lib/label-columns.ts';
import { checkColumns, parseLabelValue } from './check-values.ts';
import { createDataFailure } from './findings.ts';
import type { Columns, RawRow } from './row.ts';
import type { NoteOnce } from './row-events.ts';

/** The one way in which labels are written as an answer: each once, sorted by code unit, as a JSON list. */
export function formatLabelList(labels: readonly string[]): string {
  return JSON.stringify(toLabelSet(labels));
}

/** The labels of an answer that `formatLabelList` has written; null for any other text. */
export function readLabelList(answer: string | null): readonly string[] | null {
  const list = answer === null ? null : parseJsonOr(answer, null);
  return Array.isArray(list) && list.every((label) => typeof label === 'string') ? list : null;
}

function toLabelSet(labels: readonly string[]): string[] {
  return [...new Set(labels)].sort();
}

/** What stands between labels; the first one that a file uses is that of the whole file, and one before it in this list ends the reading. */
const separators = ['|', ';', ','] as const;
type Separator = (typeof separators)[number];

const hint = 'Write a list such as ["a", "b"] in JSON, and "a|b" in a table; a row without a label has [] or an empty field.';

/**
 * Reads the labels of the rows of one file: those whose own column says so, or those of the column `labels`.
 * @throws Failure `data-invalid` for a column that is not there, and as `createLabelListParser`
 */
export function createLabelsParser(columns: Columns, noteOnce: NoteOnce): (raw: RawRow, place: string) => string[] {
  const own = findLabelColumns(columns);
  if (own === null) {
    const column = columns['labels'] ?? 'labels';
    const parse = createLabelListParser(column, noteOnce);
    return ({ row, line }, place) => {
      checkColumns(row, [column], place);
      return parse(row[column], place, line);
    };
  }
  return ({ row }, place) => {
    const names = own.map(({ column }) => column);
    checkColumns(row, names, place);
    return toLabelSet(own.filter(({ column }) => parseHasLabel(row[column], column, place)).map(({ label }) => label));
  };
}

/** Whether a row has the label of a column. */
function parseHasLabel(value: unknown, column: string, place: string): boolean {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : String(value);
  if (/^(1(\.0+)?|true)$/.test(text)) return true;
  if (/^(0(\.0+)?|false)$/.test(text)) return false;
  throw createDataFailure('value-kind', `${place}: expected 0 or 1 in column ${formatValue(column)}, found ${formatValue(value)}`, {
    hint: 'The column of a label has 1 for each row with the label, and 0 for all others.',
  });
}

/**
 * Reads the labels of the rows of one file: a list, or a text that holds a list of JSON or Python, or labels with a separator between them.
 * @throws Failure `data-invalid` for anything else, a blank label, and a second separator
 */
function createLabelListParser(column: string, noteOnce: NoteOnce): (value: unknown, place: string, line: number) => string[] {
  let separator: { readonly sign: Separator; readonly line: number } | null = null;
  const split = (text: string, place: string, line: number): string[] => {
    const found = separators.find((sign) => text.includes(sign));
    separator ??= found === undefined ? null : { sign: found, line };
    if (separator === null || found === undefined) return [text];
    if (separators.indexOf(found) < separators.indexOf(separator.sign)) {
      const expected = `expected labels with "${separator.sign}" between them, as on line ${separator.line}`;
      throw createDataFailure('labels-mixed', `${place}: ${expected}, found "${found}" in ${formatValue(text)}`, { hint });
    }
    noteOnce('labels-split', separator.line, `"${separator.sign}" stands between the labels of a row`);
    return text.split(separator.sign).filter((part) => part.trim() !== '');
  };
  const parseList = (text: string, place: string): unknown[] => {
    const list = parseJsonOr(text, null) ?? parsePythonList(text);
    if (Array.isArray(list)) return list as unknown[];
    throw createDataFailure(
      'value-kind',
      `${place}: expected a list of labels in column ${formatValue(column)}, found ${formatValue(text)}`,
      { hint },
    );
  };
  const toParts = (value: unknown, place: string, line: number): unknown[] => {
    if (Array.isArray(value)) return value as unknown[];
    if (typeof value === 'string') {
      const text = value.trim();
      if (!/^\[.*\]$/s.test(text)) return text === '' ? [] : split(text, place, line).map((part) => part.trim());
      noteOnce('labels-split', line, 'lists of labels that are written as text were read as lists');
      return parseList(text, place);
    }
    throw createDataFailure('value-kind', `${place}: expected labels in column ${formatValue(column)}, found ${formatValue(value)}`, {
      hint,
    });
  };
  return (value, place, line) => {
    const labels = toParts(value, place, line).map((label) => parseLabelValue(label, column, place));
    const set = toLabelSet(labels);
    if (set.length < labels.length) {
      const twice = labels.find((label, i) => labels.indexOf(label) < i);
      noteOnce('labels-repeated', line, `the label ${formatValue(twice)} stands twice in one row, and counts once`);
    }
    return set;
  };
}

/** Strings in quotes with commas between them, as pandas writes lists into tables; null for anything else. */
function parsePythonList(text: string): string[] | null {
  const item = /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(,|$)/y;
  const body = text.slice(1, -1);
  const labels: string[] = [];
  while (item.lastIndex < body.length) {
    const found = item.exec(body);
    if (found === null) return null;
    labels.push((found[1] ?? found[2]!).replaceAll(/\\(['"\\])/g, '$1'));
  }
  return labels;
}

/**
 * What a rule without a model answers: of all answers that are the same for every row, the one with the best micro-F1 on the counted rows. It
 * has the most frequent labels, as many as pay.
 */
export function findFrequentLabels(counts: ReadonlyMap<string, number>, rows: number): string[] {
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let [right, best, length] = [0, 0, 0];
  for (const [i, [, count]] of sorted.entries()) {
    right += count;
    const microF1 = (2 * right) / ((i + 1) * rows + total);
    if (microF1 > best) [best, length] = [microF1, i + 1];
  }
  return sorted.slice(0, length).map(([label]) => label);
}
