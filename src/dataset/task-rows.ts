import { mergeColumns } from '../lib/label-columns.ts';
import { formatValue } from '../lib/text.ts';
import { checkColumns, parseLabelValue, parseText } from './check-values.ts';
import { findColumns } from './columns.ts';
import { createDataFailure } from './findings.ts';
import { parseMessages, parseTools } from './messages.ts';
import { parseFormat } from './open-dataset.ts';
import { parsePreferenceRow } from './preference-row.ts';
import { readRowBatches, type ReadRowsOptions } from './read-rows.ts';
import { createLabelsParser } from './label-list.ts';
import { createNoteOnce, tryParse, type NoteOnce } from './row-events.ts';
import type {
  ChatMessage,
  ChatRow,
  ClassificationRow,
  Columns,
  LocatedRow,
  MultiLabelRow,
  RawRow,
  RegressionRow,
  Row,
  RowTask,
  TableQuote,
} from './row.ts';
import { findShape, shapeNames, toMessagesRow, type ChatShape } from './shapes.ts';

/** How rows are read. */
export interface RowShape {
  readonly task: RowTask;
  /** Columns by our names; a required one that is not named here is called as we do. */
  readonly columns: Columns;
  /** Of tables. */
  readonly quote?: TableQuote | undefined;
}

export interface TaskRowsOptions extends Omit<ReadRowsOptions, 'columns' | 'quote'> {
  /** Receives each row that is used as the file has it, in the order of the rows. */
  readonly onRaw?: (raw: RawRow) => void;
}

/**
 * The mapped rows of the files, in order, streamed in batches.
 * @throws Failure as `readRows` and the task's parse function; with `onBadRow` single wrong rows go there instead.
 */
export async function* readTaskBatches(
  paths: readonly string[],
  { task, columns: named, quote }: RowShape,
  options: TaskRowsOptions = {},
): AsyncGenerator<LocatedRow[]> {
  const wanted: Columns = mergeColumns(requiredColumns[task], named);
  const { onBadRow = throwFailure, onNote = ignore, onRaw } = options;
  for (const source of paths) {
    const format = parseFormat(source);
    const isTable = format === 'csv' || format === 'tsv';
    let parse: ((raw: RawRow) => Row) | null = null;
    for await (const batch of readRowBatches(source, { ...options, columns: Object.values(wanted), quote })) {
      const rows: LocatedRow[] = [];
      for (const raw of batch) {
        if (parse === null) {
          const columns = findColumns(wanted, { ...raw, path: source, isTable }, onNote);
          // All rows of a table have the same columns: report an absent one once. Those of other forms of chats stand for messages.
          const isOtherForm = task === 'chat' && findShape(raw.row, columns['messages']!) !== null;
          if (format !== 'json' && !isOtherForm) checkColumns(raw.row, Object.values(columns), source);
          parse = createRowParser({ task, columns, path: source, onNote });
        }
        const use = parse;
        const row = tryParse(() => use(raw), onBadRow, { source, line: raw.line });
        if (row === null) continue;
        onRaw?.(raw);
        rows.push({ ...row, source, line: raw.line });
      }
      if (rows.length > 0) yield rows;
    }
  }
}

function throwFailure(failure: unknown): never {
  throw failure;
}

function ignore(): void {}

/** The rows one by one. @throws Failure as `readTaskBatches` */
export async function* readTaskRows(paths: readonly string[], shape: RowShape, options: TaskRowsOptions = {}): AsyncGenerator<LocatedRow> {
  for await (const batch of readTaskBatches(paths, shape, options)) yield* batch;
}

/** What every row must have, by our names and those that it has where a job says nothing. */
const requiredColumns: Readonly<Record<RowTask, Columns>> = {
  classification: { text: 'text', label: 'label' },
  'multi-label': { text: 'text', labels: 'labels' },
  regression: { text: 'text', label: 'label' },
  chat: { messages: 'messages' },
  preference: { chosen: 'chosen', rejected: 'rejected' },
};

interface FileShape extends RowShape {
  readonly path: string;
  readonly onNote: NonNullable<ReadRowsOptions['onNote']>;
}

function createRowParser({ task, columns, path, onNote }: FileShape): (raw: RawRow) => Row {
  if (task === 'classification' || task === 'regression') {
    const parse = task === 'regression' ? parseRegressionRow : parseClassificationRow;
    return (raw) => parse(raw, columns as unknown as ClassificationColumns, path);
  }
  if (task === 'multi-label') return createMultiLabelParser(columns, path, createNoteOnce(onNote, path));
  const { chosen, rejected, prompt } = columns;
  if (task === 'preference') return (raw) => parsePreferenceRow(raw, { chosen: chosen!, rejected: rejected!, prompt }, path);
  const convert = createConverter(columns['messages']!, path, onNote);
  return (raw) => parseMessagesRow(convert(raw), columns['messages']!, path);
}

