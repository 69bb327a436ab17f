/**
 * What the trainer process is told and what it tells: the types of the files in its run folder. Types only, so that the local
 * provider can import them without the engine.
 *
 *     train.json       written once before the process starts: TrainFile
 *     rows/*.jsonl     one TrainRow a line
 *     events.jsonl     appended by the trainer, one TrainerEvent a line
 *     control.json     written (by rename) by whoever wants something of the trainer: ControlFile; read at each step
 *     checkpoints/     step-00000120/ and the one before it: all that is needed to go on (see checkpoint.ts)
 *     fence.json       FenceFile: attempts up to this one must not start any more
 *     run.lock.db      a SQLite file that the trainer holds exclusively as long as it lives
 *     model/           the tuned model, a Hugging Face folder; appears by rename, whole
 *     unfinished/      the last finite weights of a training that diverged or was cancelled
 */

export type BackendName = 'wasm' | 'cpu';

/** What `train.json` says. Paths are relative to the run folder, except `model.folder`. */
export interface TrainFile {
  readonly version: 1;
  /** Names this start of the trainer; repeated in `trainer-started`. */
  readonly nonce: string;
  readonly attempt: number;
  readonly backend: BackendName;
  readonly model: ClassifierSource;
  readonly rows: { readonly train: string; readonly validation: string | null };
  readonly training: TrainingSettings;
  /** Printed in the model card. */
  readonly card: { readonly name: string; readonly base: string };
}

/** A classifier: a folder with its own head for these labels, or a folder and a new head drawn from `seed`. */
export interface ClassifierSource {
  /** Absolute path of a Hugging Face folder. */
  readonly folder: string;
  /** Label names in the order of the classes. */
  readonly labels: readonly string[];
  /** Seeds the new head where the folder has none for these labels. */
  readonly seed: number;
  /** Rows are cut to so many tokens, special tokens included. */
  readonly maxLength: number;
}

export interface TrainingSettings {
  /** Passes over the training rows (may be fractional), or null where `steps` is given. */
  readonly epochs: number | null;
  /** Optimizer steps, or null where `epochs` is given. */
  readonly steps: number | null;
  /** Rows per optimizer step. */
  readonly batchSize: number;
  /** Rows per forward pass; divides a batch into micro-batches whose gradients are accumulated. */
  readonly microBatchSize: number;
  readonly learningRate: number;
  readonly schedule: 'linear' | 'cosine' | 'constant';
  /** Share of the steps with a rising learning rate. */
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** `best` keeps the weights of the epoch with the lowest validation loss. */
  readonly select: 'last' | 'best';
  readonly seed: number;
  /** Optimizer steps between checkpoints; null: at the ends of epochs and by time. Changes no result. */
  readonly checkpointSteps: number | null;
}

/** One row of classification data, mapped and split. */
export interface TrainRow {
  readonly text: string;
  /** The second text of a pair. */
  readonly text2?: string;
  readonly label: string;
}

/** `cancel` ends a training for good; `pause` stops it where it can go on, whoever starts it again removes the file first. */
export interface ControlFile {
  readonly command: 'cancel' | 'pause';
}

export interface FenceFile {
  readonly attempt: number;
}

/** One line of `events.jsonl`; `at` is ISO 8601 UTC. */
export type TrainerEvent = { readonly at: string } & (
  | {
      readonly type: 'trainer-started';
      readonly nonce: string;
      readonly attempt: number;
      readonly pid: number;
      readonly backend: BackendName;
    }
  | {
      readonly type: 'data-read';
      readonly rows: number;
      readonly validationRows: number;
      readonly truncated: number;
      readonly steps: number;
    }
  | StepFinished
  | EpochEvaluated
  | { readonly type: 'model-written'; readonly folder: 'model' | 'unfinished'; readonly step: number; readonly sha256: string }
  | { readonly type: 'training-finished'; readonly step: number; readonly seconds: number }
  | { readonly type: 'training-cancelled'; readonly step: number }
  | { readonly type: 'training-paused'; readonly step: number }
  | TrainingResumed
  | { readonly type: 'checkpoint-written'; readonly step: number; readonly milliseconds: number }
  | { readonly type: 'checkpoint-skipped'; readonly reason: string }
  | { readonly type: 'training-failed'; readonly code: string; readonly message: string; readonly hint: string | null }
);

/** A trainer that was started again has told `trainer-started`, and goes on after this step; 0 without a checkpoint. */
export interface TrainingResumed {
  readonly type: 'training-resumed';
  readonly step: number;
  /** Whether the result is surely the same, bit by bit, as without the interruption; else what has changed. */
  readonly changed: string | null;
}

/** One optimizer step. Told once, also where it is taken again after an interruption. */
export interface StepFinished {
  readonly type: 'step-finished';
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
  /** Passes finished, fractional. */
  readonly epoch: number;
  /** Mean cross-entropy over the step's rows, nats. */
  readonly loss: number;
  readonly learningRate: number;
  /** Euclidean norm of all gradients before clipping. */
  readonly gradNorm: number;
  readonly rowsPerSecond: number;
  readonly etaSeconds: number;
}

/** The validation rows, scored after an epoch. */
export interface EpochEvaluated {
  readonly type: 'epoch-evaluated';
  readonly step: number;
  readonly epoch: number;
  readonly rows: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly accuracy: number;
}

/** `trainer check BACKEND`: one line on standard output after a real training step of a small network. */
export interface CheckAnswer {
  readonly backend: BackendName;
  readonly loss: number;
  /** Of the second step; the first one prepares. */
  readonly milliseconds: number;
}

/** `trainer predict`: the first line on standard input says which model, each further line is a PredictRow. */
export interface PredictFile {
  readonly version: 1;
  readonly backend: BackendName;
  readonly model: ClassifierSource;
}

export interface PredictRow {
  readonly id: string;
  readonly text: string;
  readonly text2?: string;
}

/** One line on standard output for each PredictRow, in any order; probabilities in the order of the labels. */
export interface PredictAnswer {
  readonly id: string;
  readonly probabilities: readonly number[];
  /** Whether the row was longer than the model can read. */
  readonly truncated: boolean;
}
