import { isFailure } from '../failure.ts';
import { checkColumns, type ClassificationColumns, type ClassificationRow, parseClassificationRow } from './map-row.ts';
import { parseFormat } from './parse-format.ts';
import { readRows, type ReadRowsOptions } from './read-rows.ts';

/** A row and where it stands: `source` is the file's path, `line` counts from 1. */
export interface LocatedRow extends ClassificationRow {
  readonly source: string;
  readonly line: number;
}

/**
 * The mapped rows of the files, in order, streamed.
 * @throws Failure as `readRows` and `parseClassificationRow`; with `onBadRow` rows that are wrong by themselves go there instead.
 */
export async function* readClassificationRows(
  paths: readonly string[],
  columns: ClassificationColumns,
  options: ReadRowsOptions = {},
): AsyncGenerator<LocatedRow> {
  for (const source of paths) {
    let columnsAreChecked = parseFormat(source).rows === 'jsonl'; // a table has the same columns in all rows: say once that one is absent
    for await (const raw of readRows(source, options)) {
      if (!columnsAreChecked) checkColumns(raw.row, columns, source);
      columnsAreChecked = true;
      const row = parseRow(() => parseClassificationRow(raw, columns, source), options);
      if (row !== null) yield { ...row, source, line: raw.line };
    }
  }
}

function parseRow(parse: () => ClassificationRow, { onBadRow }: ReadRowsOptions): ClassificationRow | null {
  try {
    return parse();
  } catch (error) {
    if (onBadRow === undefined || !isFailure(error)) throw error;
    onBadRow(error);
    return null;
  }
}
