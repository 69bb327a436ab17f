import type { DataFacts } from '../dataset/inspect.ts';
import type { ChatMessage, Row } from '../dataset/row.ts';
import { Failure, toFailureData, type FailureData } from '../failure.ts';
import type { Secret } from '../http.ts';
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

/** A model that answers rows. */
export type ModelRef = FolderModel | EndpointModel | RepositoryModel;

/** A folder on this machine, tuned, or with a new head drawn from a seed. */
export interface FolderModel {
  readonly kind: 'folder';
  /** Changes whenever an answer may: predictions are kept under it. */
  readonly identity: string;
  readonly path: string;
  readonly labels: readonly string[];
  /** Seeds the head where the folder has none for these labels. */
  readonly seed: number;
  readonly maxLength: number;
}

/** A model that a service answers with. */
export interface EndpointModel {
  readonly kind: 'endpoint';
  /** Changes whenever an answer may: predictions are kept under it. */
  readonly identity: string;
  /** Where it is called: endpoint, namespace or account, as in the JobRef. */
  readonly place: string;
  /** What requests call it. */
  readonly name: string;
  /** The model that it was tuned from, which decides its price; its own name where it is none of ours. */
  readonly base: string;
}

/** A model in a repository of a service: it answers once it has been brought to this machine (`download`). */
export interface RepositoryModel {
  readonly kind: 'repository';
  /** Changes whenever an answer may: predictions are kept under it. */
  readonly identity: string;
  readonly place: string;
  /** `owner/name`. */
  readonly repository: string;
  /** A commit, never a branch. */
  readonly revision: string;
  readonly labels: readonly string[];
  readonly maxLength: number;
}

/** What a finished job left behind. */
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
  /** What the job has come to cost, once that is known. */
  readonly cost?: ActualCost | null;
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
  /** A setting of the user's by the name that the service's own tools give it, such as `OPENAI_BASE_URL`; null where there is none. */
  setting(name: string): string | null;
  /** The same for what must stay secret, such as `OPENAI_API_KEY`. */
  credential(name: string): Secret | null;
}

/** The context of a price: the rows that would be sent. */
export interface QuoteContext extends Context {
  readonly facts: DataFacts;
  /** The rows of one part, mapped and split. */
  readRows(part: 'train' | 'validation'): AsyncIterable<Row>;
}

/** The context of one attempt to submit a run; `readRows` gives the rows as they were when the run was accepted. */
export interface Attempt extends QuoteContext {
  readonly key: RunKey;
  readonly attempt: number;
  /** The run's own folder, absolute; it exists from `prepare` on. */
  readonly workDir: string;
}

/** What something will cost at most and at least. */
export interface Quote {
  readonly currency: 'USD';
  readonly low: number;
  readonly high: number;
  /** Where the prices come from. */
  readonly source: string;
  /** The day of the prices, ISO 8601. */
  readonly asOf: string | null;
  /** Tokens of all training rows, once through, where the price goes by them. */
  readonly trainingTokens?: number;
}

export interface ActualCost {
  readonly usd: number;
  /** From what it was computed, with the price. */
  readonly source: string;
}

/** How answers are generated; what is absent is the service's own choice. */
export interface GenerationSettings {
  readonly temperature?: number | undefined;
  /** Most tokens of an answer. */
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
}

export interface DeploymentContext extends Context {
  /** The options of the target whose model it is. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface PredictionContext extends Context {
  readonly generation: GenerationSettings;
  /** Rows that may be answered at once. */
  readonly concurrency: number;
}

export interface Prediction {
  readonly id: string;
  /** The label of a classifier, or the text of a generated answer; null where there is none. */
  readonly answer: string | null;
  /** By label; null where the service gives none. */
  readonly probabilities: Readonly<Record<string, number>> | null;
  /** Natural logarithm of the whole answer's probability, where the service gives it. */
  readonly logProbability?: number | null;
  readonly truncated: boolean;
  /** From sending the request to its whole answer. */
  readonly latencyMs?: number | null;
  readonly tokens?: { readonly input: number; readonly output: number } | null;
}

