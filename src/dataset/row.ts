import { Failure } from '../errors.ts';

/** One row as the file has it; `line` is the line on which it begins, counted from 1. */
export interface RawRow {
  readonly line: number;
  readonly row: Readonly<Record<string, unknown>>;
  /** Its JSON as it stands in the file; only where that was asked for, and absent in a table. */
  readonly text?: string;
}

/** Which columns of the data files hold what: our names, and theirs. */
export type Columns = Readonly<Record<string, string>>;

/** How quotes of tables are read: as text, or around fields as RFC 4180 has them. Where nobody says it, the file tells. */
export type TableQuote = 'none' | 'double';

/** The tasks whose data can be read. */
export type RowTask = 'classification' | 'multi-label' | 'regression' | 'chat' | 'preference';

/** Columns that the data of a task may have, by our names. */
export const taskColumns: Readonly<Record<RowTask, readonly string[]>> = {
  classification: ['text', 'text2', 'label'],
  'multi-label': ['text', 'text2', 'labels'],
  regression: ['text', 'text2', 'label'],
  chat: ['messages'],
  preference: ['prompt', 'chosen', 'rejected'],
};

/**
 * A job's task as one whose rows can be read.
 * @throws Failure `job-file-invalid` for another one.
 */
export function parseRowTask(task: string): RowTask {
  if (isRowTask(task)) return task;
  const names = Object.keys(taskColumns).map((name) => `"${name}"`);
  const list = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  throw new Failure('job-file-invalid', `task: expected ${list}, which this version can train, found "${task}"`);
}

function isRowTask(task: string): task is RowTask {
  return Object.hasOwn(taskColumns, task);
}

/** The rows of a job, by its task, under our names for the columns. */
export type Row = ClassificationRow | MultiLabelRow | RegressionRow | ChatRow | PreferenceRow;

/** A row and its place: `source` is the file's path, `line` counts from 1. */
export type LocatedRow = Row & { readonly source: string; readonly line: number };

export interface ClassificationRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  readonly label: string;
}

export interface MultiLabelRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  /** Each once, sorted by code unit; there may be none. */
  readonly labels: readonly string[];
}

export interface RegressionRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  readonly value: number;
}

/** A message as the services' chat formats write it; all other fields (`name`, `tool_calls`, `weight`, …) stay in it. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

/** The fields beside the messages of a conversation. */
export interface ToolFields {
  readonly tools?: readonly unknown[];
  readonly parallel_tool_calls?: boolean;
}

/** One conversation. The model learns its assistant messages; the last message is one of them. */
export interface ChatRow extends ToolFields {
  readonly messages: readonly ChatMessage[];
}

/** One conversation with a better and a worse end; each end begins and ends with an assistant message. */
export interface PreferenceRow extends ToolFields {
  readonly prompt: readonly ChatMessage[];
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
}
