import type { DataFacts } from '../dataset/inspect.ts';
import type { RowTokenizer } from '../dataset/token-counts.ts';
import type { RunKey } from '../job/run-key.ts';
import type { ModelName, RunSpec } from '../job/run-spec.ts';
import type { Attempt, Context, DeploymentContext, PredictionContext, QuoteContext } from './context.ts';
import type { JobRef, Observation } from './job.ts';
import type { RemoteResource, RunsToClean } from './remote-resource.ts';
import type { BaseModel, EndpointModel, FolderModel, FolderName, ModelRef, RepositoryModel } from './model.ts';
import type { Note } from './note.ts';
import type { OpenModel } from './open-model.ts';
import type { Prediction, PredictionRow } from './prediction.ts';
import type { FetchedJob, Deprecation, ServiceFile, ServiceJob, ServiceModel } from './service.ts';
import type { Phase } from './status.ts';

export interface Translation<Request> {
  readonly request: Request;
  readonly notes: readonly Note[];
}

/** The least and the most that something will cost. */
export interface Quote {
  readonly currency: 'USD';
  readonly low: number;
  readonly high: number;
  /** Where the prices come from. */
  readonly source: string;
  /** The day of the prices, ISO 8601. */
  readonly asOf: string | null;
  /** Tokens of all training rows, counted once, where the price depends on them. */
  readonly trainingTokens?: number;
}

/** How long a training will take, and how much memory, as far as that can be computed. */
export interface Estimate {
  readonly seconds: number;
  /** Most memory at one time, in bytes. */
  readonly memoryBytes: number;
  /** Where the constants come from. */
  readonly source: string;
}

/** Sizes of models that were trained somewhere, with what was measured; the smallest first. */
export interface ModelSizes {
  /** The machine, the day and the programs. */
  readonly measuredOn: string;
  /** Kinds of models that can be trained: `model_type` of config.json. */
  readonly kinds: readonly string[];
  readonly sizes: readonly {
    /** `model_type` of config.json. */
    readonly family: string;
    /** Layers and numbers a position. */
    readonly size: string;
    readonly parameters: number;
    /** In training, and most memory, with batches of this shape. */
    readonly rowsPerSecond: number;
    readonly memoryBytes: number;
    readonly batch: { readonly rows: number; readonly tokens: number };
    /** As a job file names them. */
    readonly examples: readonly string[];
  }[];
}

/** A base model as its provider found it, with what a reader of the plan should know. */
export interface InspectedModel {
  readonly model: BaseModel;
  readonly notes: readonly Note[];
}

/** One thing that a provider needs, and whether it works here. */
export interface Check {
  readonly name: string;
  /** null: it is not set up, which is no fault. */
  readonly ok: boolean | null;
  /** The finding, in a few words. */
  readonly found: string;
  /** How to get it, where it does not work. */
  readonly hint: string | null;
}

/** A request that will be sent, for people; values that only the service will know stand in angle brackets. */
export interface RequestPreview {
  /** `POST https://…`. */
  readonly what: string;
  readonly body: unknown;
}

/** The input of `translate`. */
export interface TranslationInput {
  readonly spec: RunSpec;
  readonly facts: DataFacts;
  readonly model: BaseModel;
  readonly key: RunKey;
}

