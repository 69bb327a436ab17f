import type { Failure } from '../errors.ts';
import { openDataset } from './open-dataset.ts';
import { parseFormat } from './parse-format.ts';
import { readJsonRows } from './read-json-rows.ts';
import type { RawRow } from './raw-row.ts';
import { readTableRows } from './read-table-rows.ts';

export interface ReadRowsOptions {
  /** Is given the decompressed bytes as they are read. */
  readonly onBytes?: (bytes: Buffer) => void;
  /** Is given a row that cannot be read, and reading goes on after it; without this the first one is thrown. */
  readonly onBadRow?: (failure: Failure) => void;
}

/**
 * The rows of a data file, streamed: no more than a chunk and the longest row are held.
 * @throws Failure as `openDataset`, and `data-invalid` with file and line for what is not a row.
 */
export async function* readRows(path: string, options: ReadRowsOptions = {}): AsyncGenerator<RawRow> {
  const { rows } = parseFormat(path);
  const refuse =
    options.onBadRow ??
    ((failure: Failure): never => {
      throw failure;
    });
  const chunks = options.onBytes === undefined ? openDataset(path) : watch(openDataset(path), options.onBytes);
  if (rows === 'jsonl') yield* readJsonRows(chunks, path, refuse);
  else yield* readTableRows(chunks, { path, delimiter: rows === 'csv' ? ',' : '\t' }, refuse);
}

async function* watch(chunks: AsyncIterable<Buffer>, onBytes: (bytes: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk);
    yield chunk;
  }
}