/** What is to be answered: the text of a classifier, or the messages of a chat model. */
export type PredictionRow = TextRow | PromptRow;

export interface TextRow {
  readonly id: string;
  readonly text: string;
  readonly text2?: string;
}

export interface PromptRow {
  readonly id: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
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

/** When a service ends a model, as far as anybody has said. */
export interface ServiceEnd {
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
  readonly end: ServiceEnd | null;
}

/** A job that a service keeps, whoever made it. */
export interface ServiceJob {
  readonly job: JobRef;
  readonly status: Status;
  readonly base: string;
  /** The tuned model's name, once there is one. */
  readonly model: string | null;
  readonly end: ServiceEnd | null;
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

/** A request that will be sent, for people; what only the service will know stands in angle brackets. */
export interface RequestPreview {
  /** `POST https://…`. */
  readonly what: string;
  readonly body: unknown;
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
  /** The requests of a submission in their order, for people. Pure. */
  preview?(request: Request, of: { readonly key: RunKey; readonly facts: DataFacts }): readonly RequestPreview[];
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
  /** Deletes what `prepare` left at the service, after a definite refusal. Repeatable; what is gone already is no error. */
  discard?(prepared: Prepared, c: Attempt): Promise<void>;
  /** What a run of this request costs; null where the price is not known. Absent: the provider knows no prices at all. */
  quote?(request: Request, c: QuoteContext): Promise<Quote | null>;
  /** The untrained model that a run of this request starts from, where it can answer rows. */
  baseModel?(request: Request, c: Context): ModelRef;
  /** Tries what the provider needs on this machine; costs nothing. */
  check?(c: Context): Promise<Check[]>;
  /** Brings a model in a repository into the folder; files that are there already are kept. Reads only. */
  download?(model: RepositoryModel, folder: string, c: Context): Promise<FolderModel>;
  /** Answers rows with a model, in any order, one answer a row, each as soon as it is there. May cost where `quotePredictions` says so. */
  predict?(model: ModelRef, rows: readonly PredictionRow[], c: PredictionContext): AsyncIterable<Prediction>;
  /** What answering these rows costs; null where the price is not known. Absent: nothing. */
  quotePredictions?(model: ModelRef, rows: readonly PredictionRow[], c: PredictionContext): Promise<Quote | null>;
  /**
   * Makes a model callable where it is not so by itself: it answers under `name` until `undeploy`, and costs by the hour. Repeatable: a
   * deployment of this name is the one.
   */
  deploy?(model: EndpointModel, name: string, c: DeploymentContext): Promise<EndpointModel>;
  /** Ends a deployment; one that is gone already is no error. */
  undeploy?(name: string, c: Context): Promise<void>;
  /** What a deployment costs in one hour; null where the price is not known. */
  quoteDeployment?(model: EndpointModel, c: DeploymentContext): Promise<Quote | null>;
  /** An existing model of the service by its name, for references. No request. @throws Failure `configuration-invalid` */
  toModel?(name: string, c: Context): ModelRef;
  /** When a model ends, from what the program was told when it was made. Pure; null: nobody has said. */
  toEnd?(model: string): ServiceEnd | null;
  /** The models that can be tuned, and the account's tuned ones. Reads only, all pages. */
  listModels?(c: Context): AsyncIterable<ServiceModel>;
  /** The account's jobs, newest first. Reads only, all pages. */
  listJobs?(c: Context): AsyncIterable<ServiceJob>;
  /** Brings home what belongs to a job: files are written whole into the folder, those that are there already are kept. Reads only. */
  fetchJob?(id: string, folder: string, c: Context): Promise<FetchedJob>;
}

/** A provider, frozen. The type parameters are inferred from the functions. */
export function defineProvider<Request, Prepared, Wire, Cursor>(provider: Provider<Request, Prepared, Wire, Cursor>): Provider {
  // The core stores and hands back what a provider made and never looks inside: the types end at this door.
  return Object.freeze(provider);
}
