import type { Outcome } from './trial.ts';

const columns: readonly (readonly [title: string, of: (outcome: Outcome) => number])[] = [
  ['trials', () => 1],
  ['kills', ({ kills }) => kills],
  ['adopted', ({ adopted }) => Number(adopted)],
  ['second attempts', ({ attempts }) => Number(attempts > 1)],
  ['attention', ({ attention }) => Number(attention)],
  ['double', ({ bill }) => Number(bill > 1)],
];

/** A line for each name, and one for all. */
export function toTable(outcomes: readonly Outcome[]): string {
  const groups = [...Map.groupBy(outcomes, ({ name }) => name)];
  const width = Math.max(...groups.map(([name]) => name.length), 'all'.length);
  const toLine = (name: string, cells: readonly string[]): string => {
    return `${name.padEnd(width)}${cells.map((cell, i) => cell.padStart(columns[i]![0].length + 2)).join('')}`;
  };
  const toRow = (name: string, some: readonly Outcome[]): string => {
    return toLine(
      name,
      columns.map(([, of]) => String(some.reduce((sum, outcome) => sum + of(outcome), 0))),
    );
  };
  const titles = columns.map(([title]) => title);
  return [toLine('', titles), ...groups.map(([name, some]) => toRow(name, some)), toRow('all', outcomes)].join('\n');
}
