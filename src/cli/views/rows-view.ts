/** What became of the rows of data files. Texts are escaped by who prints them. */
import type { BadRowKind } from '../../dataset/problems.ts';
import type { Conversion } from '../../prepare/convert.ts';
import { formatCount } from './format.ts';

/** @param path where the rows are; null: on standard output */
export function formatConversion({ rows, from, to, losses, notes, skipped }: Conversion, path: string | null): string {
  const what = from === null || from === to ? to : `${from} to ${to}`;
  return [
    `${path === null ? 'written' : `written to ${path}`}: ${formatRows(rows)}, ${what}`,
    ...notes.map(({ source, line, message }) => `note: ${source}${line === null ? '' : `:${line}`}: ${message}`),
    ...losses.map(({ what: loss, rows: count, firstLine }) => `note: ${loss} (${formatRows(count)}, first line ${firstLine})`),
    ...formatSkipped(skipped),
  ].join('\n');
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
