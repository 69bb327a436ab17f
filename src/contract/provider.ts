import type { ClassificationRow } from '../dataset/map-row.ts';
import type { DataFacts } from '../dataset/inspect.ts';
import { Failure, toFailureData, type FailureData } from '../failure.ts';
import type { RunKey } from '../spec/run-key.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { Metric } from './metric.ts';
import type { Note } from './note.ts';
import type { Phase, Status } from './status.ts';

/** The thing at a provider that a run points to. */
export interface JobRef {
  readonly provider: string;
  readonly id: string;
  /** Endpoint, namespace, account or host. */
  readonly place: string;
  readonly attempt: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly url: string | null;
}

/** A target's model as the program found it. */
export interface BaseModel {
  /** Its name as the job wrote it, or the folder's path. */
  readonly base: string;
  /** What identifies its content, where that is known. */
  readonly revision: string | null;
  /** Tokens that it can read, where that is known. */
  readonly maxLength: number | null;
}

/** A model that answers rows: a folder on this machine, tuned, or with a new head drawn from a seed. */
export interface ModelRef {
  readonly kind: 'folder';
  /** Changes whenever an answer may: predictions are kept under it. */
  readonly identity: string;
  readonly path: string;
  readonly labels: readonly string[];
  /** Seeds the head where the folder has none for these labels. */
  readonly seed: number;
  readonly maxLength: number;
}

/** What a finished job left behind. */
export interface Artifact {
  readonly kind: 'folder';
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

/** What is new since the cursor. */
export interface Observation<Cursor> {
  readonly status: Status;
  readonly progress: Progress | null;
  readonly metrics: readonly Metric[];
  readonly logs: readonly { readonly at: string; readonly text: string }[];
  readonly artifacts: readonly Artifact[];
  /** The step of the newest whole checkpoint, as far as this look tells. */
  readonly checkpoint: number | null;
  readonly notes: readonly Note[];
  readonly failure: FailureData | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly cursor: Cursor;
  /** A sensible pause before the next look; null leaves it to the age of the run. */
  readonly nextInMs: number | null;
}

export interface Translation<Request> {
  readonly request: Request;
  readonly notes: readonly Note[];
}

/** What a provider may use. It reads no environment and no clock of its own. */
export interface Context {
  readonly signal: AbortSignal;
  now(): Date;
  /** Resolves after so many milliseconds, or rejects when the signal aborts. */
  wait(ms: number): Promise<void>;
}

/** The context of one attempt to submit a run. */
export interface Attempt extends Context {
  readonly key: RunKey;
  readonly attempt: number;
  /** The run's own folder, absolute; it exists from `prepare` on. */
  readonly workDir: string;
  readonly facts: DataFacts;
  /** The rows of one part, mapped and split, as they were when the run was accepted. */
  readRows(part: 'train' | 'validation'): AsyncIterable<ClassificationRow>;
}

/** What a run will cost at most and at least. */
export interface Quote {
  readonly currency: 'USD';
  readonly low: number;
  readonly high: number;
  /** Where the prices come from. */
  readonly source: string;
  /** The day of the prices, ISO 8601. */
  readonly asOf: string | null;
}

export interface Prediction {
  readonly id: string;
  /** The label, or null for an answer that is none. */
  readonly answer: string | null;
  /** By label; null where the service gives none. */
  readonly probabilities: Readonly<Record<string, number>> | null;
  readonly truncated: boolean;
}

export interface PredictionRow {
  readonly id: string;
  readonly text: string;
  readonly text2?: string;
}

/** Whether a submission was sent, for every way in which it can fail. `unknown`: it may have been. */
export type Sent = 'no' | 'refused' | 'limited' | 'unknown';

/** Thrown by `create`; everything else that it throws counts as `unknown`. */
export class SubmitFailure extends Error {
  readonly sent: Sent;
  readonly failure: FailureData;

  constructor(sent: Sent, failure: Failure | FailureData) {
    super(failure.message, failure instanceof Failure ? { cause: failure } : undefined);
    this.name = 'SubmitFailure';
    this.sent = sent;
    this.failure = failure instanceof Failure ? toFailureData(failure) : failure;
  }
}

/** One thing that a provider needs, and whether it works here. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, in a few words. */
  readonly found: string;
  /** How to get it, where it does not work. */
  readonly hint: string | null;
}

/** What `translate` is given. */
export interface TranslationInput {
  readonly spec: RunSpec;
  readonly facts: DataFacts;
  readonly model: BaseModel;
  readonly key: RunKey;
}

/**
 * A service, or this machine, that can fine-tune: a plain object from `defineProvider`. What it cannot do it lacks. All values that
 * pass through it are JSON.
 */
export interface Provider<Request = unknown, Prepared = unknown, Wire = unknown, Cursor = unknown> {
  readonly id: string;
  /** The service's status words; one that is not listed is `unknown`, which is not an end. */
  readonly words: Readonly<Record<string, Phase>>;
  /** Time until a created job is surely listed. */
  readonly settleMs: number;
  /**
   * What is done when nobody can know whether a submission arrived: `retry` trusts the fence and tries again, `ask` (also
   * when absent) stops for a person. A job may say otherwise.
   */
  readonly onUncertain?: 'ask' | 'retry';
  /** How much the service may be asked by all processes together; absent: as much as one likes. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** Pure. Throws Failure `job-file-invalid` for what is required and cannot be done. */
  translate(input: TranslationInput): Translation<Request>;
  /** Free and repeatable; returns identifiers, not content. */
  prepare(request: Request, c: Attempt): Promise<Prepared>;
  /** Pure: the exact body. */
  bind(request: Request, prepared: Prepared, key: RunKey, attempt: number): Wire;
  /** The one call that may cost: sends one request, or throws SubmitFailure. */
  create(wire: Wire, c: Attempt): Promise<JobRef>;
  /** The run's jobs at the service, complete, or throws; an empty list is a proof. */
  find(request: Request, prepared: readonly Prepared[], c: Attempt): Promise<readonly JobRef[]>;
  /** Once it returns, a late `create` of this attempt must fail. */
  fence?(prepared: Prepared, c: Attempt): Promise<void>;
  /** Only what is new since the cursor; no side effect. */
  observe(job: JobRef, cursor: Cursor | null, c: Attempt): Promise<Observation<Cursor>>;
  cancel?(job: JobRef, c: Attempt): Promise<void>;
  /** Asks a running job to stop where it can go on later; repeatable. */
  pause?(job: JobRef, c: Attempt): Promise<void>;
  /** Lets a paused or interrupted job go on, and returns the job that does. Repeatable: a job that runs already is left alone. */
  resume?(job: JobRef, c: Attempt): Promise<JobRef>;
  /** Absent where the provider knows no prices. */
  quote?(request: Request): Quote;
  /** The untrained model that a run of this request starts from, where it can answer rows. */
  baseModel?(request: Request): ModelRef;
  /** Tries what the provider needs on this machine; costs nothing. */
  check?(c: Context): Promise<Check[]>;
  /** Answers rows with a model, in any order, one answer a row. */
  predict?(model: ModelRef, rows: readonly PredictionRow[], c: Context): Promise<Prediction[]>;
}

/** A provider, frozen. The type parameters are inferred from the functions. */
export function defineProvider<Request, Prepared, Wire, Cursor>(provider: Provider<Request, Prepared, Wire, Cursor>): Provider {
  // The core stores and hands back what a provider made and never looks inside: the types end at this door.
  return Object.freeze(provider);
}
