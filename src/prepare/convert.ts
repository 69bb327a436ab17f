/** `data convert`: rows of any known form in another form, or in another kind of file. */
import { createDataFailure, type ReadNote } from '../dataset/findings.ts';
import { createBadRows, type BadRowKind } from '../dataset/bad-rows.ts';
import { readRowBatches } from '../dataset/read-rows.ts';
import { tryParse, type RowEvents } from '../dataset/row-events.ts';
import { taskColumns, type RawRow } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import { isAlike } from '../dataset/columns.ts';
import { findShape, type ChatShape } from '../dataset/shapes.ts';
import { describeColumns } from './guess-columns.ts';
import { forms, isPlainExchange, mayBeText, toForm, type Form } from './forms.ts';
import { findKind, readExamples, refuseUnknownRows, type Example, type Kind, type RowFiles } from './read-examples.ts';
import { createTableFormat, formatHeader, formatJsonRow, formatRawJson, formats, type Format, type FormatRow } from './write-rows.ts';

/** What `--to` can name: a form of rows, or a kind of file, with the rows as they are. */
export const conversionNames = [...forms, ...formats] as const;

export type ConversionName = (typeof conversionNames)[number];

export interface ConvertOptions extends RowFiles {
  readonly to: ConversionName;
  /** What the file is that is written. */
  readonly format: Format;
  /** A system message for conversations without one. */
  readonly system: string | null;
  /** Whether rows that cannot be converted are left out, and listed; else they refuse the whole. */
  readonly skipBad: boolean;
}

/** Something that rows have lost, or that became other than it was. */
export interface Loss {
  readonly what: string;
  readonly rows: number;
  readonly firstLine: number;
}

export interface Conversion {
  /** What the rows were; null: as the file has them, whatever they are. */
  readonly from: Kind | null;
  readonly to: ConversionName;
  readonly rows: number;
  readonly losses: readonly Loss[];
  /** What was read in another way than it is written. */
  readonly notes: readonly ReadNote[];
  /** Rows that were left out, by cause. */
  readonly skipped: readonly BadRowKind[];
}

/**
 * Converts the rows of files, in their order.
 * @param write is given the lines, and takes them whole or not at all: what they throw has to undo it
 * @throws Failure `data-invalid` for rows that cannot be read or converted, unless they are skipped, and where no row is left; `usage` where
 *   the form has no place in the file
 */
export async function convertRows(options: ConvertOptions, write: (lines: AsyncIterable<string>) => Promise<void>): Promise<Conversion> {
  const { to, skipBad } = options;
  const badRows = createBadRows();
  const notes: ReadNote[] = [];
  const losses = new Map<string, { rows: number; readonly firstLine: number }>();
  const onLoss = (what: string, line: number): void => {
    const loss = losses.get(what);
    if (loss === undefined) losses.set(what, { rows: 1, firstLine: line });
    else loss.rows++;
  };
  const events: RowEvents = { onBadRow: badRows.add, onNote: (note) => notes.push(note) };
  const run: Run = { ...options, events, onLoss };
  const source = isForm(to) ? await createFormSource(run, to) : { kind: null, lines: generateSame(run) };
  let rows = 0;
  async function* generate(): AsyncGenerator<string> {
    for await (const { line, isRow } of source.lines) {
      if (isRow) rows++;
      yield line;
    }
    if (!skipBad) badRows.check();
    if (rows === 0)
      throw createDataFailure('rows-missing', `expected rows that can be converted, found none in ${options.paths.join(', ')}`);
  }
  await write(generate());
  const list = [...losses].map(([what, loss]) => ({ what, ...loss }));
  return { from: source.kind, to, rows, losses: list, notes, skipped: badRows.list() };
}

interface Run extends ConvertOptions {
  readonly events: RowEvents;
  readonly onLoss: (what: string, line: number) => void;
}

interface Line {
  readonly line: string;
  /** False: it names the columns. */
  readonly isRow: boolean;
}

function isForm(name: ConversionName): name is Form {
  return (forms as readonly string[]).includes(name);
}

async function createFormSource(run: Run, to: Form): Promise<{ readonly kind: Kind; readonly lines: AsyncIterable<Line> }> {
  const { columns, format, system } = run;
  const kind = await findKind(run);
  if (kind === null) return await refuseUnknownRows(run, await describeColumns(run.paths[0]!, run.quote));
  const header = format === 'csv' ? getTableColumns(to, columns) : null;
  // All rows of a file have one form: texts where all of them can be, else lists of messages.
  const asText = format === 'csv' || (mayBeText(to) && (await isAllPlain(run, kind, to)));
  const formatRow: FormatRow = header === null ? formatJsonRow : createTableFormat(header);
  const convert = ({ row, raw }: Example): string => {
    const place = `${row.source}:${row.line}`;
    const losses = new Set<string>();
    const text = formatRow(toForm(to, row, { place, system, asText, onLoss: (what) => losses.add(what) }), place);
    for (const name of listUnused(raw.row, kind, columns)) losses.add(`the column ${JSON.stringify(name)} has no place in the form ${to}`);
    for (const what of losses) run.onLoss(what, row.line);
    return text;
  };
  return { kind, lines: generateConverted(run, { kind, header, convert }) };
}

