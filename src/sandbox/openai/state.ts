import type OpenAI from 'openai';
import type { TimedJob } from '../clock.ts';
import type { Dialect } from './dialects.ts';
import type { Example, Method, TrainingFile } from './training-file.ts';

/* What belongs to one account at OpenAI and at Azure: the objects as the services write them, and what the sandbox knows of them besides. */

/** Azure has one more status; times are Unix seconds. */
export type WireFile = Omit<OpenAI.FileObject, 'status' | 'purpose'> & {
  readonly status: 'processed' | 'pending';
  readonly purpose: string;
};

export interface StoredFile {
  readonly wire: WireFile;
  readonly bytes: Buffer;
  /** Until then it is pending and cannot be used. */
  readonly readyMs: number;
}

export interface Upload {
  readonly wire: OpenAI.Upload;
  readonly parts: Map<string, Buffer>;
}

/** Where a job is; some of them have another name on Azure. */
export type JobStatus = OpenAI.FineTuning.FineTuningJob['status'] | 'paused';

export type WireJob = Omit<OpenAI.FineTuning.FineTuningJob, 'status' | 'hyperparameters'> & {
  status: string;
  hyperparameters: OpenAI.FineTuning.FineTuningJob.Hyperparameters | null;
  readonly user_provided_suffix: string | null;
};

export interface Hyperparameters {
  readonly n_epochs: number;
  readonly batch_size: number;
  readonly learning_rate_multiplier: number;
  readonly beta?: number;
}

/** Of `moderation_checks` the published types do not know. */
export type JobEvent = Omit<OpenAI.FineTuning.FineTuningJobEvent, 'type'> & { readonly type: 'message' | 'metrics' | 'moderation_checks' };

/** A job with all that has happened to it. */
export interface Job extends TimedJob {
  readonly wire: WireJob;
  readonly dialect: Dialect;
  readonly method: Method;
  readonly hyperparameters: Hyperparameters;
  readonly training: TrainingFile;
  status: JobStatus;
  pausedAtMs: number | null;
  /** Oldest first. */
  readonly events: JobEvent[];
  /** Oldest first. */
  readonly checkpoints: OpenAI.FineTuning.Jobs.FineTuningJobCheckpoint[];
}

export interface TunedModel {
  /** The service's own model at its root. */
  readonly base: string;
  readonly createdMs: number;
  readonly dialect: Dialect;
  readonly examples: readonly Example[];
}

export interface Deployment {
  readonly path: string;
  readonly name: string;
  readonly model: string;
  readonly sku: { readonly name: string; readonly capacity: number };
  readonly createdMs: number;
}

export interface OpenAIState {
  readonly files: Map<string, StoredFile>;
  readonly uploads: Map<string, Upload>;
  /** Newest first. */
  readonly jobs: Job[];
  /** By their names. */
  readonly models: Map<string, TunedModel>;
  /** By their paths. */
  readonly deployments: Map<string, Deployment>;
}

export function createOpenAIState(): OpenAIState {
  return { files: new Map(), uploads: new Map(), jobs: [], models: new Map(), deployments: new Map() };
}
