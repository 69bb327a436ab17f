import { getExpectedAnswer } from '../dataset/chat.ts';
import { checkColumns } from '../dataset/check-values.ts';
import { parseMessages, parseTools } from '../dataset/messages.ts';
import { readRows } from '../dataset/read-rows.ts';
import type { Columns, RawRow } from '../dataset/row.ts';
import { parseChatRow, parseClassificationRow } from '../dataset/task-rows.ts';
import { Failure } from '../errors.ts';
import type { PromptSettings } from './prompt-settings.ts';
import { toInput, type PredictionInput } from './predictions-file.ts';
import type { AskedRow } from './to-question.ts';

/** A row that a model is to answer. */
export interface CaptureRow {
  /** What the model reads of it becomes of this. */
  readonly asked: AskedRow;
  /** What names it in a predictions file. */
  readonly input: PredictionInput;
  /** Null where the data has no answer. */
  readonly expected: string | null;
}

export interface RowSettings {
  readonly task: PromptSettings['task'];
  /** By our names; what is not named is called as we do. */
  readonly columns: Columns;
  /** Only the first rows. */
  readonly limit: number;
}

/**
 * The rows of a data file, with or without their labels or answers: texts, and conversations, whose last message is the answer if it is
 * the assistant's.
 * @throws Failure as `readRows` and the parse functions of rows; `data-invalid` for a file without a row
 */
export async function readCaptureRows(path: string, { task, columns, limit }: RowSettings): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  const names = { text: 'text', label: 'label', messages: 'messages', ...columns };
  for await (const raw of readRows(path)) {
    if (rows.length >= limit) break;
    const has = (column: string): boolean => Object.hasOwn(raw.row, column);
    if (!has(names.text) && !has(names.messages)) {
      checkColumns(raw.row, [task === 'classification' ? names.text : names.messages], `${path}:${raw.line}`);
    }
    rows.push(has(names.messages) ? parseConversation(raw, names, path) : parseText(raw, { names, task, path }));
  }
  if (rows.length === 0) throw new Failure('data-invalid', `expected rows to answer in ${path}, found none`);
  return rows;
}

type Names = Columns & { readonly text: string; readonly label: string; readonly messages: string };

function parseConversation(raw: RawRow, { messages: column }: Names, path: string): CaptureRow {
  const place = `${path}:${raw.line}`;
  const messages = parseMessages(raw.row[column], `${place}: ${column}`);
  if (messages.at(-1)!.role !== 'assistant') {
    const asked = { messages: [...messages, { role: 'assistant' }], ...parseTools(raw.row, place) };
    return { asked, input: toInput(asked), expected: null };
  }
  const asked = parseChatRow(raw, { messages: column }, path);
  return { asked, input: toInput(asked), expected: getExpectedAnswer(asked) };
}

/** A text is what a classifier reads, and to any other model what a user says. */
function parseText(raw: RawRow, { names, task, path }: { names: Names; task: PromptSettings['task']; path: string }): CaptureRow {
  const hasLabel = Object.hasOwn(raw.row, names.label) && raw.row[names.label] !== null;
  const { label, ...texts } = parseClassificationRow(raw, hasLabel ? names : { ...names, label: names.text }, path);
  const asked: AskedRow = task === 'classification' ? texts : { messages: [{ role: 'user', content: texts.text }, { role: 'assistant' }] };
  return { asked, input: toInput(texts), expected: hasLabel ? label : null };
}
