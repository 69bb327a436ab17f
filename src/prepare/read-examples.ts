/** Rows of data files in any known form, each beside what the file has. */
import { findTask } from '../dataset/check.ts';
import { checkColumns, parseText } from '../dataset/check-values.ts';
import { findColumns, isAlike } from '../dataset/columns.ts';
import { createDataFailure, type ReadNote } from '../dataset/findings.ts';
import { parseFormat } from '../dataset/open-dataset.ts';
import { readRowBatches } from '../dataset/read-rows.ts';
import { tryParse, type RowEvents } from '../dataset/row-events.ts';
import type { Columns, LocatedRow, RawRow, RowTask, TableQuote } from '../dataset/row.ts';
import { readTaskBatches } from '../dataset/task-rows.ts';

export interface RowFiles {
  readonly paths: readonly string[];
  readonly columns: Columns;
  /** Of tables. */
  readonly quote?: TableQuote | undefined;
  /** Absent: told by the first row. */
  readonly task?: RowTask;
}

/** What rows are: those of a task, or texts without a label. */
export type Kind = RowTask | 'text';

export interface Example {
  readonly row: LocatedRow | PlainText;
  readonly raw: RawRow;
}

/** A text without a label. */
export interface PlainText {
  readonly text: string;
  readonly source: string;
  readonly line: number;
}

export interface ExampleEvents extends RowEvents {
  readonly onNote: (note: ReadNote) => void;
}

/**
 * What the rows of the files are; null where the first row is of no known form.
 * @throws Failure as `readRowBatches`
 */
export async function findKind({ paths, columns, task, quote }: RowFiles): Promise<Kind | null> {
  if (task !== undefined) return task;
  const found = await findTask(paths[0]!, { columns, quote });
  if (found !== 'classification') return found;
  const names = Object.keys((await readFirstRow(paths[0]!, quote)) ?? {});
  const has = (ours: string): boolean => names.some((name) => isAlike(name, columns[ours] ?? ours));
  if (!has('text')) return null;
  return has('label') || columns['label'] !== undefined ? 'classification' : 'text';
}

/** Null: there is none. */
export async function readFirstRow(path: string, quote: TableQuote | undefined): Promise<RawRow['row'] | null> {
  for await (const [first] of readRowBatches(path, { onBadRow: () => {}, columns: [], quote })) return first!.row;
  return null;
}

/**
 * The rows in batches, in the order of the files.
 * @throws Failure as `readTaskBatches`
 */
export async function* readExamples(
  { paths, columns, quote }: RowFiles,
  kind: Kind,
  events: ExampleEvents,
): AsyncGenerator<Example[], void> {
  if (kind === 'text') return yield* readTexts({ paths, columns, quote }, events);
  let raws: RawRow[] = [];
  const onRaw = (raw: RawRow): void => void raws.push(raw);
  for await (const rows of readTaskBatches(
    paths,
    { task: kind, columns, quote },
    { ...events, withText: events.withText === true, onRaw },
  )) {
    const these = raws;
    raws = [];
    yield rows.map((row, i) => ({ row, raw: these[i]! }));
  }
}

async function* readTexts({ paths, columns, quote }: RowFiles, events: ExampleEvents): AsyncGenerator<Example[], void> {
  const wanted = { text: columns['text'] ?? 'text' };
  for (const source of paths) {
    let column: string | null = null;
    const options = { ...events, quote, withText: events.withText === true };
    for await (const batch of readRowBatches(source, options)) {
      column ??= findColumns(wanted, { ...batch[0]!, path: source, isTable: isTable(source) }, events.onNote)['text']!;
      const name = column;
      yield batch.flatMap((raw) => {
        const { line } = raw;
        const text = tryParse(() => parseColumn(raw, name, source), events.onBadRow, { source, line });
        return text === null ? [] : [{ row: { text, source, line }, raw }];
      });
    }
  }
}

function parseColumn({ row, line }: RawRow, column: string, path: string): string {
  checkColumns(row, [column], `${path}:${line}`);
  return parseText(row[column], column, `${path}:${line}`);
}

/** Whether a file has a first line that names its columns, by its name. */
export function isTable(path: string): boolean {
  return ['csv', 'tsv'].includes(parseFormat(path));
}

/** @throws Failure `data-invalid` for a table whose first line looks like a row */
export async function checkHeader(path: string, quote: TableQuote | undefined): Promise<void> {
  const row = await readFirstRow(path, quote);
  if (row === null) return;
  findColumns({ text: 'text', label: 'label' }, { row, line: 1, path, isTable: isTable(path) }, () => {});
}

/** Says which columns the first file has, where no form of rows fits them. @param hint what to do */
export async function refuseUnknownRows({ paths: [first], quote }: RowFiles, hint: string): Promise<never> {
  const path = first!;
  await checkHeader(path, quote);
  const names = Object.keys((await readFirstRow(path, quote)) ?? {});
  if (names.length === 0) throw createDataFailure('rows-missing', `${path}: expected rows, found none`);
  const shown = `${names
    .slice(0, 12)
    .map((name) => JSON.stringify(name.slice(0, 40)))
    .join(', ')}${names.length > 12 ? ', …' : ''}`;
  throw createDataFailure('column-missing', `${path}: expected columns of a known form, found ${shown}`, { hint });
}
