import { toSeconds } from './clock.ts';
import { toEstimatedFinish } from './life-cycle.ts';
import type { Job, JobError } from './service-account.ts';

/** A job as the service writes it. Times are Unix seconds. */
export interface WireJob {
  readonly object: 'fine_tuning.job';
  readonly id: string;
  readonly model: string;
  readonly created_at: number;
  readonly finished_at: number | null;
  readonly fine_tuned_model: string | null;
  readonly organization_id: string;
  readonly result_files: readonly string[];
  readonly status: string;
  readonly validation_file: string | null;
  readonly training_file: string;
  readonly hyperparameters: Readonly<Record<string, number>> | null;
  readonly trained_tokens: number | null;
  readonly error: JobError | null;
  readonly user_provided_suffix: string | null;
  readonly seed: number;
  readonly estimated_finish: number | null;
  readonly integrations: readonly unknown[] | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly method: unknown;
}

export function toWireJob(job: Job): WireJob {
  const finishMs = toEstimatedFinish(job);
  return {
    object: 'fine_tuning.job',
    id: job.id,
    model: job.model,
    created_at: toSeconds(job.createdMs),
    finished_at: job.finishedMs === null ? null : toSeconds(job.finishedMs),
    fine_tuned_model: job.fineTunedModel,
    organization_id: 'org-sandbox',
    result_files: job.resultFiles,
    status: job.dialect.words[job.status] ?? job.status,
    validation_file: job.validationFile,
    training_file: job.trainingFile,
    hyperparameters: toWireHyperparameters(job),
    trained_tokens: job.trainedTokens,
    error: job.error,
    user_provided_suffix: job.suffix,
    seed: job.seed,
    estimated_finish: finishMs === null ? null : toSeconds(finishMs),
    integrations: job.integrations,
    metadata: job.metadata,
    method: { type: job.method, [job.method]: { hyperparameters: job.hyperparameters } },
  };
}

/** Outside `method` only supervised jobs tell them, and on Azure none. */
function toWireHyperparameters({ dialect, method, hyperparameters }: Job): Record<string, number> | null {
  if (!dialect.echoesHyperparameters) return null;
  const { n_epochs, batch_size, learning_rate_multiplier } = hyperparameters;
  return method === 'supervised' ? { n_epochs, batch_size, learning_rate_multiplier } : {};
}