async function* generateConverted(
  run: Run,
  { kind, header, convert }: { kind: Kind; header: readonly string[] | null; convert: (example: Example) => string },
): AsyncGenerator<Line> {
  if (header !== null) yield { line: formatHeader(header), isRow: false };
  for await (const examples of readExamples(run, kind, run.events)) {
    for (const example of examples) {
      const { source, line } = example.row;
      const text = tryParse(() => convert(example), run.events.onBadRow, { source, line });
      if (text !== null) yield { line: text, isRow: true };
    }
  }
}

/** Whether all rows that can be read fit in texts; reads up to the first that does not. */
async function isAllPlain(run: Run, kind: Kind, to: Form): Promise<boolean> {
  const options = { place: '', system: run.system, asText: true, onLoss: (): void => {} };
  for await (const examples of readExamples(run, kind, { onBadRow: () => {}, onNote: () => {} })) {
    if (!examples.every(({ row }) => isPlainExchange(row, options, to))) return false;
  }
  return true;
}

/** The columns of a table of a form. @throws Failure `usage` for a form that no table can hold */
function getTableColumns(to: Form, columns: RowFiles['columns']): readonly string[] {
  switch (to) {
    case 'classification':
      return ['text', ...(columns['text2'] === undefined ? [] : ['text2']), 'label'];
    case 'multi-label':
      return ['text', ...(columns['text2'] === undefined ? [] : ['text2']), 'labels'];
    case 'prompt-completion':
      return ['prompt', 'completion'];
    case 'preference':
      return ['prompt', 'chosen', 'rejected'];
    case 'text':
      return ['text'];
    case 'alpaca':
      return ['system', 'instruction', 'input', 'output'];
    default:
      throw new Failure('usage', `rows of the form ${to} hold lists, which a table cannot: name an output that ends in .jsonl`, {
        hint: 'Tables can hold classification, multi-label, prompt-completion, preference, text and alpaca.',
      });
  }
}

const usedByShape: Readonly<Record<ChatShape, readonly string[]>> = {
  messages: ['conversations', 'tools', 'parallel_tool_calls'],
  functions: ['conversations', 'tools', 'parallel_tool_calls', 'functions', 'function_call'],
  sharegpt: ['conversations', 'system', 'tools', 'parallel_tool_calls', 'functions'],
  alpaca: ['instruction', 'input', 'output', 'system', 'history'],
  completion: ['prompt', 'completion', 'tools', 'parallel_tool_calls'],
};

const usedByPreference = ['prompt', 'input', 'preferred_output', 'non_preferred_output', 'tools', 'parallel_tool_calls'];

/** Columns of a row that hold something and are no part of what was read of it. */
function listUnused(row: RawRow['row'], kind: Kind, columns: RowFiles['columns']): string[] {
  const ours: readonly string[] = kind === 'text' ? ['text'] : taskColumns[kind];
  const named = ours.filter((name) => name !== 'text2' || columns['text2'] !== undefined).map((name) => columns[name] ?? name);
  const shape = kind === 'chat' ? findShape(row, columns['messages'] ?? 'messages') : null;
  const used = [...named, ...(shape === null ? [] : usedByShape[shape]), ...(kind === 'preference' ? usedByPreference : [])];
  return Object.keys(row).filter((name) => {
    const isEmpty = row[name] === undefined || row[name] === null || row[name] === '';
    return !isEmpty && !used.some((other) => isAlike(name, other));
  });
}

/** Rows as they are, whatever they hold, in a file of another kind. */
async function* generateSame(run: Run): AsyncGenerator<Line> {
  const { paths, format, events, quote } = run;
  const columns = format === 'csv' ? await listColumns(run) : null;
  const formatTableRow = columns === null ? null : createTableFormat(columns);
  if (columns !== null && columns.length > 0) yield { line: formatHeader(columns), isRow: false };
  for (const source of paths) {
    for await (const batch of readRowBatches(source, { ...events, quote, withText: true })) {
      for (const raw of batch) {
        const formatLine = (): string => formatTableRow?.(raw.row, `${source}:${raw.line}`) ?? formatRawJson(raw);
        const line = tryParse(formatLine, events.onBadRow, { source, line: raw.line });
        if (line !== null) yield { line, isRow: true };
      }
    }
  }
}

/** All columns that some row has, in the order of their first rows. */
async function listColumns({ paths, quote }: RowFiles): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const path of paths) {
    for await (const batch of readRowBatches(path, { onBadRow: () => {}, quote })) {
      for (const { row } of batch) for (const name of Object.keys(row)) names.add(name);
    }
  }
  return [...names];
}
