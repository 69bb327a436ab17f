import type { RowTokenizer } from './dataset/token-counts.ts';
import type { Metric } from './provider/metric.ts';
import type { RemoteResource } from './provider/remote-resource.ts';
import type { Check, MergedModel, Provider, Quote } from './provider/provider.ts';
import type { ServiceFile, ServiceJob, ServiceModel } from './provider/service.ts';
import type { Failure } from './errors.ts';
import type { Capture, CaptureOptions } from './evaluate/capture.ts';
import type { CaptureRow } from './evaluate/capture-source.ts';
import type { FileComparison } from './evaluate/compare-files.ts';
import type { Comparison } from './evaluate/comparison.ts';
import type { CompareOptions, EvaluateOptions, TextAnswer } from './evaluate/evaluate.ts';
import type { InputRow } from './evaluate/requests.ts';
import type { Scoring } from './evaluate/scoring.ts';
import type { PlanTokens } from './run/plan-tokens.ts';
import type { PayOptions } from './evaluate/spend.ts';
import type { ImportRecord } from './import/import-record.ts';
import type { JobFile } from './job/read-job-file.ts';
import type { OrchestratorOptions } from './open-workspace.ts';
import type { Costs } from './run/costs.ts';
import type { CleanedRun, CleanOptions } from './run/clean.ts';
import type { Decision } from './run/controls.ts';
import type { DeployOptions } from './run/deployments.ts';
import type { Exported, ExportedFile, ExportFileOptions, ExportOptions } from './run/export.ts';
import type { RunPlan } from './run/event.ts';
import type { MergeOptions } from './run/merge-model.ts';
import type { Brought } from './run/bring-data.ts';
import type { BudgetView, PlanJobOptions } from './run/plan.ts';
import type { RunView } from './run/run-view.ts';
import type { GateLimits } from './server/gate.ts';
import type { RunningServer } from './server/main.ts';

/* What the library offers; orchestrator.ts does it. */

export type { CompareOptions, EvaluateOptions, Exported, ExportedFile, ExportFileOptions, ExportOptions, OrchestratorOptions };

export interface SubmitOptions extends PlanJobOptions {
  /** Is called with the plans of new runs before anything is stored or sent. */
  readonly onPlanned?: ((plans: readonly RunPlan[]) => Promise<void> | void) | undefined;
  /** Is called after each step: finding out about a lost answer takes as long as the service may need to list a job. */
  readonly onChange?: ((run: RunView) => void) | undefined;
  /** Is called where some targets could not be submitted, and the others are returned. Absent, that is thrown. */
  readonly onFailed?: ((failure: Failure) => void) | undefined;
  /** Stop after so many milliseconds, also while a service hangs: the runs are given as they are then, and submitted again they go on. */
  readonly timeoutMs?: number | undefined;
}

export interface ListOptions {
  /**
   * Whether the providers are asked first: `due` (also when absent) where that is free or it is time, for some seconds at most; `now` for
   * every open run; `never`.
   */
  readonly look?: 'due' | 'now' | 'never' | undefined;
}

export interface WatchOptions {
  /** Stop watching after so many milliseconds; the runs continue. */
  readonly timeoutMs?: number | undefined;
}

/** One run, or the newest run of each target if the address names a job. */
export interface RunHandle {
  view(): Promise<RunView>;
  metrics(): Promise<Metric[]>;
  logs(): Promise<{ at: string; text: string }[]>;
  /** Requests that the runs stop; `wait` returns when they have. */
  cancel(): Promise<RunView[]>;
  /** Requests a stop after which the jobs can be resumed; `wait` returns when they have stopped. */
  pause(): Promise<RunView[]>;
  /** Resumes a paused or interrupted run. */
  resume(): Promise<RunView>;
  /** Deploys the tuned model for some hours, where its service requires that; costs by the hour until `undeploy`. */
  deploy(options: DeployOptions): Promise<RunView>;
  /** Ends the deployment, even if the signal has aborted, and returns its cost in dollars; null where there was none. */
  undeploy(): Promise<{ run: RunView; usd: number | null }>;
  /** Puts the tuned model, which is on this machine, into a repository. A second call continues the first one, or changes nothing. */
  export(options: ExportOptions): Promise<Exported>;
  /** Settles a submission whose outcome is unknown. */
  resolve(decision: Decision): Promise<RunView>;
  /** The answers of the tuned model, in the order of the rows. */
  predict(rows: readonly InputRow[], options?: PayOptions): Promise<TextAnswer[]>;
  /** The rows of a data file by the columns of the run's job, for `predict`; labels and answers may be absent. */
  readRows(path: string): Promise<CaptureRow[]>;
}

/** Where a model answers, and whom. */
export interface ServeOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** Absent: this machine alone may ask. */
  readonly host?: string | undefined;
  /** Further names of the model in requests, such as the one of the model that it replaces. */
  readonly aliases?: readonly string[] | undefined;
  /** The variable with the key that every request must show; only this machine itself may be given answers without one. */
  readonly keyName?: string | undefined;
  readonly limits?: Partial<GateLimits> | undefined;
  /** Is told what goes wrong with requests that are not at fault themselves. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

/** The runs of an address, or just these runs. */
export type Subject = string | readonly string[];

