import { isFailure } from '../errors.ts';
import { checkColumns, type Columns } from './check-columns.ts';
import { parseChatRow } from './map-chat-row.ts';
import { parsePreferenceRow } from './map-preference-row.ts';
import { parseClassificationRow } from './map-row.ts';
import { parseFormat } from './parse-format.ts';
import type { RawRow } from './raw-row.ts';
import { readRows, type ReadRowsOptions } from './read-rows.ts';
import type { LocatedRow, Row, RowTask } from './row.ts';

/** What the rows are read as. */
export interface RowShape {
  readonly task: RowTask;
  /** Columns by our names; a required one that is not named here is called as we do. */
  readonly columns: Columns;
}

/**
 * The mapped rows of the files, in order, streamed.
 * @throws Failure as `readRows` and the task's parse function; with `onBadRow` rows that are wrong by themselves go there instead.
 */
export async function* readTaskRows(paths: readonly string[], shape: RowShape, options: ReadRowsOptions = {}): AsyncGenerator<LocatedRow> {
  const parse = toParser(shape);
  for (const source of paths) {
    let columnsAreChecked = parseFormat(source).rows === 'jsonl'; // a table has the same columns in all rows: say once that one is absent
    for await (const raw of readRows(source, options)) {
      if (!columnsAreChecked) checkColumns(raw.row, parse.columns, source);
      columnsAreChecked = true;
      const row = tryParse(() => parse.row(raw, source), options);
      if (row !== null) yield { ...row, source, line: raw.line };
    }
  }
}

interface RowParser {
  /** The names that every row must have in the data. */
  readonly columns: readonly string[];
  row(raw: RawRow, path: string): Row;
}

function toParser({ task, columns: named }: RowShape): RowParser {
  if (task === 'chat') {
    const columns = { messages: 'messages', ...named };
    return { columns: [columns.messages], row: (raw, path) => parseChatRow(raw, columns, path) };
  }
  if (task === 'preference') {
    const columns = { chosen: 'chosen', rejected: 'rejected', ...named };
    return { columns: Object.values(columns), row: (raw, path) => parsePreferenceRow(raw, columns, path) };
  }
  const columns = { text: 'text', label: 'label', ...named };
  return { columns: Object.values(columns), row: (raw, path) => parseClassificationRow(raw, columns, path) };
}

function tryParse(parse: () => Row, { onBadRow }: ReadRowsOptions): Row | null {
  try {
    return parse();
  } catch (error) {
    if (onBadRow === undefined || !isFailure(error)) throw error;
    onBadRow(error);
    return null;
  }
}
