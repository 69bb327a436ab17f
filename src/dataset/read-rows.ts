import { Failure, isFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { decodeLine, readLines } from '../lib/lines.ts';
import { formatValue } from '../lib/text.ts';
import { openDataset, parseFormat } from './open-dataset.ts';
import { readTableRows } from './read-table-rows.ts';
import type { RawRow } from './row.ts';

export interface ReadRowsOptions {
  /** Receives the decompressed bytes as they are read. */
  readonly onBytes?: (bytes: Buffer) => void;
  /** Receives each row that cannot be read, and reading goes on after it; without this the first such row is thrown. */
  readonly onBadRow?: (failure: Failure) => void;
}

/**
 * The rows of a data file, streamed: at most a chunk and the longest row are in memory.
 * @throws Failure as `parseFormat`; while reading as `openDataset`, and `data-invalid` with file and line for a row that cannot be read.
 */
export function readRows(path: string, options: ReadRowsOptions = {}): AsyncGenerator<RawRow> {
  const { rows } = parseFormat(path);
  const { onBytes, onBadRow = throwFailure } = options;
  const chunks = onBytes === undefined ? openDataset(path) : watch(openDataset(path), onBytes);
  if (rows === 'jsonl') return readJsonRows(chunks, path, onBadRow);
  return readTableRows(chunks, { path, delimiter: rows === 'csv' ? ',' : '\t' }, onBadRow);
}

function throwFailure(failure: Failure): never {
  throw failure;
}

async function* watch(chunks: AsyncIterable<Buffer>, onBytes: (bytes: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk);
    yield chunk;
  }
}

/**
 * The rows of JSON Lines: one object per line; lines of blanks only are skipped.
 * @param onBadRow receives each line that is not an object; where it returns, reading goes on.
 * @throws Failure `data-invalid` for a line that is too long.
 */
export async function* readJsonRows(
  chunks: AsyncIterable<Buffer>,
  path: string,
  onBadRow: (failure: Failure) => void = throwFailure,
): AsyncGenerator<RawRow> {
  let line = 0;
  for await (const lines of readLines(chunks, path)) {
    for (const bytes of lines) {
      line++;
      const row = tryParse(() => parseLine(bytes, `${path}:${line}`), onBadRow);
      if (row !== null) yield { line, row };
    }
  }
}

/** What `parse` returns, or null after `onBadRow` has received the Failure that it threw. */
export function tryParse<T>(parse: () => T, onBadRow: (failure: Failure) => void): T | null {
  try {
    return parse();
  } catch (error) {
    if (!isFailure(error)) throw error;
    onBadRow(error);
    return null;
  }
}

/** The object of a line, or null where the line is blank. */
function parseLine(bytes: Buffer, place: string): Record<string, unknown> | null {
  const text = decodeLine(bytes, place);
  if (!/[^ \t\r]/.test(text)) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw createJsonFailure(error as SyntaxError, text.replace(/[ \t\r]+$/, ''), place);
  }
  if (isObject(value)) return value;
  throw new Failure('data-invalid', `${place}: expected a JSON object on each line, found ${formatValue(value)}`);
}

/** V8 gives the position in the message only, and not always. */
function createJsonFailure(error: SyntaxError, text: string, place: string): Failure {
  const position = /at position (\d+)/.exec(error.message);
  const column = position !== null ? Number(position[1]) + 1 : error.message.includes('end of JSON input') ? text.length + 1 : null;
  const reason = error.message.replace(/ in JSON at position.*$/s, '').replace(/, ".*$/s, '');
  return new Failure('data-invalid', `${place}${column === null ? '' : `:${column}`}: not valid JSON: ${reason}, in ${formatValue(text)}`, {
    error,
  });
}
