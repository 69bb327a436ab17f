import { z } from 'zod';

/** What a job of ours is told in its environment variable `ORCHESTRATE_JOB`, as far as the sandbox reads it. */
export const JobTask = z.looseObject({
  version: z.literal(1),
  engine: z.enum(['autotrain', 'trl', 'transformers']),
  task: z.enum(['text-classification', 'sft', 'dpo']),
  /** `train` and `validation`: names of files of JSON lines. */
  dataset: z.looseObject({
    repo: z.string(),
    revision: z.string(),
    train: z.string(),
    validation: z.string().nullish(),
    textColumn: z.string(),
    labelColumn: z.string().optional(),
    pairColumn: z.string().optional(),
  }),
  /** In the order of the classifier's outputs. */
  labels: z.array(z.string()).optional(),
  /** In tokens. */
  maxLength: z.int().min(1).optional(),
  model: z.looseObject({ base: z.string(), revision: z.string().optional() }),
  output: z.looseObject({ repo: z.string() }),
  parameters: z.record(z.string(), z.unknown()),
});
export type JobTask = z.infer<typeof JobTask>;

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

/** Trains a classifier. The message of what it throws is in the job's log. */
export type TrainModel = (task: TrainingTask) => Promise<TrainedModel>;
