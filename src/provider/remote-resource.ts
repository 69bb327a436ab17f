import type { RunKey } from '../job/run-key.ts';

/** Something that was made at a service and stays there, such as a file or a repository. */
export interface RemoteResource {
  /** Identifies it for `delete`. */
  readonly id: string;
  /** The service's word for it, such as `dataset`. */
  readonly kind: string;
  readonly name: string;
  /** When it last changed, ISO 8601; null where the service does not say. */
  readonly updatedAt: string | null;
  readonly url: string | null;
}

/** Everything that a run has prepared, in all its attempts. */
export interface PreparedRun<Prepared> {
  readonly key: RunKey;
  readonly prepared: readonly Prepared[];
}

/** The runs of a provider whose resources at the service are listed. */
export interface RunsToClean<Prepared> {
  readonly ended: readonly PreparedRun<Prepared>[];
  /** All runs that have not ended: whatever they need stays. */
  readonly open: readonly PreparedRun<Prepared>[];
  /** Whether `ended` holds all runs that have ended: then a resource that no run needs may go too. */
  readonly isAll: boolean;
}
