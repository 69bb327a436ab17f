import type { DataFacts } from '../dataset/inspect.ts';
import type { Row } from '../dataset/row.ts';
import type { Secret } from '../lib/redact.ts';
import type { RunKey } from '../job/run-key.ts';

/** What a provider may use. It reads no environment and no clock of its own. */
export interface Context {
  readonly signal: AbortSignal;
  now(): Date;
  /** Resolves after so many milliseconds, or rejects when the signal aborts. */
  wait(ms: number): Promise<void>;
  /** A setting of the user's by the name that the service's own tools give it, such as `OPENAI_BASE_URL`; null where there is none. */
  setting(name: string): string | null;
  /** The same for what must stay secret, such as `OPENAI_API_KEY`. */
  credential(name: string): Secret | null;
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
}

/** How answers are generated; what is absent is the service's own choice. */
export interface GenerationSettings {
  readonly temperature?: number | undefined;
  /** Most tokens of an answer. */
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
}

export interface DeploymentContext extends Context {
  /** The options of the target whose model it is. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface PredictionContext extends Context {
  readonly generation: GenerationSettings;
  /** Rows that may be answered at once. */
  readonly concurrency: number;
}
