/** What the generating process is asked, and what it answers. */
import { z } from 'zod';
import type { FailureData } from '../errors.ts';
import { LanguageSource, TrainFile } from './protocol.ts';

/** `trainer generate`: the first line on standard input says which model; each further line is a GenerateRow or a CancelRow. */
export const GenerateFile = TrainFile.pick({ version: true, backend: true }).extend({
  model: LanguageSource.omit({ seed: true }),
});
export type GenerateFile = Readonly<z.infer<typeof GenerateFile>>;

const text = z.string('a text');
const count = z.int('a positive whole number').min(1, 'a positive whole number');

export const GenerateRow = z.object({
  id: text,
  /** The text that is continued, as a chat template has written it. */
  text,
  /** The text has all its special tokens: none are put in front of it. */
  hasBegin: z.literal(true, 'true').optional(),
  /** The longest answer; it is shorter where the model reads no more. */
  maxTokens: count,
  temperature: z.number('a number from 0').min(0, 'a number from 0'),
  topP: z.number('a number from 0 to 1').min(0, 'a number from 0 to 1').max(1, 'a number from 0 to 1'),
  topK: count.nullable(),
  /** The answer ends before the first of these texts. */
  stop: z.array(text, 'a list of texts'),
  seed: z.int('a whole number'),
  /** How many alternatives are given with each token; absent: no probabilities at all. */
  logprobs: z.int('a whole number from 0').min(0, 'a whole number from 0').optional(),
  /** Refuses a text that leaves no room for an answer; absent: its last part is read. */
  isWhole: z.literal(true, 'true').optional(),
  /** A JSON Schema that the answer obeys. */
  schema: z.unknown().optional(),
});
export type GenerateRow = Readonly<z.infer<typeof GenerateRow>>;

/** Ends the work on an answer. */
export const CancelRow = z.object({ id: text, cancel: z.literal(true) });

/** One line on standard output; the last one of an answer is `done` or `failure`. */
export type GenerateAnswer =
  | ({ readonly id: string } & GenerateDelta)
  | { readonly id: string; readonly done: GenerateDone }
  | { readonly id: string; readonly failure: FailureData };

/** What a token adds to an answer. */
export interface GenerateDelta {
  readonly delta: string;
  /** The natural logarithm of the token's probability. */
  readonly logprob?: number;
  /** The most probable tokens in its place. */
  readonly top?: readonly { readonly token: string; readonly logprob: number }[];
}

export interface GenerateDone {
  /** `stop`: the model ended its answer, or one of the texts was reached; `length`: there was no more room. */
  readonly reason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly tokens: number;
}
