/** The rows of rows/*.jsonl in a run folder, by the task of the training. */

/** One row of classification data, mapped and split; `text2` is the second text of a pair. */
export interface TrainRow {
  readonly text: string;
  readonly text2?: string;
  /** The label, the number of a model that gives one, or all labels where a text may have several. */
  readonly label: string | number | readonly string[];
}

/** A text of which only parts are learned: a conversation as the chat template writes it, and its answers. */
export interface ChatTrainRow {
  readonly text: string;
  /** In UTF-16 units, each from the first to before the last one, in order. */
  readonly learned: readonly (readonly [start: number, end: number])[];
  /** The text has all its special tokens; absent: those that the tokenizer puts in front of a text come first where it does not begin with them. */
  readonly hasBegin?: true;
}

/** A conversation with its better and its worse end. */
export interface PreferenceTrainRow {
  readonly chosen: ChatTrainRow;
  readonly rejected: ChatTrainRow;
}