/** Submits, follows and controls jobs. Only `create` and `resume` may cost. */
export interface Training<Request = unknown, Prepared = unknown, Wire = unknown, Cursor = unknown> {
  /** Looks at the base model; downloads nothing large. Absent: a folder is read, and another model is not looked at. */
  inspectModel?(model: ModelName, context: Context): Promise<InspectedModel>;
  /** Pure. Throws Failure `job-file-invalid` for a requirement that cannot be met. */
  translate(input: TranslationInput): Translation<Request>;
  /** The requests of a submission in their order, for people. Pure. */
  preview?(request: Request, of: { readonly key: RunKey; readonly facts: DataFacts }): readonly RequestPreview[];
  /** Free and repeatable; returns identifiers, not content. */
  prepare(request: Request, context: Attempt): Promise<Prepared>;
  /** Pure: the exact body. */
  bind(request: Request, prepared: Prepared, key: RunKey, attempt: number): Wire;
  /** The one call that may cost: sends one request, or throws SubmitFailure. */
  create(wire: Wire, context: Attempt): Promise<JobRef>;
  /** The run's jobs at the service, complete, or throws; an empty list is a proof. */
  find(request: Request, prepared: readonly Prepared[], context: Attempt): Promise<readonly JobRef[]>;
  /** Once it returns, a late `create` of this attempt must fail. */
  fence?(prepared: Prepared, context: Attempt): Promise<void>;
  /** Only what is new since the cursor; no side effect. */
  observe(job: JobRef, cursor: Cursor | null, context: Attempt): Promise<Observation<Cursor>>;
  cancel?(job: JobRef, context: Attempt): Promise<void>;
  /** Asks a running job to stop where it can continue later; repeatable. */
  pause?(job: JobRef, context: Attempt): Promise<void>;
  /** Lets a paused or interrupted job continue, and returns the job that does. Repeatable: a running job is left alone. */
  resume?(job: JobRef, context: Attempt): Promise<JobRef>;
  /** Deletes what `prepare` left at the service, after a definite refusal. Repeatable; a file that is gone already is no error. */
  discard?(prepared: Prepared, context: Attempt): Promise<void>;
  /** The cost of a run of this request; null where the price is not known. Absent: the provider knows no prices at all. */
  quote?(request: Request, context: QuoteContext): Promise<Quote | null>;
  /**
   * The cost that the service itself names for the exact body, for a service that can do so only once it has the data; it is asked after
   * `prepare`, and what it says counts instead of `quote`. Null where it does not say.
   */
  quotePrepared?(wire: Wire, context: Attempt): Promise<Quote | null>;
  /**
   * The time and the memory of a run of this request; null where they are not known.
   * @throws Failure `job-file-invalid` for what this machine cannot do
   */
  estimate?(request: Request, context: QuoteContext): Promise<Estimate | null>;
  /** The sizes of models that can be trained here, where there is no list of models. */
  sizes?(): ModelSizes;
  /** The untrained model that a run of this request starts from; null where it cannot answer rows. */
  baseModel?(request: Request, context: Context): ModelRef | null;
}

/** Answers rows with models. */
export interface Inference {
  /** An existing model of the service by its name, for references. No request. @throws Failure `configuration-invalid` */
  getModel?(name: string, context: Context, options?: Readonly<Record<string, unknown>>): ModelRef;
  /** Whether a model needs more than its name. */
  readonly takesOptions?: true;
  /** Copies a model in a repository into the folder; files that are there already are kept. Reads only. */
  download?(model: RepositoryModel, folder: string, context: Context): Promise<FolderModel>;
  /** Answers rows with a model, in any order, one answer a row, each as soon as it is there. May cost where `quote` says so. */
  predict?(model: ModelRef, rows: readonly PredictionRow[], context: PredictionContext): AsyncIterable<Prediction>;
  /**
   * Keeps a model in memory for many requests; of a folder alone its files say everything. Resolves once the model can answer.
   * @throws Failure as `predict`, and `model-invalid` for a folder that answers nothing
   */
  open?(model: FolderModel | FolderName, context: Context): Promise<OpenModel>;
  /** What an answer of so many tokens, as the service counted them, costs in dollars; null where the price is not known. */
  price?(model: ModelRef, tokens: NonNullable<Prediction['tokens']>, context: Context): number | null;
  /** Writes a model of its own from an adapter and its base model. */
  merge?(adapter: AdapterMerge, context: Context): Promise<MergedModel>;
  /** The cost of answering these rows; null where the price is not known. Absent: it costs nothing. */
  quote?(model: ModelRef, rows: readonly PredictionRow[], context: PredictionContext): Promise<Quote | null>;
}

/** An adapter as PEFT saves it, to be merged into its base model. */
export interface AdapterMerge {
  /** Absolute paths: its folder, and the one that is written. */
  readonly adapter: string;
  readonly folder: string;
  /** null: the one that the adapter names. */
  readonly base: ModelName | null;
  /** In the order of the classes; null: as the base model names them. */
  readonly labels: readonly string[] | null;
}

export interface MergedModel {
  readonly folder: string;
  readonly labels: readonly string[];
  /** Linear maps that the adapter changed. */
  readonly maps: number;
  readonly sha256: string;
}

/** Makes models callable by the hour, where they are not callable by themselves. */
export interface Deployments {
  /**
   * Lets the model answer under `name` until `undeploy`; it costs by the hour. Repeatable: an existing deployment of this name is used.
   * @throws SubmitFailure with `sent` `no` or `refused` where this call surely made no deployment
   */
  deploy(model: EndpointModel, name: string, context: DeploymentContext): Promise<EndpointModel>;
  /** Ends a deployment; one that is gone already is no error. */
  undeploy(model: EndpointModel, name: string, context: Context): Promise<void>;
  /** The cost of a deployment for one hour; null where the price is not known. Throws where a setting that `deploy` needs is missing. */
  quote(model: EndpointModel, context: DeploymentContext): Promise<Quote | null>;
}

