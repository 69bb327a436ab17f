import { toStepMetrics, type StepMetrics } from './curve.ts';
import type { Job } from './service-account.ts';

/** Steps of a job, and of one epoch. */
export function countSteps(job: Job): { steps: number; perEpoch: number } {
  const { n_epochs: epochs, batch_size: size } = job.hyperparameters;
  const perEpoch = Math.max(1, Math.ceil(job.training.examples.length / size));
  return { steps: perEpoch * epochs, perEpoch };
}

/** The measures of a step of this job. */
export function measure(job: Job, step: number): StepMetrics {
  const { steps, perEpoch } = countSteps(job);
  const curve = { seed: job.seed, steps, hasValidation: job.validationFile !== null };
  return toStepMetrics(curve, step, step % perEpoch === 0);
}