/** Everything that the program does, for its commands and for scripts. */
export interface Orchestrator extends AsyncDisposable {
  readonly dir: string;
  /** Reads and checks a job file; `overrides` such as `training.epochs=1` are set in it. */
  load(path: string, overrides?: readonly string[]): Promise<JobFile>;
  /** The request for each target; changes nothing. */
  plan(job: JobFile, options?: PlanJobOptions): Promise<RunPlan[]>;
  /** The paths of data sources; datasets of the Hub, such as `hub:owner/name#train`, are brought to this machine first. */
  bringData(sources: readonly string[]): Promise<Brought>;
  /** What the job may spend, has spent, and would spend for these plans. */
  budget(plans: readonly RunPlan[]): Promise<BudgetView>;
  /** Whether the models of these plans can be scored once they are trained, and why not; costs nothing. */
  describeScoring(plans: readonly RunPlan[]): Promise<Scoring[]>;
  /** What is known of the tokens of each plan's training rows without a download, in about a second; null: nothing. */
  describeTokens(plans: readonly RunPlan[]): Promise<(PlanTokens | null)[]>;
  /** Submits each target once; a job that was submitted before is found and not submitted again. */
  submit(job: JobFile, options?: SubmitOptions): Promise<RunView[]>;
  /** What runs have cost: training, answers and deployments; of an address, of runs with these tags, or of all. */
  costs(address?: string, tags?: Readonly<Record<string, string>>): Promise<Costs>;
  /** The runs of an address, newest first; all when absent. */
  list(address?: string, options?: ListOptions): Promise<RunView[]>;
  /** What of the state is damaged, in words: `list` shows all other runs. */
  damage(): Promise<readonly { readonly message: string; readonly hint: string }[]>;
  /** Follows runs until all have ended or a person has to decide, and yields them after each round of polls. Creates nothing. */
  watch(addresses: readonly string[], options?: WatchOptions): AsyncGenerator<readonly RunView[], void>;
  /** The last list that `watch` yields. */
  wait(addresses: readonly string[], options?: WatchOptions): Promise<readonly RunView[]>;
  /** Lets the models of finished runs answer the held-out rows, and compares the answers: one comparison per set. May cost. */
  evaluate(subject: Subject, options?: EvaluateOptions): Promise<Comparison[]>;
  /** The same from stored answers and from models on this machine: costs nothing. */
  compare(subject: Subject, options?: CompareOptions): Promise<Comparison[]>;
  /** Compares two models, trained anywhere, by their predictions files. Needs no run. */
  compareFiles(files: FileComparison): Promise<Comparison>;
  /** What `evaluate` would cost now; null where a price is not known. Calls no model. */
  estimate(subject: Subject, options?: Pick<EvaluateOptions, 'limit'>): Promise<Quote | null>;
  /**
   * Lets a model answer the rows of a file, and writes a predictions file: a reference of a job file, the tuned model of a run, or any
   * model of a service. A second call continues the first one, and pays for nothing twice. May cost.
   */
  capture(name: string, options: CaptureOptions): Promise<Capture>;
  /**
   * Writes a model that transformers opens: from the folder of an adapter that PEFT has saved and its base model, or from a run on this
   * machine, whose model has its adapter merged already.
   */
  merge(source: string, options: MergeOptions): Promise<MergedModel>;
  /**
   * Answers requests of OpenAI's API with the model of a run on this machine, or of a folder, until it is closed.
   * @throws Failure `usage` for another host without a key, and where there is no such model here
   */
  serve(source: string, options: ServeOptions): Promise<RunningServer>;
  /** Writes the model of a run on this machine, or of a folder that transformers opens, as one file for llama.cpp and Ollama. */
  exportFile(source: string, options: ExportFileOptions): Promise<ExportedFile>;
  run(address: string): RunHandle;
  /** Deletes ended runs with their models; a dry run only lists them. */
  clean(options: CleanOptions): Promise<CleanedRun[]>;
  /**
   * Deletes the files and repositories that were created at a service for ended runs, and those that no run needs; a dry run only lists
   * them. The runs stay here. Nothing that an open run needs is deleted.
   */
  cleanService(provider: string, options: CleanOptions): Promise<RemoteResource[]>;
  /**
   * Downloads a job that was made at a service by anybody into a folder, and makes a run of it where that is possible; `problem` says why
   * it is not. Only reads from the service; a second call continues the first one, or changes nothing.
   */
  importJob(provider: string, id: string, folder: string): Promise<{ record: ImportRecord; run: RunView | null; problem: string | null }>;
  /** The jobs of the account at a service, newest first. */
  listServiceJobs(provider: string): Promise<ServiceJob[]>;
  /** The files of the account at a service; null: the service has no list of them. */
  listServiceFiles(provider: string): Promise<ServiceFile[] | null>;
  /** The models of a service that can be tuned, and the tuned models of the account. */
  models(provider: string): Promise<ServiceModel[]>;
  /** Opens what counts tokens as a model does: of a folder, of `hub:owner/name`, or of a service. @throws Failure `usage` for a name that no provider knows */
  loadTokenizer(name: string): Promise<RowTokenizer>;
  providers(): Promise<readonly Provider[]>;
  /** Checks what the providers need on this machine; costs nothing. */
  check(): Promise<Check[]>;
  /** Adds an optional part of a provider to this machine, such as a backend of the local trainer. @throws Failure `usage` for one that nobody knows */
  install(part: string): Promise<Check>;
}
