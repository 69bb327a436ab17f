import type { RunKey } from '../job/run-key.ts';

/** Something that was made at a service and stays there. */
export interface RemoteResource {
  /** What `removeMade` goes by. */
  readonly id: string;
  /** The service's word for it, such as `dataset`. */
  readonly kind: string;
  readonly name: string;
  /** When it last changed, ISO 8601; null where the service does not say. */
  readonly updatedAt: string | null;
  readonly url: string | null;
}

/** What a run has prepared, in all its attempts. */
export interface PreparedRun<Prepared> {
  readonly key: RunKey;
  readonly prepared: readonly Prepared[];
}

/** The runs of a provider whose traces at the service are looked for. */
export interface RunsToClean<Prepared> {
  readonly ended: readonly PreparedRun<Prepared>[];
  /** All that have not ended: what these need stays. */
  readonly open: readonly PreparedRun<Prepared>[];
  /** Whether `ended` are all that there are: what no run needs may go then too. */
  readonly isAll: boolean;
}
