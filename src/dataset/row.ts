/** The tasks whose data can be read. */
export type RowTask = 'classification' | 'chat' | 'preference';

/** The rows of a job, by its task, whatever their columns were called in the data. */
export type Row = ClassificationRow | ChatRow | PreferenceRow;

/** A row and where it stands: `source` is the file's path, `line` counts from 1. */
export type LocatedRow = Row & { readonly source: string; readonly line: number };

export interface ClassificationRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  readonly label: string;
}

/** A conversation, as the services' chat formats write it; what else stands in a message (`name`, `tool_calls`, `weight`, …) stays. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

/** What stands beside the messages of a conversation. */
export interface ToolFields {
  readonly tools?: readonly unknown[];
  readonly parallel_tool_calls?: boolean;
}

/** One conversation. What the model is to say are its assistant messages, of which the last one ends it. */
export interface ChatRow extends ToolFields {
  readonly messages: readonly ChatMessage[];
}

/** One conversation with a better and a worse end; each end begins and ends with an assistant message. */
export interface PreferenceRow extends ToolFields {
  readonly prompt: readonly ChatMessage[];
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
}
