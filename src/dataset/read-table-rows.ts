import { isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse, type Options } from 'csv-parse';
import type { Failure } from '../errors.ts';
import { maxLineBytes, readLines } from '../lib/lines.ts';
import { createDataFailure } from './findings.ts';
import { createEncodingFailure } from './read-json-rows.ts';
import { createNoteOnce, type RowEvents } from './row-events.ts';
import type { RawRow, TableQuote } from './row.ts';
import { findDelimiter, hasLiteralQuotes, nameDelimiter, parseHeader, type TableHeader } from './table-layout.ts';

interface Table {
  readonly chunks: AsyncIterable<Buffer>;
  /** The beginning of its text. */
  readonly begin: string;
  /** The same bytes once more. */
  readonly again: () => AsyncIterable<Buffer>;
  readonly path: string;
  /** The usual delimiter for the file's name. */
  readonly usual: ',' | '\t';
  /** The columns that are needed; absent: all. */
  readonly columns: readonly string[] | undefined;
  /** Absent: found by a pass over the table. */
  readonly quote: TableQuote | undefined;
}

const batchRows = 500;

/**
 * The rows of a table after RFC 4180, in batches: the first line names the columns; a field in double quotes may hold delimiters, line ends
 * and doubled quotes. All values are strings. Empty lines are skipped, and rows of delimiters only. Where the first line lacks
 * the usual delimiter, another one that it has is taken: spreadsheets write ";" in countries that write decimals with a comma. Their line
 * `sep=;` is understood. Tables with tabs or bars whose quotes are not after the RFC are read as if they had no quoting, unless the caller knows
 * how they are.
 * @param events receives each row with too few or too many fields; where it returns, reading goes on.
 * @throws Failure `data-invalid` for a header or quotes that cannot be read.
 */
export async function* readTableRows(table: Table, events: RowEvents): AsyncGenerator<RawRow[], void> {
  const { path, begin, usual, columns, quote } = table;
  const onNote = createNoteOnce(events.onNote, path);
  const named = /^\ufeff?sep=(.)\r?\n/.exec(begin)?.[1];
  const delimiter = named ?? findDelimiter(begin.replace(/^\ufeff/, ''), usual, columns);
  if (delimiter !== usual && named === undefined) onNote('table-delimiter', 1, `the fields are separated by ${nameDelimiter(delimiter)}`);
  const mayBeLiteral = quote === undefined && (delimiter === '\t' || delimiter === '|');
  const isLiteral = quote === 'none' || (mayBeLiteral && (await hasLiteralQuotes(table.again(), delimiter)));
  if (isLiteral && quote === undefined) onNote('table-quotes', null, 'quotes were read as text: not all of them hold a field together');
  const from = named === undefined ? 1 : 2;
  const toRows = createRowMaker(table, onNote, { isWrittenAgain: events.withText === true, isLiteral });
  let batch: RawRow[] = [];
  for await (const { record, line } of readRecords(table, { delimiter, from, isLiteral })) {
    const row = toRows(record, line);
    if (row !== null && 'row' in row) batch.push(row);
    else if (row !== null) events.onBadRow(row, { source: path, line });
    if (batch.length < batchRows) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Layout {
  readonly delimiter: string;
  /** The first line that is read. */
  readonly from: number;
  readonly isLiteral: boolean;
}

interface TableRecord {
  readonly record: string[];
  /** The line on which it begins. */
  readonly line: number;
}

async function* readRecords({ chunks, path, begin }: Table, { delimiter, from, isLiteral }: Layout): AsyncGenerator<TableRecord> {
  let next = from; // the line after the last record
  let emptyLines = 0;
  const begins: number[] = []; // the lines of the records that the loop below has not reached yet
  const options: Options<string[]> = {
    delimiter,
    quote: isLiteral ? null : '"',
    record_delimiter: ['\r\r\n', '\r\n', '\n'], // the first is what Python writes for Windows into a file that was opened as text
    from_line: next,
    skip_empty_lines: true,
    relax_column_count: true, // checked below, with a better message
    max_record_size: maxLineBytes,
    // Called for each record before the next one can fail, so that an error knows its line. The parser's own count is no use: it counts
    // a quoted \r\n as two lines.
    on_record: (record, context) => {
      const line = next + context.empty_lines - emptyLines;
      emptyLines = context.empty_lines;
      next = line + 1 + countLineEnds(record);
      begins.push(line);
      return record;
    },
  };
  const parser = parse(options);
  // An error of the source reaches the loop below: the parser is destroyed with it.
  pipeline(Readable.from(readUtf8(chunks, path)), parser, () => {});
  try {
    for await (const item of parser) yield { record: item as string[], line: begins.shift()! };
  } catch (error) {
    throw error instanceof CsvError ? createTableFailure(error, path, { line: next, hasBackslashes: begin.includes('\\"') }) : error;
  }
}

/** Bytes that are valid UTF-8: the parser would replace others by U+FFFD. */
async function* readUtf8(chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer, void> {
  let line = 0;
  for await (const lines of readLines(chunks, path)) {
    for (const bytes of lines) {
      line++;
      if (!isUtf8(bytes)) throw createEncodingFailure(`${path}:${line}`);
    }
    yield Buffer.concat(lines);
  }
}

type NoteOnce = ReturnType<typeof createNoteOnce>;

/** Makes rows of records: null for a record that is none, a Failure for one that is wrong. The first one is the header. */
function createRowMaker(
  { path, columns }: Table,
  onNote: NoteOnce,
  { isWrittenAgain, isLiteral }: { readonly isWrittenAgain: boolean; readonly isLiteral: boolean },
): (record: string[], line: number) => RawRow | Failure | null {
  let header: TableHeader | null = null;
  return (record, line) => {
    if (record[0]!.startsWith('\ufeff')) {
      onNote('mark-inside', line, 'there is a byte order mark inside the file, as where files were joined: it was left out');
      record[0] = record[0]!.slice(1);
    }
    const place = `${path}:${line}`;
    if (header === null) {
      header = parseHeader(record, columns, place);
      if (isWrittenAgain && header.columns.length < record.length) {
        onNote('column-unnamed', line, 'columns without a name of their own were left out');
      }
      return null;
    }
    if (header.names.length > 1 && record.every((field) => field.trim() === '')) {
      onNote('table-empty-rows', line, 'rows of delimiters only were left out');
      return null;
    }
    if (record.length === header.names.length && record.length > 1 && record.every((field, i) => field === header!.names[i])) {
      return createDataFailure('table-header-again', `${place}: expected a row, found the names of the columns again`, {
        hint: 'Where tables are joined, leave out the first line of all but the first.',
      });
    }
    if (!fits(record, header)) return createUnevenFailure(header, record, { place, isLiteral });
    return { line, row: toRow(header, record) };
  };
}

/** Whether a record has the fields of the header, but for empty ones after them and such without a name. */
function fits(record: readonly string[], { names }: TableHeader): boolean {
  if (record.length === names.length) return true;
  const rest = record.length > names.length ? record.slice(names.length) : names.slice(record.length);
  return rest.every((text) => text.trim() === '');
}

/** Own properties whatever the names are: assigning to `__proto__` would change the prototype. */
function toRow({ columns }: TableHeader, record: readonly string[]): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, index }) => [name, record[index]!]));
}

