/** What a job of ours is told in its environment variable `ORCHESTRATE_JOB`, as far as the sandbox reads it. */
export interface JobTask {
  readonly version: 1;
  readonly engine: 'autotrain' | 'trl' | 'transformers';
  readonly task: 'text-classification' | 'sft' | 'dpo';
  readonly dataset: {
    readonly repo: string;
    readonly revision: string;
    /** Names of files of JSON lines. */
    readonly train: string;
    readonly validation?: string | null;
    readonly textColumn: string;
    readonly labelColumn?: string;
    readonly pairColumn?: string;
  };
  /** In the order of the classifier's outputs. */
  readonly labels?: readonly string[];
  /** In tokens. */
  readonly maxLength?: number;
  readonly model: { readonly base: string; readonly revision?: string };
  readonly output: { readonly repo: string };
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A classifier to be trained. */
export interface TrainingTask {
  readonly task: JobTask;
  /** The files of the dataset, as they were uploaded. */
  readonly rows: { readonly train: Buffer; readonly validation: Buffer | null };
  /** The base model's files where the sandbox's Hub has its weights; else null. */
  readonly base: ReadonlyMap<string, Buffer> | null;
  /** Aborts when the job is cancelled, or the sandbox closed. */
  readonly signal: AbortSignal;
}

/** What was measured after a step, by the engines' names: `loss`, `learning_rate`, `eval_loss`, `epoch`. */
export interface Figures {
  readonly step: number;
  readonly steps: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface TrainedModel {
  /** By path: weights, configuration, tokenizer. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** In order. */
  readonly figures: readonly Figures[];
}

/** Trains a classifier. What it throws is what the job's log tells. */
export type TrainModel = (task: TrainingTask) => Promise<TrainedModel>;
