/** The columns of a file, found by the names that the job gives them. */
import { formatValue } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import type { RowEvents } from './row-events.ts';
import type { Columns, RawRow } from './row.ts';

/** Whether a person takes two names for one. */
export function isAlike(name: string, other: string): boolean {
  return name === other || normalize(name) === normalize(other);
}

function normalize(name: string): string {
  return name.replaceAll('\ufeff', '').normalize('NFKC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

interface FileRow {
  readonly row: RawRow['row'];
  readonly line: number;
  readonly path: string;
  readonly isTable: boolean;
}

/**
 * The columns with the names that the file has for them, by its first row: where a name is not there, but one that differs in capitals or
 * white space only, that one is taken.
 * @throws Failure `data-invalid` for a table whose first line names none of the columns and looks like a row
 */
export function findColumns(columns: Columns, { row, line, path, isTable }: FileRow, onNote: RowEvents['onNote']): Columns {
  const names = Object.keys(row);
  const found = Object.entries(columns).map(([ours, wanted]): [string, string] => {
    if (Object.hasOwn(row, wanted)) return [ours, wanted];
    const alike = names.filter((name) => isAlike(name, wanted));
    if (alike.length !== 1) return [ours, wanted];
    const message = `the column ${formatValue(alike[0])} was taken for ${formatValue(wanted)}`;
    onNote({ code: 'column-alike', source: path, line: isTable ? 1 : line, message });
    return [ours, alike[0]!];
  });
  if (isTable && found.every(([, name]) => !Object.hasOwn(row, name)) && names.some(isRowLike)) {
    const wanted = Object.values(columns);
    const place = `${path}:1`;
    const expected = `expected the first line to name the columns, ${wanted.map(formatValue).join(' and ')} among them`;
    throw createDataFailure(
      'table-header',
      `${place}: ${expected}, found what looks like a row: ${names.slice(0, 3).map(formatValue).join(', ')}`,
      {
        hint: `Write the line ${wanted.join(',')} before the rows, in the order of their fields.`,
      },
    );
  }
  return Object.fromEntries(found);
}

/** Names of columns are short and no numbers. */
function isRowLike(name: string): boolean {
  return name.length > 40 || name.trim().split(/\s+/).length > 3 || /^\s*-?\d+([.,]\d+)?\s*$/.test(name);
}
