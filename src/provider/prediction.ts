import type { ChatMessage } from '../dataset/row.ts';

export interface Prediction {
  readonly id: string;
  /** The label of a classifier, or the text of a generated answer; null where there is none. */
  readonly answer: string | null;
  /** By label; null where the service gives none. */
  readonly probabilities: Readonly<Record<string, number>> | null;
  /** Natural logarithm of the whole answer's probability, where the service gives it. */
  readonly logProbability?: number | null;
  readonly truncated: boolean;
  /** From sending the request to its whole answer. */
  readonly latencyMs?: number | null;
  readonly tokens?: { readonly input: number; readonly output: number } | null;
}

/** A question: the text for a classifier, or the messages for a chat model. */
export type PredictionRow = TextRow | PromptRow;

export interface TextRow {
  readonly id: string;
  readonly text: string;
  readonly text2?: string;
}

export interface PromptRow {
  readonly id: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
}
