import { createBagOfWords } from './bag-of-words.ts';
import { createNearest } from './nearest-answer.ts';
import type { AnswerMessage, Example, Message } from './training-file.ts';

/** What a model could say, and how probable it finds it; the probabilities sum to 1. */
export interface Choice {
  readonly answer: AnswerMessage;
  readonly probability: number;
}

export type Predictor = (messages: readonly Message[]) => readonly Choice[];

const mostLabels = 50;

/** Learns from examples: a classifier where there are few answers to many prompts, else the answer to the most similar prompt. */
export function createPredictor(examples: readonly Example[]): Predictor {
  const labels = new Set(examples.map(({ answer }) => answer.content));
  const isClassification =
    labels.size <= mostLabels &&
    labels.size * 2 <= examples.length &&
    examples.every(({ answer }) => answer.content !== null && answer.tool_calls === undefined);
  return isClassification ? createBagOfWords(examples) : createNearest(examples);
}
