import type { StepMetrics } from './curve.ts';

/** Where a job is; what the wire calls it, its dialect says. */
export type JobStatus = 'validating_files' | 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

export interface BaseModel {
  readonly id: string;
  /** The methods that it can be tuned with; none: it only answers. */
  readonly methods: readonly ('supervised' | 'dpo')[];
  /** `YYYY-MM-DD`, as the service announces it. */
  readonly shutdownDate: string | null;
  /** On Azure: can only be tuned with `trainingType: "globalStandard"`. */
  readonly isGlobalOnly?: boolean;
}

/** In what the two services that speak this wire format differ. */
export interface Dialect {
  readonly id: 'openai' | 'azure';
  readonly bases: readonly BaseModel[];
  /** Words for states where they are not our own. */
  readonly words: Readonly<Partial<Record<JobStatus, string>>>;
  toModelName(parts: { readonly base: string; readonly suffix: string | null; readonly id: string }): string;
  /** Columns of the result file: name and what it holds. */
  readonly columns: readonly (readonly [name: string, metric: keyof StepMetrics])[];
  encodeResult(csv: string): Buffer;
  /** Whether a job tells its hyperparameters outside `method`. */
  readonly echoesHyperparameters: boolean;
  /** Until an uploaded file can be used. */
  readonly fileImportMs: number;
  /** Whether a model answers only under the name of a deployment. */
  readonly needsDeployment: boolean;
}
