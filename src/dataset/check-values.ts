/** Checks of single values, whose messages name the place; the tasks' row mappings share them. */
import { closestMatch } from 'leven';
import type { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure, type FindingCode } from './findings.ts';
import type { RawRow } from './row.ts';

/** @throws Failure `data-invalid` where the row lacks one of the columns; undefined is a column that is not needed. */
export function checkColumns(row: RawRow['row'], columns: readonly (string | undefined)[], place: string): void {
  for (const column of columns) {
    if (column !== undefined && !Object.hasOwn(row, column)) throw createColumnFailure(row, column, place);
  }
}

const shownColumns = 20;

function createColumnFailure(row: RawRow['row'], column: string, place: string): Failure {
  const names = Object.keys(row);
  const closest = closestMatch(column, names, { maxDistance: Math.ceil(column.length / 3) });
  const shown = names.slice(0, shownColumns).map(formatValue).join(', ');
  const rest = names.length > shownColumns ? ` and ${names.length - shownColumns} more` : '';
  const found = names.length === 0 ? 'no columns' : `${shown}${rest}`;
  const question = closest === undefined ? '' : `; did you mean ${formatValue(closest)}?`;
  return createDataFailure('column-missing', `${place}: expected a column ${formatValue(column)}, found ${found}${question}`, {
    hint: findColumnHint(row, column),
  });
}

function findColumnHint(row: RawRow['row'], column: string): string {
  const list = Object.entries(row).find(([, value]) => Array.isArray(value) && isObject(value[0]) && Object.hasOwn(value[0], column));
  if (list !== undefined)
    return `The rows are the items of ${formatValue(list[0])}: take them out, such as with \`jq -c '.[${JSON.stringify(list[0])}][]' FILE\`.`;
  const name = Object.keys(row).find((key) => key.length <= 20 && /^\w+$/.test(key)) ?? 'name';
  return `The job file names the columns in data.columns, such as {${JSON.stringify(column)}: ${JSON.stringify(name)}} where the file calls it so.`;
}

/**
 * The value of a text column.
 * @throws Failure `data-invalid` where it is not a string, is blank, or is not well-formed Unicode.
 */
export function parseText(value: unknown, column: string, place: string): string {
  if (typeof value !== 'string') {
    const isSideways = isObject(value) && Object.hasOwn(value, '0');
    throw createDataFailure('value-kind', `${place}: expected a string in column ${formatValue(column)}, found ${formatValue(value)}`, {
      ...(isSideways && { hint: 'pandas writes columns as objects by default: use to_json(path, orient="records", lines=True).' }),
    });
  }
  if (!/\S/.test(value)) throw createDataFailure('value-blank', `${place}: column ${formatValue(column)} is blank`);
  if (value.isWellFormed()) return value;
  throw createDataFailure('value-text', `${place}: expected text in column ${formatValue(column)}, found ${halfPair}`);
}

/**
 * A value as a label: numbers and booleans become their JSON text.
 * @throws Failure `data-invalid` for a blank text, and values of another kind
 */
export function parseLabelValue(value: unknown, column: string, place: string): string {
  if (typeof value === 'string') return parseText(value, column, place);
  if (typeof value === 'boolean') return String(value);
  // Above 2^53 different numbers of the file would have become one label; 1e999 has become Infinity.
  if (typeof value === 'number' && (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) {
    return JSON.stringify(value);
  }
  throw createDataFailure('value-kind', `${place}: expected a label in column ${formatValue(column)}, found ${formatValue(value)}`, {
    hint: 'A label is a string, a boolean, or a number that is exact in 64 bits.',
  });
}

const halfPair = 'half of a surrogate pair, which UTF-8 cannot encode';

/** Lists and objects inside one another. No conversation is deeper, and code that walks a value must not run out of stack. */
const maxDepth = 100;

/**
 * Checks that a value from JSON.parse can be written again, byte for byte the same everywhere.
 * @param place names file, line and column in errors.
 * @throws Failure `data-invalid` for half of a surrogate pair, a number that no double holds (1e999), and deeper nesting.
 */
export function checkJson(value: unknown, place: string): void {
  const problem = findJsonProblem(value, 0);
  if (problem !== null) throw createDataFailure(findCode(problem), `${place}${problem}`);
}

function findCode(problem: string): FindingCode {
  if (problem.includes('expected a number')) return 'value-number';
  return problem.includes('expected at most') ? 'value-depth' : 'value-text';
}

/** The path to the first wrong value and what is wrong with it. It is put together on the way back, so that right values cost nothing. */
function findJsonProblem(value: unknown, depth: number): string | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : `: expected text, found ${halfPair}`;
  if (typeof value === 'number') return Number.isFinite(value) ? null : `: expected a number of 64 bits, found ${value}`;
  if (typeof value !== 'object' || value === null) return null;
  if (depth === maxDepth) return `: expected at most ${maxDepth} lists and objects inside one another, found more`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = findJsonProblem(value[i], depth + 1);
      if (problem !== null) return `[${i}]${problem}`;
    }
    return null;
  }
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) return `: expected names of well-formed text, found ${formatValue(key)}`;
    const problem = findJsonProblem((value as Record<string, unknown>)[key], depth + 1);
    if (problem !== null) return `${/^\w+$/.test(key) ? `.${key}` : `[${formatValue(key)}]`}${problem}`;
  }
  return null;
}
