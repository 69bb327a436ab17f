import { closestMatch } from 'leven';
import { Failure } from '../failure.ts';
import type { RawRow } from './raw-row.ts';
import { toShown } from './to-shown.ts';

/** Which columns of the data files hold what. */
export interface ClassificationColumns {
  readonly text: string;
  readonly text2?: string | undefined;
  readonly label: string;
}

/** One row of classification data, whatever its columns were called. */
export interface ClassificationRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  readonly label: string;
}

/**
 * The row under our names.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` for an absent column, a blank text or label, and values of another kind.
 */
export function parseClassificationRow({ line, row }: RawRow, columns: ClassificationColumns, path: string): ClassificationRow {
  const place = `${path}:${line}`;
  checkColumns(row, columns, place);
  const text = parseText(row, columns.text, place);
  const label = parseLabel(row, columns.label, place);
  return columns.text2 === undefined ? { text, label } : { text, text2: parseText(row, columns.text2, place), label };
}

function parseText(row: RawRow['row'], column: string, place: string): string {
  const value = row[column];
  if (typeof value === 'string') return checkString(value, column, place);
  throw new Failure('data-invalid', `${place}: expected a string in column ${toShown(column)}, found ${toShown(value)}`);
}

/** Numbers and booleans become their JSON text. */
function parseLabel(row: RawRow['row'], column: string, place: string): string {
  const value = row[column];
  if (typeof value === 'string') return checkString(value, column, place);
  if (typeof value === 'boolean') return String(value);
  // Above 2^53 different numbers of the file would have become one label; 1e999 has become Infinity.
  if (typeof value === 'number' && (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) {
    return JSON.stringify(value);
  }
  throw new Failure('data-invalid', `${place}: expected a label in column ${toShown(column)}, found ${toShown(value)}`, {
    hint: 'A label is a string, a boolean, or a number that is exact in 64 bits.',
  });
}

/** @throws Failure `data-invalid` where the row lacks one of the columns. */
export function checkColumns(row: RawRow['row'], columns: ClassificationColumns, place: string): void {
  for (const column of [columns.text, columns.text2, columns.label]) {
    if (column !== undefined && !Object.hasOwn(row, column)) throw toAbsentFailure(row, column, place);
  }
}

function checkString(value: string, column: string, place: string): string {
  if (!/\S/.test(value)) throw new Failure('data-invalid', `${place}: column ${toShown(column)} is blank`);
  if (value.isWellFormed()) return value;
  throw new Failure(
    'data-invalid',
    `${place}: expected text in column ${toShown(column)}, found half of a surrogate pair, which UTF-8 cannot hold`,
  );
}

const shownColumns = 20;

function toAbsentFailure(row: RawRow['row'], column: string, place: string): Failure {
  const names = Object.keys(row);
  const closest = closestMatch(column, names, { maxDistance: Math.ceil(column.length / 3) });
  const shown = names.slice(0, shownColumns).map(toShown).join(', ');
  const rest = names.length > shownColumns ? ` and ${names.length - shownColumns} more` : '';
  const found = names.length === 0 ? 'no column at all' : `${shown}${rest}`;
  const question = closest === undefined ? '' : `; did you mean ${toShown(closest)}?`;
  return new Failure('data-invalid', `${place}: expected a column ${toShown(column)}, found ${found}${question}`, {
    hint: 'The job file names the columns in data.columns.',
  });
}
