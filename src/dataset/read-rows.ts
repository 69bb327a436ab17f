import { decodeText } from './decode-text.ts';
import type { Failure } from '../errors.ts';
import { isObject, parseJsonOr } from '../lib/json.ts';
import { createDataFailure, type ReadNote } from './findings.ts';
import { isGzip, openDataset, parseFormat, readBegin, type RowFormat } from './open-dataset.ts';
import { readJsonRows } from './read-json-rows.ts';
import { parquetMark, readParquetRows } from './read-parquet-rows.ts';
import { readTableRows } from './read-table-rows.ts';
import type { Place, RowEvents } from './row-events.ts';
import type { RawRow, TableQuote } from './row.ts';

export interface ReadRowsOptions {
  /** Receives the decompressed bytes as they are read. */
  readonly onBytes?: (bytes: Buffer) => void;
  /** Receives each row that cannot be read, and reading goes on after it; without this the first such row is thrown. */
  readonly onBadRow?: (failure: Failure, place: Place) => void;
  /** Receives what is read in another way than it is written. */
  readonly onNote?: (note: ReadNote) => void;
  /** The columns that are needed; of a table no other column can stop it. Absent: all. */
  readonly columns?: readonly string[];
  /** Of tables. */
  readonly quote?: TableQuote | undefined;
  /** Whether rows of JSON keep their text. */
  readonly withText?: boolean;
}

/**
 * The rows of a data file in batches, streamed: at most a chunk and the longest row are in memory.
 * @throws Failure as `parseFormat`; while reading as `openDataset`, and `data-invalid` with file and line for a row that cannot be read.
 */
export async function* readRowBatches(path: string, options: ReadRowsOptions = {}): AsyncGenerator<RawRow[], void> {
  const format = parseFormat(path);
  const events: RowEvents = {
    onBadRow: options.onBadRow ?? throwFailure,
    onNote: options.onNote ?? ((): void => {}),
    withText: options.withText,
  };
  const { onBytes, columns, quote } = options;
  if ((await readBegin(path, parquetMark.length)).equals(parquetMark)) {
    if (format !== 'parquet') events.onNote(toFormatNote(path, 'Parquet', format));
    if (onBytes !== undefined) for await (const bytes of openDataset(path)) onBytes(bytes); // its rows are not read in the order of its bytes
    return yield* readParquetRows({ path, columns }, events);
  }
  const isPacked = await isGzip(path);
  if (isPacked !== /\.gz$/i.test(path)) {
    const message = isPacked ? 'the file is packed by gzip, and was unpacked' : 'the file is not packed by gzip, and was read as it is';
    events.onNote({ code: 'gzip-name', source: path, line: null, message });
  }
  const open = (on = onBytes, onNote = events.onNote): AsyncGenerator<Buffer, void> => {
    return decodeText(on === undefined ? openDataset(path) : watch(openDataset(path), on), path, onNote);
  };
  const chunks = open();
  if (format === 'json') return yield* readJsonRows(chunks, path, events);
  const first = await chunks.next();
  const begin = first.done === true ? Buffer.alloc(0) : first.value;
  const whole = withFirst(first, chunks);
  if (holdsJson(begin)) {
    events.onNote(toFormatNote(path, 'JSON', format));
    return yield* readJsonRows(whole, path, events);
  }
  if (format === 'parquet') {
    await whole.return(undefined);
    throw createDataFailure('file-kind', `${path}: expected a Parquet file, found other text or bytes`, {
      hint: 'Rename the file if it holds rows in another format.',
    });
  }
  const again = (): AsyncGenerator<Buffer, void> =>
    open(
      () => {},
      () => {},
    );
  yield* readTableRows({ chunks: whole, begin: begin.toString('utf8'), again, path, usual: delimiters[format], columns, quote }, events);
}

const delimiters: Readonly<Record<Exclude<RowFormat, 'json' | 'parquet'>, ',' | '\t'>> = { csv: ',', tsv: '\t' };

function toFormatNote(source: string, found: string, format: RowFormat): ReadNote {
  const said = { json: 'JSON', csv: 'CSV', tsv: 'TSV', parquet: 'Parquet' }[format];
  return {
    code: 'format-other',
    source,
    line: null,
    message: `the file holds ${found}, not ${said} as its name says, and was read as such`,
  };
}

/** The rows one by one. @throws Failure as `readRowBatches` */
export async function* readRows(path: string, options: ReadRowsOptions = {}): AsyncGenerator<RawRow> {
  for await (const batch of readRowBatches(path, options)) yield* batch;
}

function throwFailure(failure: Failure): never {
  throw failure;
}

async function* watch(chunks: AsyncIterable<Buffer>, onBytes: (bytes: Buffer) => void): AsyncGenerator<Buffer, void> {
  for await (const chunk of chunks) {
    onBytes(chunk);
    yield chunk;
  }
}

async function* withFirst<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T> {
  try {
    if (first.done !== true) yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}

/** Whether the first line of a file that is called a table is an object of JSON. */
function holdsJson(begin: Buffer): boolean {
  const text = begin.toString('utf8').replace(/^[\s\ufeff]+/, '');
  if (!text.startsWith('{') && !/^\[\s*\{/.test(text)) return false;
  return text.startsWith('[') || isObject(parseJsonOr(text.slice(0, Math.max(0, text.indexOf('\n'))).replace(/,\s*$/, ''), null));
}