function countLineEnds(record: readonly string[]): number {
  let count = 0;
  for (const field of record) for (let at = field.indexOf('\n'); at >= 0; at = field.indexOf('\n', at + 1)) count++;
  return count;
}

const shownNames = 20;

function createUnevenFailure(
  { names }: TableHeader,
  record: readonly string[],
  { place, isLiteral }: { readonly place: string; readonly isLiteral: boolean },
): Failure {
  const shown = names.slice(0, shownNames).map((name) => (name.length > 40 ? `${name.slice(0, 40)}…` : name));
  const list = `${shown.join(', ')}${names.length > shownNames ? ', …' : ''}`;
  return createDataFailure('table-fields', `${place}: expected ${names.length} fields (${list}), found ${record.length}`, {
    hint: isLiteral
      ? 'Quotes are read as text here, so that no field can contain the delimiter or a line end. If they hold fields together: --quote double, or data.quote "double" in the job file.'
      : 'Put a field that contains the delimiter or a line end in double quotes.',
  });
}

/** `line` is where the record begins that could not be read. */
function createTableFailure(
  error: CsvError,
  path: string,
  { line, hasBackslashes }: { readonly line: number; readonly hasBackslashes: boolean },
): Failure {
  const found: Record<string, string> = {
    CSV_QUOTE_NOT_CLOSED: 'a double quote that is never closed',
    CSV_INVALID_CLOSING_QUOTE: 'text after the closing quote of a field',
    INVALID_OPENING_QUOTE: 'a double quote inside a field without quotes',
    CSV_MAX_RECORD_SIZE: `a row of more than ${maxLineBytes} bytes`,
  };
  return createDataFailure('table-invalid', `${path}:${line}: expected a row, found ${found[error.code] ?? error.message}`, {
    hint: hasBackslashes
      ? 'Here quotes have backslashes before them, as databases write them: put the whole field in double quotes, and write a double quote inside it twice.'
      : 'If quotes are text in the whole table: --quote none, or data.quote "none" in the job file. Else put the whole field in double quotes, and write a double quote inside it twice.',
    error,
  });
}
