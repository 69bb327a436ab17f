import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { Failure } from '../errors.ts';
import { checkUtf8, maxLineBytes, readLines } from '../lib/lines.ts';
import { formatValue } from '../lib/text.ts';
import type { RawRow } from './row.ts';

interface Table {
  readonly path: string;
  /** The usual one for the file's name. */
  readonly delimiter: ',' | '\t';
}

/**
 * The rows of a table after RFC 4180: the first line names the columns; a field in double quotes may hold delimiters, line ends
 * and doubled quotes. All values are strings. Empty lines are skipped. Where the first line lacks the usual delimiter, another one that it
 * has is taken: spreadsheets write ";" in countries that write decimals with a comma. Their line `sep=;` is understood.
 * @param onBadRow receives each row with too few or too many fields; where it returns, reading goes on.
 * @throws Failure `data-invalid` for a header or quotes that cannot be read.
 */
export async function* readTableRows(
  chunks: AsyncIterable<Buffer>,
  { path, delimiter: usual }: Table,
  onBadRow: (failure: Failure) => void,
): AsyncGenerator<RawRow> {
  const bytes = readUtf8(chunks, path);
  const first = await bytes.next();
  const begin = first.done === true ? '' : first.value.toString('utf8');
  const named = /^sep=(.)\r?\n/.exec(begin)?.[1];
  const delimiter = named ?? findDelimiter(begin, usual);
  let next = named === undefined ? 1 : 2; // the line after the last record
  let emptyLines = 0;
  const begins: number[] = []; // the lines of the records that the loop below has not reached yet
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    from_line: next,
    skip_empty_lines: true,
    relax_column_count: true, // checked below, with a better message
    max_record_size: maxLineBytes,
    // Called for each record before the next one can fail, so that an error knows its line. The parser's own count is no use: it counts
    // a quoted \r\n as two lines.
    on_record: (record: string[], context) => {
      const line = next + context.empty_lines - emptyLines;
      emptyLines = context.empty_lines;
      next = line + 1 + countLineEnds(record);
      begins.push(line);
      return record;
    },
  });
  // An error of the source reaches the loop below: the parser is destroyed with it.
  pipeline(Readable.from(withFirst(first, bytes)), parser, () => {});

  let header: string[] | null = null;
  try {
    for await (const item of parser) {
      const record = item as string[];
      const line = begins.shift()!;
      if (header === null) header = parseHeader(record, `${path}:${line}`);
      else if (record.length === header.length) yield { line, row: toRow(header, record) };
      else onBadRow(createUnevenFailure(header, record, `${path}:${line}`));
    }
  } catch (error) {
    throw error instanceof CsvError ? createTableFailure(error, path, next) : error;
  }
}

/** Bytes that are valid UTF-8: the parser would replace others by U+FFFD. */
async function* readUtf8(chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer, void> {
  let line = 0;
  for await (const lines of readLines(chunks, path)) {
    for (const bytes of lines) checkUtf8(bytes, `${path}:${++line}`);
    yield Buffer.concat(lines);
  }
}

async function* withFirst<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

/** The usual delimiter, if the first line has it outside of quotes; else the most frequent other one there. */
function findDelimiter(begin: string, usual: Table['delimiter']): string {
  const line = /[^\r\n].*/.exec(begin.replaceAll(/"(?:[^"]|"")*"?/g, ''))?.[0] ?? '';
  const count = (delimiter: string): number => line.split(delimiter).length - 1;
  if (count(usual) > 0) return usual;
  return [usual, ';', '\t', ',', '|'].reduce((best, other) => (count(other) > count(best) ? other : best));
}

function parseHeader(names: readonly string[], place: string): string[] {
  const unnamed = names.findIndex((name) => name.trim() === '');
  if (unnamed >= 0) throw new Failure('data-invalid', `${place}: expected a name for each column, found none for column ${unnamed + 1}`);
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new Failure('data-invalid', `${place}: expected different column names, found ${formatValue(name)} twice`);
    seen.add(name);
  }
  return [...names];
}

/** Own properties whatever the names are: assigning to `__proto__` would change the prototype. */
function toRow(header: readonly string[], record: readonly string[]): Record<string, string> {
  return Object.fromEntries(header.map((name, index) => [name, record[index]!]));
}

function countLineEnds(record: readonly string[]): number {
  let count = 0;
  for (const field of record) for (let at = field.indexOf('\n'); at >= 0; at = field.indexOf('\n', at + 1)) count++;
  return count;
}

function createUnevenFailure(header: readonly string[], record: readonly string[], place: string): Failure {
  return new Failure('data-invalid', `${place}: expected ${header.length} fields (${header.join(', ')}), found ${record.length}`, {
    hint: 'Put a field that contains the delimiter or a line end in double quotes.',
  });
}

/** `line` is where the record begins that could not be read. */
function createTableFailure(error: CsvError, path: string, line: number): Failure {
  const found: Record<string, string> = {
    CSV_QUOTE_NOT_CLOSED: 'a double quote that is never closed',
    CSV_INVALID_CLOSING_QUOTE: 'text after the closing quote of a field',
    INVALID_OPENING_QUOTE: 'a double quote inside a field without quotes',
    CSV_MAX_RECORD_SIZE: `a row of more than ${maxLineBytes} bytes`,
  };
  return new Failure('data-invalid', `${path}:${line}: expected a row, found ${found[error.code] ?? error.message}`, {
    hint: 'Put the whole field in double quotes, and write a double quote inside it twice.',
    error,
  });
}
