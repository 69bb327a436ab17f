import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';

/**
 * The text of a column.
 * @throws Failure `data-invalid` where it is blank or not well-formed Unicode.
 */
export function checkText(value: string, column: string, place: string): string {
  if (!/\S/.test(value)) throw new Failure('data-invalid', `${place}: column ${formatValue(column)} is blank`);
  if (value.isWellFormed()) return value;
  throw new Failure(
    'data-invalid',
    `${place}: expected text in column ${formatValue(column)}, found half of a surrogate pair, which UTF-8 cannot hold`,
  );
}
