/** A model that stays in memory and answers requests as they come. */
import type { ChatMessage } from '../dataset/row.ts';

export interface OpenModel {
  /** What it answers with: text that it writes; or the label, the labels as a JSON list, or the number of a text. */
  readonly gives: 'text' | 'label' | 'labels' | 'number';
  /** The most tokens of a request and its answer together. */
  readonly maxLength: number;
  /** Something that whoever asks should know; null: nothing. */
  readonly note: string | null;
  /**
   * The parts of an answer, as they come; the last one, and no other, is the end. A reader who stops before it ends the work on the answer.
   * @throws Failure `data-invalid` for a request that the model cannot read, the signal's reason, and as `Inference.predict`
   */
  answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<AnswerPart>;
  /** Lets go of the model. Requests that are being answered fail. */
  close(): Promise<void>;
}

export interface AnswerRequest extends SamplingSettings {
  /** A text as it is, two texts for a classifier of pairs, or a conversation for a model that writes. */
  readonly input: { readonly text: string; readonly text2?: string } | { readonly messages: readonly ChatMessage[] };
}

/** How text is written. A classifier reads none of it but `alternatives`. */
export interface SamplingSettings {
  /** The longest answer; null: as long as there is room. */
  readonly maxTokens: number | null;
  /** 0: always the most probable token. */
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number | null;
  readonly seed: number;
  /** The answer ends before the first of these texts. */
  readonly stop: readonly string[];
  /** A JSON Schema that the answer obeys; null: it is free. */
  readonly schema: unknown;
  /** How many other tokens, or labels, are given with each one; null: no probabilities at all. */
  readonly alternatives: number | null;
}

export type AnswerPart = AnswerText | AnswerEnd;

/** A token or a few of them; of a classifier the whole answer. */
export interface AnswerText {
  readonly type: 'text';
  readonly text: string;
  /** Natural logarithm; null where nobody asked, or there is none. */
  readonly logProbability: number | null;
  /** What else could have stood there, the most probable first; also the text itself, where it is among them. */
  readonly alternatives: readonly { readonly text: string; readonly logProbability: number }[];
}

export interface AnswerEnd {
  readonly type: 'end';
  readonly reason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly tokens: number;
  /** Whether the model has read only the beginning of a text. */
  readonly truncated: boolean;
}
