/** What became of the rows of data files. Texts are escaped by who prints them. */
import type { BadRowKind } from '../../dataset/bad-rows.ts';
import type { Conversion } from '../../prepare/convert.ts';
import type { ReadNote } from '../../dataset/findings.ts';
import type { Split } from '../../prepare/split-rows.ts';
import { formatCount, formatTable } from './format.ts';

/** @param path where the rows are; null: on standard output */
export function formatConversion({ rows, from, to, losses, notes, skipped }: Conversion, path: string | null): string {
  const what = from === null || from === to ? to : `${from} to ${to}`;
  return [
    `${path === null ? 'written' : `written to ${path}`}: ${formatRows(rows)}, ${what}`,
    ...notes.map(formatNote),
    ...losses.map(({ what: loss, rows: count, firstLine }) => `note: ${loss} (${formatRows(count)}, first line ${firstLine})`),
    ...formatSkipped(skipped),
  ].join('\n');
}

export function formatNote({ source, line, message }: ReadNote): string {
  return `note: ${source}${line === null ? '' : `:${line}`}: ${message}`;
}

function formatRows(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'row' : 'rows'}`;
}

/** Rows that were left out: how many, and the first of each kind with its reason. */
export function formatSkipped(skipped: readonly BadRowKind[]): string[] {
  if (skipped.length === 0) return [];
  const count = skipped.reduce((sum, { rows }) => sum + rows, 0);
  return [
    `left out: ${formatRows(count)} that cannot be used`,
    ...skipped.map(({ failures, rows, places }) => {
      const lines = places.slice(1).map(({ line }) => line);
      const others = rows === 1 ? '' : ` (and ${formatRows(rows - 1)} more: lines ${lines.join(', ')}${rows > places.length ? ', …' : ''})`;
      return `  ${failures[0]!.message}${others}`;
    }),
  ];
}

/** The same for scripts. */
export function toSkippedData({ failures, rows, places }: BadRowKind): object {
  return { code: failures[0]!.finding, message: failures[0]!.message, rows, lines: places.map(({ line }) => line) };
}

const shownLabels = 6;

/** The parts of a split, and what its reader should know of it. */
export function formatSplit({ parts, repeated, notes, skipped }: Split): string {
  const all = parts.reduce((sum, { rows }) => sum + rows, 0);
  const table = parts.map(({ name, path, rows, labels }) => [
    name,
    formatCount(rows),
    `${((100 * rows) / all).toFixed(1)} %`,
    path,
    formatLabels(labels),
  ]);
  return [
    formatTable([['part', 'rows', 'share', 'file', 'labels'], ...table], { right: [1, 2] }),
    ...notes.map(formatNote),
    ...(repeated === 0
      ? []
      : [`note: ${formatRows(repeated)} with the input of an earlier row, but for case, space and punctuation: in the part of that row`]),
    ...parts.flatMap(({ name, labels }) => formatMissing(name, Object.keys(labels), parts)),
    ...formatSkipped(skipped),
  ].join('\n');
}

function formatLabels(labels: Readonly<Record<string, number>>): string {
  const counts = Object.entries(labels).sort(([a, first], [b, second]) => second - first || (a < b ? -1 : 1));
  const shown = counts.slice(0, shownLabels).map(([label, count]) => `${label.slice(0, 40)} ${formatCount(count)}`);
  return [...shown, ...(counts.length > shown.length ? [`${formatCount(counts.length - shown.length)} more`] : [])].join(', ');
}

function formatMissing(name: string, labels: readonly string[], parts: Split['parts']): string[] {
  const missing = [...new Set(parts.flatMap((part) => Object.keys(part.labels)))].filter((label) => !labels.includes(label));
  if (missing.length === 0) return [];
  const shown = missing.slice(0, shownLabels).map((label) => JSON.stringify(label.slice(0, 40)));
  return [
    `note: ${name} has no row of ${shown.join(', ')}${missing.length > shown.length ? `, and of ${missing.length - shown.length} more` : ''}`,
  ];
}
