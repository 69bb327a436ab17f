import type { JobRef } from './job.ts';
import type { Status } from './status.ts';

/** When a service ends a model, as far as anybody has said. */
export interface Deprecation {
  /** The day, ISO 8601. */
  readonly date: string;
  /** Who says so: a field of the service, or a page. */
  readonly source: string;
  /** The day on which that was read; null: just now, from the service itself. */
  readonly asOf: string | null;
}

/** A model that a service lists: one that can be tuned, or one that was. */
export interface ServiceModel {
  readonly name: string;
  readonly kind: 'base' | 'tuned';
  readonly createdAt: string | null;
  readonly end: Deprecation | null;
}

/** A job that a service keeps, whoever made it. */
export interface ServiceJob {
  readonly job: JobRef;
  readonly status: Status;
  readonly base: string;
  /** The tuned model's name, once there is one. */
  readonly model: string | null;
  readonly end: Deprecation | null;
}

/** A file that a service keeps, whatever it is for. */
export interface ServiceFile {
  readonly id: string;
  readonly name: string | null;
  /** The service's own word, such as `fine-tune`. */
  readonly purpose: string | null;
  readonly bytes: number | null;
  readonly createdAt: string | null;
  /** When the service deletes it by itself, ISO 8601, UTC; null: it does not say. */
  readonly expiresAt: string | null;
}

/** A file of a job at a service; null: it is gone there. */
export type KeptFile = { readonly path: string; readonly sha256: string } | null;

/** Everything worth keeping of one job. */
export interface FetchedJob {
  readonly job: ServiceJob;
  /** The service's own record of the job, as it answered. */
  readonly record: unknown;
  readonly train: KeptFile;
  readonly validation: KeptFile;
  /** Files with results, as they are. */
  readonly results: readonly { readonly id: string; readonly file: KeptFile }[];
  /** What could not be had, in words. */
  readonly missing: readonly string[];
}
