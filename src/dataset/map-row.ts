import { Failure } from '../errors.ts';
import { checkColumns } from './check-columns.ts';
import { checkText } from './check-text.ts';
import type { RawRow } from './raw-row.ts';
import type { ClassificationRow } from './row.ts';
import { formatValue } from '../lib/text.ts';

export type { ClassificationRow } from './row.ts';

/** Which columns of the data files hold what. */
export interface ClassificationColumns {
  readonly text: string;
  readonly text2?: string | undefined;
  readonly label: string;
}

/**
 * The row under our names.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` for an absent column, a blank text or label, and values of another kind.
 */
export function parseClassificationRow({ line, row }: RawRow, columns: ClassificationColumns, path: string): ClassificationRow {
  const place = `${path}:${line}`;
  checkColumns(row, [columns.text, columns.text2, columns.label], place);
  const text = parseText(row, columns.text, place);
  const label = parseLabel(row, columns.label, place);
  return columns.text2 === undefined ? { text, label } : { text, text2: parseText(row, columns.text2, place), label };
}

function parseText(row: RawRow['row'], column: string, place: string): string {
  const value = row[column];
  if (typeof value === 'string') return checkText(value, column, place);
  throw new Failure('data-invalid', `${place}: expected a string in column ${formatValue(column)}, found ${formatValue(value)}`);
}

/** Numbers and booleans become their JSON text. */
function parseLabel(row: RawRow['row'], column: string, place: string): string {
  const value = row[column];
  if (typeof value === 'string') return checkText(value, column, place);
  if (typeof value === 'boolean') return String(value);
  // Above 2^53 different numbers of the file would have become one label; 1e999 has become Infinity.
  if (typeof value === 'number' && (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) {
    return JSON.stringify(value);
  }
  throw new Failure('data-invalid', `${place}: expected a label in column ${formatValue(column)}, found ${formatValue(value)}`, {
    hint: 'A label is a string, a boolean, or a number that is exact in 64 bits.',
  });
}
