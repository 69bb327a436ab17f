/** What the process of predictions is asked, and what it answers. */
import type { z } from 'zod';
import { TrainFile } from './protocol.ts';

/** `trainer predict`: the first line on standard input says which model, each further line is a PredictRow. */
export const PredictFile = TrainFile.pick({ version: true, backend: true, model: true });
export type PredictFile = Readonly<z.infer<typeof PredictFile>>;

export interface PredictRow {
  readonly id: string;
  readonly text: string;
  readonly text2?: string;
}

/** One line on standard output for each PredictRow, in any order; probabilities in the order of the labels. They sum to 1, unless a text may have several labels. */
export interface PredictAnswer {
  readonly id: string;
  readonly probabilities: readonly number[];
  /** The number, of a model without labels. */
  readonly value?: number;
  /** Whether the row was longer than the model can read. */
  readonly truncated: boolean;
  /** How many the model has read. */
  readonly tokens: number;
}
