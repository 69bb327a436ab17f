import type { RunSpec } from '../../src/job/run-spec.ts';

/** What is absent is the service's own choice ("auto"). */
export interface Hyperparameters {
  readonly n_epochs?: number;
  readonly batch_size?: number;
  /** Multiplies the rate that the service would take; never an absolute rate. */
  readonly learning_rate_multiplier?: number;
  /** Of `dpo` only. */
  readonly beta?: number;
}

export type Method =
  | { readonly type: 'supervised'; readonly supervised: { readonly hyperparameters: Hyperparameters } }
  | { readonly type: 'dpo'; readonly dpo: { readonly hyperparameters: Hyperparameters } };

/** How the rows become lines of the training file. */
export interface RowsPlan {
  readonly task: Exclude<RunSpec['task'], 'text'>;
  /** How a row of `classification` becomes a chat; null for other tasks. */
  readonly conversion: string | null;
  readonly prompt: RunSpec['prompt'];
  /** Of `classification`, sorted; empty for other tasks. */
  readonly labels: readonly string[];
}

/** The body of a create call without its files; `rows` is ours and is not sent. Other fields come from the target's `native`. */
export interface OpenAIRequest {
  readonly model: string;
  readonly method: Method;
  readonly suffix: string;
  readonly seed?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly rows: RowsPlan;
  readonly [native: string]: unknown;
}

/** Ids of uploaded files. */
export interface Prepared {
  readonly trainingFile: string;
  readonly validationFile: string | null;
}

/** The exact body of the create call. */
export interface Wire {
  readonly model: string;
  readonly training_file: string;
  readonly validation_file?: string;
  readonly method: Method;
  readonly suffix: string;
  readonly seed?: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly [native: string]: unknown;
}
