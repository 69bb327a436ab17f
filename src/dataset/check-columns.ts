import { closestMatch } from 'leven';
import { Failure } from '../errors.ts';
import type { RawRow } from './raw-row.ts';
import { formatValue } from '../lib/text.ts';

/** Which columns of the data files hold what: our names, and theirs. */
export type Columns = Readonly<Record<string, string>>;

/** @throws Failure `data-invalid` where the row lacks one of the columns; an absent name asks for none. */
export function checkColumns(row: RawRow['row'], columns: readonly (string | undefined)[], place: string): void {
  for (const column of columns) {
    if (column !== undefined && !Object.hasOwn(row, column)) throw toAbsentFailure(row, column, place);
  }
}

const shownColumns = 20;

function toAbsentFailure(row: RawRow['row'], column: string, place: string): Failure {
  const names = Object.keys(row);
  const closest = closestMatch(column, names, { maxDistance: Math.ceil(column.length / 3) });
  const shown = names.slice(0, shownColumns).map(formatValue).join(', ');
  const rest = names.length > shownColumns ? ` and ${names.length - shownColumns} more` : '';
  const found = names.length === 0 ? 'no column at all' : `${shown}${rest}`;
  const question = closest === undefined ? '' : `; did you mean ${formatValue(closest)}?`;
  return new Failure('data-invalid', `${place}: expected a column ${formatValue(column)}, found ${found}${question}`, {
    hint: 'The job file names the columns in data.columns.',
  });
}
