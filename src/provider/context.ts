import type { DataFacts } from '../dataset/inspect.ts';
import type { Row } from '../dataset/row.ts';
import type { Secret } from '../lib/redact.ts';
import type { AnswerSchema } from '../job/answer-schema.ts';
import type { RunKey } from '../job/run-key.ts';

/** What a provider may use. It reads no environment and no clock itself. */
export interface Context {
  readonly signal: AbortSignal;
  now(): Date;
  /** Resolves after so many milliseconds, or rejects when the signal aborts. */
  wait(ms: number): Promise<void>;
  /** A setting of the user, by the name that the service's own tools use, such as `OPENAI_BASE_URL`; null where there is none. */
  setting(name: string): string | null;
  /** The same for a secret, such as `OPENAI_API_KEY`. */
  credential(name: string): Secret | null;
  /** Tells the person, in one line, how far something is that takes long. Absent: nobody listens. */
  report?(text: string): void;
}

/** The context of a price: the rows that would be sent. */
export interface QuoteContext extends Context {
  readonly facts: DataFacts;
  /** The rows of one part, mapped and split. */
  readRows(part: 'train' | 'validation'): AsyncIterable<Row>;
}

/** The context of one attempt to submit a run; `readRows` gives the rows as they were when the run was accepted. */
export interface Attempt extends QuoteContext {
  readonly key: RunKey;
  readonly attempt: number;
  /** The run's own folder, absolute; it exists from `prepare` on. */
  readonly workDir: string;
  /** Where trainings of this machine line up: a folder that all runs share, and the run's name; absent: nowhere. */
  readonly queue?: { readonly folder: string; readonly name: string };
}

/** How answers are generated; fields that are left out use the service's default. */
export interface GenerationSettings {
  readonly temperature?: number | undefined;
  /** The longest answer, in tokens. */
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  /** Answers are JSON that follows it; absent: they are free text. */
  readonly schema?: AnswerSchema | undefined;
}

export interface DeploymentContext extends Context {
  /** The options of the target that the model belongs to. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface PredictionContext extends Context {
  readonly generation: GenerationSettings;
  /** How many rows may be answered at once. */
  readonly concurrency: number;
  /** Asked before each request that may cost: where it is false no more are sent, and those under way come to their end. Absent: always. */
  mayAsk?(): boolean;
  /** Is called for each request of a row that has no answer and may be charged all the same. */
  onLost?(id: string): void;
}
