import type { FailureData } from '../errors.ts';
import type { Metric } from './metric.ts';
import type { ModelRef } from './model.ts';
import type { Note } from './note.ts';
import type { Status } from './status.ts';

/** The thing at a provider that a run points to. */
export interface JobRef {
  readonly provider: string;
  readonly id: string;
  /** Endpoint, namespace, account or host. */
  readonly location: string;
  readonly attempt: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly url: string | null;
}

/** A result that a finished job left behind. */
export interface Artifact {
  readonly kind: ModelRef['kind'];
  readonly uri: string;
  readonly sha256: string | null;
  readonly model: ModelRef;
}

export interface Progress {
  readonly step: number;
  readonly steps: number | null;
  readonly epoch: number | null;
  readonly etaSeconds: number | null;
  readonly rowsPerSecond: number | null;
  readonly loss: number | null;
}

/** Everything that is new since the cursor. */
export interface Observation<Cursor> {
  readonly status: Status;
  readonly progress: Progress | null;
  readonly metrics: readonly Metric[];
  readonly logs: readonly { readonly at: string; readonly text: string }[];
  readonly artifacts: readonly Artifact[];
  /** The step of the newest whole checkpoint, as far as this poll shows. */
  readonly checkpoint: number | null;
  readonly notes: readonly Note[];
  readonly failure: FailureData | null;
  /** The cost of the job, once it is known. */
  readonly cost?: ActualCost | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly cursor: Cursor;
  /** The run that has to end before this one starts, where it waits for one. */
  readonly waitingFor?: string | null;
  /** What is done before the first step, and how far that is, where it takes long. */
  readonly doing?: string | null;
  /** A sensible pause before the next poll; null leaves it to the age of the run. */
  readonly nextInMs: number | null;
}

export interface ActualCost {
  readonly usd: number;
  /** The quantities and the price that it was computed from. */
  readonly source: string;
}
