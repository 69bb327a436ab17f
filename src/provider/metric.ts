/**
 * One measured number of a run. Unique by (run, split, name, coverage, step or epoch). Names are Hugging Face's where it has them:
 * `loss`, `accuracy`, `learning_rate`, `grad_norm`; a number without a common name is `x/<the service's name>`.
 */
export interface Metric {
  readonly name: string;
  readonly split: 'train' | 'validation';
  /** Optimizer steps done when it was measured; null where the service counts otherwise. */
  readonly step: number | null;
  /** Passes over the training rows, fractional. */
  readonly epoch: number | null;
  readonly value: number;
  /** Over one batch, all rows of the split, or what the service does not say. */
  readonly coverage: 'batch' | 'full' | 'unreported';
  /** The service's own field. */
  readonly source: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}
