/** The columns of a Parquet file: which can be rows of ours, and how their values become those of JSON. */
import type { FileMetaData, SchemaTree } from 'hyparquet';
import type { Failure } from '../errors.ts';
import { isObject, parseJsonOr } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { isAlike } from './columns.ts';
import { createDataFailure } from './findings.ts';
import type { RowEvents } from './row-events.ts';

export interface ParquetColumn {
  readonly name: string;
  /** The names of its numbers, as `datasets` keeps them of a ClassLabel; null where it has none. */
  readonly labels: readonly string[] | null;
}

interface ParquetFile {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly schema: SchemaTree;
  /** The columns that are needed; absent: all that can be read. */
  readonly columns: readonly string[] | undefined;
}

/**
 * The columns that are read. Others are left out with a note: a picture beside a text stops nobody who reads the text.
 * @throws Failure `data-invalid` for a column that is needed and holds what no row can hold
 */
export function findParquetColumns({ path, metadata, schema, columns = [] }: ParquetFile, onNote: RowEvents['onNote']): ParquetColumn[] {
  const labels = findLabels(metadata);
  const found: ParquetColumn[] = [];
  const left: string[] = [];
  for (const tree of schema.children) {
    const { name } = tree.element;
    const content = findUnreadable(tree);
    if (content === null) {
      found.push({ name, labels: Object.hasOwn(labels, name) ? labels[name]! : null });
      continue;
    }
    if (columns.some((wanted) => isAlike(name, wanted))) {
      const expected = `${path}: expected text, numbers or lists of them in column ${formatValue(name)}`;
      throw createDataFailure('column-kind', `${expected}, found ${content}`, {
        hint: 'Write it as text, such as with astype(str) in pandas, or name another column in data.columns.',
      });
    }
    left.push(`${formatValue(name)} (${content})`);
  }
  if (left.length > 0) {
    const shown = left.length > 5 ? `${left.slice(0, 5).join(', ')} and ${left.length - 5} more` : left.join(', ');
    onNote({ code: 'column-left', source: path, line: null, message: `left out, as no row can hold it: ${shown}` });
  }
  return found;
}

/** What a column holds that JSON does not have; null where there is nothing of that kind in it. */
function findUnreadable({ element, children }: SchemaTree): string | null {
  if (children.length > 0) {
    for (const child of children) {
      const content = findUnreadable(child);
      if (content !== null) return content;
    }
    return null;
  }
  const { type, converted_type: converted, logical_type: logical, precision = 0 } = element;
  if (type === 'INT96' || /^(DATE|TIME|INTERVAL)/.test(logical?.type ?? converted ?? '')) return 'dates or times';
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL')
    return precision > exactDigits ? `decimal numbers of ${precision} digits` : null;
  if (type !== 'BYTE_ARRAY' && type !== 'FIXED_LEN_BYTE_ARRAY') return null;
  const isText = ['STRING', 'ENUM', 'JSON', 'UUID', 'NULL', 'FLOAT16'].includes(logical?.type ?? '');
  return isText || ['UTF8', 'ENUM', 'JSON'].includes(converted ?? '') ? null : 'bytes';
}

/** So many decimal digits every double has. */
const exactDigits = 15;

/** The ClassLabels of `datasets`, which it keeps beside the schema, by their columns. */
function findLabels({ key_value_metadata: entries = [] }: FileMetaData): Record<string, readonly string[]> {
  const text = entries.find(({ key }) => key === 'huggingface')?.value;
  const known = text === undefined ? null : parseJsonOr(text, null);
  const info = isObject(known) ? known['info'] : null;
  const features = isObject(info) ? info['features'] : null;
  const labels: [string, string[]][] = [];
  for (const [name, feature] of Object.entries(isObject(features) ? features : {})) {
    if (!isObject(feature) || feature['_type'] !== 'ClassLabel') continue;
    const { names } = feature;
    if (Array.isArray(names) && names.every((one) => typeof one === 'string')) labels.push([name, names]);
  }
  return Object.fromEntries(labels);
}

/** Why a value cannot be used. */
interface Trouble {
  readonly code: 'value-number' | 'encoding';
  readonly message: string;
}

/**
 * The values of one row as JSON would have them.
 * @param place names file and row in the error
 * @throws Failure `data-invalid` for an integer that no double holds, and for text that is no UTF-8
 */
export function toRow(
  columns: readonly ParquetColumn[],
  getValue: (column: number) => unknown,
  { place, isNeeded }: { readonly place: string; readonly isNeeded: (name: string) => boolean },
): Record<string, unknown> {
  const fields: [string, unknown][] = [];
  for (const [i, { name, labels }] of columns.entries()) {
    const troubles: Trouble[] = [];
    const value = toJson(getValue(i), troubles);
    if (troubles.length === 0) fields.push([name, labels === null ? value : toLabel(value, labels)]);
    else if (isNeeded(name)) throw createValueFailure(troubles[0]!, name, place);
  }
  return Object.fromEntries(fields);
}

function createValueFailure({ code, message }: Trouble, name: string, place: string): Failure {
  return createDataFailure(code, `${place}: column ${formatValue(name)}: ${message}`);
}

/** `datasets` writes -1 where a row has no label. */
function toLabel(value: unknown, labels: readonly string[]): unknown {
  if (value === -1) return null;
  return typeof value === 'number' ? (labels[value] ?? value) : value;
}

/** Fields of objects that are null are left out: a column holds the fields of all its rows, and those that a row lacks are null there. */
function toJson(value: unknown, troubles: Trouble[]): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      troubles.push({ code: 'value-number', message: `expected an integer up to 2^53, found ${value}, which a double cannot hold` });
    }
    return number;
  }
  if (typeof value !== 'object') return value;
  if (value instanceof Uint8Array) troubles.push({ code: 'encoding', message: 'expected UTF-8, found other bytes' });
  if (Array.isArray(value)) return value.map((item: unknown) => toJson(item, troubles));
  const fields = Object.entries(value).map(([name, item]: [string, unknown]): [string, unknown] => [name, toJson(item, troubles)]);
  return Object.fromEntries(fields.filter(([, item]) => item !== null));
}
