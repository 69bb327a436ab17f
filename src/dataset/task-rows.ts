import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { checkColumns, parseText } from './check-values.ts';
import { parseMessages, parseTools } from './messages.ts';
import { parseFormat } from './open-dataset.ts';
import { parsePreferenceRow } from './preference-row.ts';
import { readRows, tryParse, type ReadRowsOptions } from './read-rows.ts';
import type { ChatMessage, ChatRow, ClassificationRow, Columns, LocatedRow, RawRow, RegressionRow, Row, RowTask } from './row.ts';

/** How rows are read. */
export interface RowShape {
  readonly task: RowTask;
  /** Columns by our names; a required one that is not named here is called as we do. */
  readonly columns: Columns;
}

/**
 * The mapped rows of the files, in order, streamed.
 * @throws Failure as `readRows` and the task's parse function; with `onBadRow` single wrong rows go there instead.
 */
export async function* readTaskRows(paths: readonly string[], shape: RowShape, options: ReadRowsOptions = {}): AsyncGenerator<LocatedRow> {
  const parser = createRowParser(shape);
  for (const source of paths) {
    let columnsAreChecked = parseFormat(source).rows === 'jsonl'; // all rows of a table have the same columns: report an absent one once
    for await (const raw of readRows(source, options)) {
      if (!columnsAreChecked) checkColumns(raw.row, parser.columns, source);
      columnsAreChecked = true;
      const parse = (): Row => parser.parse(raw, source);
      const row = options.onBadRow === undefined ? parse() : tryParse(parse, options.onBadRow);
      if (row !== null) yield { ...row, source, line: raw.line };
    }
  }
}

interface RowParser {
  /** The names that every row must have in the data. */
  readonly columns: readonly string[];
  parse(raw: RawRow, path: string): Row;
}

function createRowParser({ task, columns: named }: RowShape): RowParser {
  if (task === 'chat') {
    const columns = { messages: 'messages', ...named };
    return { columns: [columns.messages], parse: (raw, path) => parseChatRow(raw, columns, path) };
  }
  if (task === 'preference') {
    const columns = { chosen: 'chosen', rejected: 'rejected', ...named };
    return { columns: Object.values(columns), parse: (raw, path) => parsePreferenceRow(raw, columns, path) };
  }
  const columns = { text: 'text', label: 'label', ...named };
  const parse = task === 'regression' ? parseRegressionRow : parseClassificationRow;
  return { columns: Object.values(columns), parse: (raw, path) => parse(raw, columns, path) };
}

/** Which columns of the data files hold what. */
export interface ClassificationColumns {
  readonly text: string;
  readonly text2?: string | undefined;
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
  const text = parseText(row[columns.text], columns.text, place);
  const label = parseLabelColumn(row[columns.label], columns.label, place);
  const second = columns.text2 === undefined ? null : row[columns.text2];
  if (second === null || second === '') return { text, label }; // a row of a pair without its second text
  return { text, text2: parseText(second, columns.text2!, place), label };
}

/** The same with a number in the place of the label; in a table it is a text. */
function parseRegressionRow(raw: RawRow, columns: ClassificationColumns, path: string): RegressionRow {
  const { label, ...texts } = parseClassificationRow(raw, columns, path);
  const value = label.trim() === '' || /^0[xbo]/i.test(label.trim()) ? NaN : Number(label);
  if (Number.isFinite(value)) return { ...texts, value };
  const found = formatValue(raw.row[columns.label]);
  throw new Failure('data-invalid', `${path}:${raw.line}: expected a number in column ${formatValue(columns.label)}, found ${found}`);
}

/** Numbers and booleans become their JSON text. */
function parseLabelColumn(value: unknown, column: string, place: string): string {
  if (typeof value === 'string') return parseText(value, column, place);
  if (typeof value === 'boolean') return String(value);
  // Above 2^53 different numbers of the file would have become one label; 1e999 has become Infinity.
  if (typeof value === 'number' && (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) {
    return JSON.stringify(value);
  }
  throw new Failure('data-invalid', `${place}: expected a label in column ${formatValue(column)}, found ${formatValue(value)}`, {
    hint: 'A label is a string, a boolean, or a number that is exact in 64 bits.',
  });
}

/**
 * The conversation of a row: its messages unchanged, with the row's `tools` and `parallel_tool_calls`.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` as `parseMessages` and `parseTools`, and for a conversation that does not end with an answer, has
 *   nothing before it, or has no answer to learn.
 */
export function parseChatRow({ line, row }: RawRow, columns: { readonly messages: string }, path: string): ChatRow {
  const place = `${path}:${line}`;
  checkColumns(row, [columns.messages], place);
  const messages = parseMessages(row[columns.messages], `${place}: ${columns.messages}`);
  checkAnswers(messages, `${place}: ${columns.messages}`);
  return { messages, ...parseTools(row, place) };
}

function checkAnswers(messages: readonly ChatMessage[], place: string): void {
  const last = messages.length - 1;
  const { role } = messages[last]!;
  if (role !== 'assistant') {
    const expected = `${place}[${last}].role: expected the last message to be the assistant's`;
    const hint = 'The model learns the messages of the assistant: end each conversation with one.';
    throw new Failure('data-invalid', `${expected}, found ${formatValue(role)}`, { hint });
  }
  if (last === 0) throw new Failure('data-invalid', `${place}: expected a message before the answer, found none`);
  if (messages.every((message) => message.role !== 'assistant' || message['weight'] === 0)) {
    throw new Failure('data-invalid', `${place}: expected an assistant message to learn, found only messages of weight 0`);
  }
}