/** Brings rows into the form of messages; all rows of a file have one form. */
function createConverter(column: string, path: string, onNote: FileShape['onNote']): (raw: RawRow) => RawRow {
  let first: { readonly shape: ChatShape; readonly line: number } | null = null;
  const noteOnce = createNoteOnce(onNote, path);
  return (raw) => {
    const shape = findShape(raw.row, column);
    if (shape === null) return raw; // refused for its missing column
    const isOfMessages = (one: ChatShape): boolean => one === 'messages' || one === 'functions';
    first ??= { shape, line: raw.line };
    if (first.shape !== shape && !(isOfMessages(first.shape) && isOfMessages(shape))) {
      const expected = `${path}:${raw.line}: expected ${shapeNames[first.shape]}, as on line ${first.line}`;
      throw createDataFailure('shape-mixed', `${expected}, found ${shapeNames[shape]}`, {
        hint: 'Give rows of another form a file of their own.',
      });
    }
    if (shape !== 'messages') noteOnce('shape-converted', raw.line, `rows of ${shapeNames[shape]} were converted to messages`);
    return { line: raw.line, row: toMessagesRow(raw, shape, { column, place: `${path}:${raw.line}` }) };
  };
}

/** Which columns of the data files hold what. */
export interface TextColumns {
  readonly text: string;
  readonly text2?: string | undefined;
}

export interface ClassificationColumns extends TextColumns {
  readonly label: string;
}

/**
 * The row under our names.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` for an absent column, a blank text or label, and values of another kind.
 */
export function parseClassificationRow({ line, row }: RawRow, columns: ClassificationColumns, path: string): ClassificationRow {
  const place = `${path}:${line}`;
  checkColumns(row, [columns.text, columns.text2, columns.label], place);
  const texts = parseTexts(row, columns, place);
  return { ...texts, label: parseLabelValue(row[columns.label], columns.label, place) };
}

/** The text of a row, or its pair of texts. */
export function parseTexts(row: RawRow['row'], columns: TextColumns, place: string): Omit<ClassificationRow, 'label'> {
  const text = parseText(row[columns.text], columns.text, place);
  const second = columns.text2 === undefined ? null : row[columns.text2];
  if (second === null || second === '') return { text }; // a row of a pair without its second text
  return { text, text2: parseText(second, columns.text2!, place) };
}

/** Rows with any number of labels. */
function createMultiLabelParser(columns: Columns, path: string, noteOnce: NoteOnce): (raw: RawRow) => MultiLabelRow {
  const { text, text2 } = columns as unknown as TextColumns;
  const parseLabels = createLabelsParser(columns, noteOnce);
  return (raw) => {
    const place = `${path}:${raw.line}`;
    checkColumns(raw.row, [text, text2], place);
    return { ...parseTexts(raw.row, { text, text2 }, place), labels: parseLabels(raw, place) };
  };
}

/** The same with a number in the place of the label; in a table it is a text. */
function parseRegressionRow(raw: RawRow, columns: ClassificationColumns, path: string): RegressionRow {
  const { label, ...texts } = parseClassificationRow(raw, columns, path);
  const value = label.trim() === '' || /^0[xbo]/i.test(label.trim()) ? NaN : Number(label);
  if (Number.isFinite(value)) return { ...texts, value };
  const found = formatValue(raw.row[columns.label]);
  throw createDataFailure('value-kind', `${path}:${raw.line}: expected a number in column ${formatValue(columns.label)}, found ${found}`);
}

/**
 * The conversation of a row: its messages unchanged, with the row's `tools` and `parallel_tool_calls`. Rows of other known forms are
 * converted.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` as `parseMessages` and `parseTools`, and for a conversation that does not end with an answer, has
 *   nothing before it, or has no answer to learn.
 */
export function parseChatRow(raw: RawRow, columns: { readonly messages: string }, path: string): ChatRow {
  const shape = findShape(raw.row, columns.messages);
  const place = `${path}:${raw.line}`;
  const row = shape === null ? raw.row : toMessagesRow(raw, shape, { column: columns.messages, place });
  return parseMessagesRow({ line: raw.line, row }, columns.messages, path);
}

function parseMessagesRow({ line, row }: RawRow, column: string, path: string): ChatRow {
  const place = `${path}:${line}`;
  checkColumns(row, [column], place);
  const messages = parseMessages(row[column], `${place}: ${column}`);
  checkAnswers(messages, `${place}: ${column}`);
  return { messages, ...parseTools(row, place) };
}

function checkAnswers(messages: readonly ChatMessage[], place: string): void {
  const last = messages.length - 1;
  const { role } = messages[last]!;
  if (role !== 'assistant') {
    const expected = `${place}[${last}].role: expected the last message to be the assistant's`;
    const hint = 'The model learns the messages of the assistant: end each conversation with one.';
    throw createDataFailure('chat-order', `${expected}, found ${formatValue(role)}`, { hint });
  }
  if (last === 0) throw createDataFailure('chat-order', `${place}: expected a message before the answer, found none`);
  if (messages.every((message) => message.role !== 'assistant' || message['weight'] === 0)) {
    throw createDataFailure('chat-answer', `${place}: expected an assistant message to learn, found only messages of weight 0`);
  }
}
