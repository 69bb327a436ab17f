import type { JobRef } from './job.ts';
import type { Status } from './status.ts';

/** When a service shuts a model down, as far as that was announced. */
export interface Deprecation {
  /** The day, ISO 8601. */
  readonly date: string;
  /** A field of the service, or a page, that says so. */
  readonly source: string;
  /** The day on which the source was read; null: just now, from the service itself. */
  readonly asOf: string | null;
}

/** A model that a service lists: one that can be tuned, or a tuned one. */
export interface ServiceModel {
  readonly name: string;
  readonly kind: 'base' | 'tuned';
  readonly createdAt: string | null;
  readonly end: Deprecation | null;
}

/** A job at a service, whoever made it. */
export interface ServiceJob {
  readonly job: JobRef;
  readonly status: Status;
  readonly base: string;
  /** The tuned model's name, once there is one. */
  readonly model: string | null;
  readonly end: Deprecation | null;
}

/** A file at a service, whatever it is for. */
export interface ServiceFile {
  readonly id: string;
  readonly name: string | null;
  /** The service's own word, such as `fine-tune`. */
  readonly purpose: string | null;
  readonly bytes: number | null;
  readonly createdAt: string | null;
  /** When the service will delete it, ISO 8601, UTC; null: it does not say. */
  readonly expiresAt: string | null;
}

/** A file of a job at a service; null: it is gone there. */
export type KeptFile = { readonly path: string; readonly sha256: string } | null;

/** Everything of one job that is worth keeping. */
export interface FetchedJob {
  readonly job: ServiceJob;
  /** The service's own record of the job, as it answered. */
  readonly record: unknown;
  readonly train: KeptFile;
  readonly validation: KeptFile;
  /** Files with results, as they are. */
  readonly results: readonly { readonly id: string; readonly file: KeptFile }[];
  /** What could not be downloaded, and why, in words. */
  readonly missing: readonly string[];
}
