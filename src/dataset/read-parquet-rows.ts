/** Rows of Parquet. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { AsyncBuffer, Compressors, RowGroup } from 'hyparquet';
import { isFailure } from '../errors.ts';
import { parseJsonOr } from '../lib/json.ts';
import { formatBytes } from '../lib/text.ts';
import { createDataFailure } from './findings.ts';
import { isAlike } from './columns.ts';
import { openSlices } from './open-dataset.ts';
import { findParquetColumns, toRow, type ParquetColumn } from './parquet-columns.ts';
import { createNoteOnce, tryParse, type RowEvents } from './row-events.ts';
import type { RawRow } from './row.ts';

/** The bytes with which such a file begins and ends. */
export const parquetMark = Buffer.from('PAR1');

const batchRows = 500;

/** Of a file with an index of its pages so much is read at once, before it is unpacked; of others a group of rows. */
const sliceBytes = 32 * 2 ** 20;

/** A larger group is refused: it would not fit into the memory that a process has for text. */
const mostGroupBytes = 2 ** 30;

interface ParquetSource {
  readonly path: string;
  /** The columns that are needed; absent: all. */
  readonly columns: readonly string[] | undefined;
}

/**
 * The rows in batches; `line` is the number of the row. At most a group of rows is in memory.
 * @throws Failure `data-invalid` for a file that is damaged or packed in another way, and for a needed column that no row can hold
 */
export async function* readParquetRows({ path, columns }: ParquetSource, events: RowEvents): AsyncGenerator<RawRow[], void> {
  const { parquetMetadataAsync, parquetScan, parquetSchema } = await import('hyparquet');
  await using file = await openSlices(path);
  await checkEnd(file, path);
  const metadata = await guard(path, async () => await parquetMetadataAsync(file));
  const found = findParquetColumns({ path, metadata, schema: parquetSchema(metadata), columns }, events.onNote);
  noteLabels(found, path, events.onNote);
  const isNeeded = (name: string): boolean => columns?.some((wanted) => isAlike(name, wanted)) ?? true;
  let before = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const step = getSliceRows(group, found, path);
    for (let start = before; start < before + rows; start += step) {
      const end = Math.min(start + step, before + rows);
      const values = await guard(path, async () => {
        const names = found.map(({ name }) => name);
        const scan = await parquetScan({ file, metadata, columns: names, compressors, parsers, utf8: false, rowStart: start, rowEnd: end });
        return await Promise.all(names.map(async (column) => await scan.readColumn({ column, rowStart: start, rowEnd: end })));
      });
      for (let at = start; at < end; at += batchRows) {
        const batch: RawRow[] = [];
        for (let row = at; row < Math.min(at + batchRows, end); row++) {
          const place = { source: path, line: row + 1 };
          const read = (): Record<string, unknown> =>
            toRow(found, (i) => values[i]![row - start] as unknown, { place: `${path}:${row + 1}`, isNeeded });
          const parsed = tryParse(read, events.onBadRow, place);
          if (parsed !== null) batch.push({ line: row + 1, row: parsed });
        }
        if (batch.length > 0) yield batch;
      }
    }
    before += rows;
  }
}

/** The end holds what describes the file: one that was cut short has none. */
async function checkEnd(file: AsyncBuffer, path: string): Promise<void> {
  const end = file.byteLength < 12 ? '' : Buffer.from(await file.slice(file.byteLength - 4, file.byteLength)).toString('latin1');
  if (end === parquetMark.toString()) return;
  const found = end === 'PARE' ? 'a file with an encrypted description' : 'a file that was cut short';
  throw createDataFailure('parquet-invalid', `${path}: expected a Parquet file, found ${found}`, {
    hint: end === 'PARE' ? 'Write it again without encryption.' : 'Copy or download it again.',
  });
}

/** What the library throws says nothing to a reader of the message. */
async function guard<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isFailure(error)) throw error;
    const codec = /unsupported compression codec: (\w+)/.exec((error as Error).message)?.[1];
    const found = codec === undefined ? 'one that is damaged, or that no reader of this program knows' : `one that is packed by ${codec}`;
    throw createDataFailure('parquet-invalid', `${path}: expected a Parquet file that can be read, found ${found}`, {
      hint:
        codec === undefined
          ? 'Check that pandas can read it, and write it again with DataFrame.to_parquet.'
          : 'Write it again packed by snappy, zstd or gzip, such as with DataFrame.to_parquet in pandas.',
      error,
    });
  }
}

function noteLabels(columns: readonly ParquetColumn[], path: string, onNote: RowEvents['onNote']): void {
  const noteOnce = createNoteOnce(onNote, path);
  for (const { name, labels } of columns) {
    if (labels === null) continue;
    const shown = labels.slice(0, 3).map((label, i) => `${i} is ${JSON.stringify(label)}`);
    const rest = labels.length > 3 ? ', …' : '';
    noteOnce(
      'label-names',
      null,
      `the numbers of the column "${name}" were replaced by the names that the file has for them: ${shown.join(', ')}${rest}`,
    );
  }
}

function getSliceRows({ columns, num_rows: rows }: RowGroup, read: readonly ParquetColumn[], path: string): number {
  const chunks = columns.filter(({ meta_data: data }) => read.some(({ name }) => name === data?.path_in_schema[0]));
  const bytes = chunks.reduce((sum, { meta_data: data }) => sum + Number(data?.total_uncompressed_size ?? 0), 0);
  const count = Math.max(1, Number(rows));
  if (bytes <= sliceBytes) return count;
  if (chunks.every(({ offset_index_offset: index }) => index !== undefined))
    return Math.max(batchRows, Math.floor((count * sliceBytes) / bytes));
  if (bytes <= mostGroupBytes) return count;
  const expected = `${path}: expected groups of rows of at most ${formatBytes(mostGroupBytes)}`;
  throw createDataFailure('parquet-invalid', `${expected}, found one of ${formatBytes(bytes)}`, {
    hint: 'Write it again in smaller groups, such as with DataFrame.to_parquet(path, row_group_size=100000) in pandas.',
  });
}

const compressors: Compressors = {
  GZIP: (bytes) => gunzipSync(bytes),
  ZSTD: (bytes) => zstdDecompressSync(bytes),
  BROTLI: (bytes) => brotliDecompressSync(bytes),
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes that are no text stay bytes, so that the row that has them can be named. */
function toText(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  try {
    return bytes && decoder.decode(bytes);
  } catch {
    return bytes;
  }
}

const parsers = {
  stringFromBytes: toText,
  jsonFromBytes: (bytes: Uint8Array | undefined): unknown => {
    const text = toText(bytes);
    return typeof text === 'string' ? parseJsonOr(text, text) : text;
  },
};
