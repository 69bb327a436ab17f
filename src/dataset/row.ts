/** The rows of a job, by its task, whatever their columns were called in the data. */
export type Row = ClassificationRow | ChatRow | PreferenceRow;

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

/** One conversation. What the model is to say are its assistant messages. */
export interface ChatRow {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  readonly parallel_tool_calls?: boolean;
}

/** One conversation with a better and a worse end. */
export interface PreferenceRow {
  readonly prompt: readonly ChatMessage[];
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
}