/** Where a model goes. */
export interface PublishTarget {
  /** `owner/name`. */
  readonly repository: string;
  /** Of a repository that is made for it. */
  readonly isPrivate: boolean;
  /** Whether the files of a repository may be replaced; they stay in its history. */
  readonly replaces: boolean;
}

export interface Published {
  readonly url: string;
  /** The commit that holds the files. */
  readonly commit: string;
  /** Whether they were sent; false: they were there already. */
  readonly isNew: boolean;
}

/** The user's account at the service: lists its contents, all pages, and only reads but for `publish` and `resources.delete`. */
export interface Account<Prepared = unknown> {
  /** The jobs, newest first. */
  jobs?(context: Context): AsyncIterable<ServiceJob>;
  /** The models that can be tuned, and the tuned ones. */
  models?(context: Context): AsyncIterable<ServiceModel>;
  /** @throws Failure `request-refused` where the service has no such list */
  files?(context: Context): AsyncIterable<ServiceFile>;
  /** Brings the files that a source such as `hub:owner/name#train` names to this machine, once. Reads only. */
  bringData?(source: string, context: Context): Promise<BroughtData>;
  /** Downloads the files of a job: each is written whole into the folder, and an existing one is kept. */
  fetchJob?(id: string, folder: string, context: Context): Promise<FetchedJob>;
  /**
   * Puts the files of a folder into a repository, all or none. Repeatable: one that has these very files is left as it is.
   * @throws Failure `usage` for a repository with other files, unless they are to be replaced
   */
  publish?(folder: string, target: PublishTarget, context: Context): Promise<Published>;
  /** Things that the provider made at its service for runs that have ended, and that nobody needs any more. */
  readonly resources?: {
    list(runs: RunsToClean<Prepared>, context: Context): Promise<RemoteResource[]>;
    /** Deletes a resource for good; one that is gone already is no error. @throws Failure `usage` for a resource that is not ours */
    delete(resource: RemoteResource, context: Context): Promise<void>;
  };
}

/** Files of rows that a provider has brought to this machine. */
export interface BroughtData {
  readonly files: readonly {
    /** Absolute. */
    readonly path: string;
    /** Where it comes from, at a version that does not change: `hub:owner/name@commit:file`. */
    readonly origin: string;
  }[];
  /** What a reader of the plan should know; null: nothing. */
  readonly warning: string | null;
}

/**
 * A service, or this machine, that can fine-tune: a plain object from `defineProvider`. It lacks the functions for what it cannot do. All
 * values that pass through it are JSON.
 */
export interface Provider<Request = unknown, Prepared = unknown, Wire = unknown, Cursor = unknown> {
  readonly id: string;
  /** The service's status words; one that is not listed is `unknown`, which is not an end. */
  readonly statusMap: Readonly<Record<string, Phase>>;
  /** Time until a created job is surely listed. */
  readonly listingDelayMs: number;
  /**
   * What happens when nobody can know whether a submission arrived: `retry` trusts the fence and tries again, `ask` (also when absent)
   * stops and asks a person. A job may say otherwise.
   */
  readonly onUncertain?: 'ask' | 'retry';
  /** How often all processes together may ask the service; absent: without a limit. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  readonly training: Training<Request, Prepared, Wire, Cursor>;
  readonly inference?: Inference;
  /** What counts tokens as this model does; null for a model that this provider does not know. Downloads no more than the tokenizer. */
  loadTokenizer?(model: ModelName, context: Context): Promise<RowTokenizer | null>;
  readonly deployments?: Deployments;
  readonly account?: Account<Prepared>;
  /** When a model is shut down, as far as the program knew when it was published. Pure; null: no date is known. */
  getDeprecation?(model: string): Deprecation | null;
  /** Tries what the provider needs on this machine; costs nothing. */
  check?(context: Context): Promise<Check[]>;
  /** Names of what `install` can add to this machine. */
  readonly parts?: readonly string[];
  /** Adds a part, and tries it; repeatable: nothing happens where it is there and works. */
  install?(part: string, context: Context): Promise<Check>;
}

/** A provider, frozen with its groups. The type parameters are inferred from the functions. */
export function defineProvider<Request, Prepared, Wire, Cursor>(provider: Provider<Request, Prepared, Wire, Cursor>): Provider {
  for (const group of [provider.training, provider.inference, provider.deployments, provider.account, provider.account?.resources]) {
    Object.freeze(group);
  }
  // The core stores what a provider made, hands it back, and never looks inside: the types end here.
  return Object.freeze(provider);
}
