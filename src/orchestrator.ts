import type { Metric } from './provider/metric.ts';
import type { RemoteResource } from './provider/remote-resource.ts';
import type { Check, Provider, Quote } from './provider/provider.ts';
import type { ServiceFile, ServiceJob, ServiceModel } from './provider/service.ts';
import type { ClassificationRow } from './dataset/row.ts';
import type { TextAnswer } from './evaluate/answer-texts.ts';
import type { Capture, CaptureOptions } from './evaluate/capture.ts';
import type { Comparison } from './evaluate/compare.ts';
import type { CompareOptions, EvaluateOptions, PayOptions } from './evaluate/evaluation.ts';
import type { ImportRecord } from './import/import-record.ts';
import type { CleanedRun, CleanOptions } from './run/clean-runs.ts';
import type { Decision } from './run/decide.ts';
import type { DeployOptions } from './run/deploy-run.ts';
import type { RunPlan } from './run/event.ts';
import type { BudgetView } from './run/read-budget.ts';
import type { PlanJobOptions } from './run/plan-job.ts';
import type { RunView } from './run/run-view.ts';
import type { JobFile } from './job/read-job-file.ts';

export type { CompareOptions, EvaluateOptions };

export interface OrchestratorOptions {
  /** The state folder; absent: the nearest `.orchestrate` at or above `from`, or a new one in it. */
  readonly dir?: string;
  /** The current folder when absent. */
  readonly from?: string;
  /** Providers beside those that come with the program; one of the same id takes its place. */
  readonly providers?: readonly Provider[];
  /** False where no state folder is to be made: plans and lists are made all the same. */
  readonly mayCreateState?: boolean;
  /** Settings and credentials of the services, such as `OPENAI_API_KEY`; the process's own environment when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends waiting; trainings go on. */
  readonly signal?: AbortSignal;
  /** The clock, for tests. */
  readonly now?: () => Date;
  /** A worker that says nothing for so long is taken for dead, and another one goes on with its run. */
  readonly leaseMs?: number;
}

export interface SubmitOptions extends PlanJobOptions {
  /** Hears of each step on the way: where an answer was lost, settling that takes as long as the service may need to list a job. */
  readonly onChange?: ((run: RunView) => void) | undefined;
}

export interface WatchOptions {
  /** Stop watching after so many milliseconds; the runs go on. */
  readonly timeoutMs?: number | undefined;
}

/** One run, or the newest run of each target where the address is a job's. */
export interface RunHandle {
  view(): Promise<RunView>;
  metrics(): Promise<Metric[]>;
  logs(): Promise<{ at: string; text: string }[]>;
  /** Asks for a stop; `wait` tells when it has come. */
  cancel(): Promise<RunView[]>;
  /** Asks for a stop from which the job can go on; `wait` tells when it has come. */
  pause(): Promise<RunView[]>;
  /** Lets a paused or interrupted run go on. */
  resume(): Promise<RunView>;
  /** Makes the tuned model answer for some hours, where its service wants that; costs by the hour until `undeploy`. */
  deploy(options: Pick<DeployOptions, 'hours' | 'maxUsd'>): Promise<RunView>;
  /** Ends the deployment, also when the signal has aborted, and tells what it has cost, in dollars; null where there was none. */
  undeploy(): Promise<{ run: RunView; usd: number | null }>;
  /** Decides about a submission of which nobody knows whether it arrived. */
  resolve(decision: Decision): Promise<RunView>;
  /** A tuned model's answers, in the order of the rows. */
  predict(rows: readonly Omit<ClassificationRow, 'label'>[], options?: PayOptions): Promise<TextAnswer[]>;
}

/** What the program does, for its commands and for scripts. */
export interface Orchestrator extends AsyncDisposable {
  readonly dir: string;
  /** Reads and checks a job file; `overrides` such as `training.epochs=1` are set in it. */
  load(path: string, overrides?: readonly string[]): Promise<JobFile>;
  /** What each target would be asked; changes nothing. */
  plan(job: JobFile, options?: PlanJobOptions): Promise<RunPlan[]>;
  /** What the job may spend, has spent, and would spend for these plans. */
  budget(plans: readonly RunPlan[]): Promise<BudgetView>;
  /** Submits each target once; a job that was submitted before is found again. */
  submit(job: JobFile, options?: SubmitOptions): Promise<RunView[]>;
  /** The runs of an address, newest first; all when absent. `isRefreshed` looks at their providers first. */
  list(address?: string, options?: { readonly isRefreshed?: boolean }): Promise<RunView[]>;
  /** Follows runs until all have ended or need a person: one list a look. Creates nothing. */
  watch(addresses: readonly string[], options?: WatchOptions): AsyncGenerator<readonly RunView[], void>;
  /** The last list that `watch` gives. */
  wait(addresses: readonly string[], options?: WatchOptions): Promise<readonly RunView[]>;
  /** Has the finished runs of a job answer its held-out rows, and compares the answers: one comparison for each set. May cost. */
  evaluate(address: string, options?: EvaluateOptions): Promise<Comparison[]>;
  /** The same from answers that are kept and those of models on this machine: costs nothing. */
  compare(address: string, options?: CompareOptions): Promise<Comparison[]>;
  /** What `evaluate` would cost now; null where a price is not known. Asks no model. */
  estimate(address: string, options?: Pick<EvaluateOptions, 'limit'>): Promise<Quote | null>;
  /**
   * Has a model answer the rows of a file, and writes a predictions file: a reference of a job file, the tuned model of a run, or any
   * model of a service. Doing so again goes on, or pays for nothing. May cost.
   */
  capture(name: string, options: CaptureOptions): Promise<Capture>;
  run(address: string): RunHandle;
  /** Deletes ended runs with their models; a rehearsal only tells which. */
  clean(options: CleanOptions): Promise<CleanedRun[]>;
  /**
   * Deletes at a service what was made there for ended runs, and what no run needs; a rehearsal only tells what. The runs stay here.
   * Nothing that an open run needs is touched.
   */
  cleanService(provider: string, options: CleanOptions): Promise<RemoteResource[]>;
  /**
   * Brings a job home that was made at a service by whomever, into a folder, and makes a run of it where that is possible; `problem`
   * says why it is not. Reads the service only; doing so again goes on, or changes nothing.
   */
  importJob(provider: string, id: string, folder: string): Promise<{ record: ImportRecord; run: RunView | null; problem: string | null }>;
  /** The jobs of the account at a service, newest first. */
  listServiceJobs(provider: string): Promise<ServiceJob[]>;
  /** The files of the account at a service; null: the service has no list of them. */
  listServiceFiles(provider: string): Promise<ServiceFile[] | null>;
  /** The models of a service that can be tuned, and the account's tuned ones. */
  models(provider: string): Promise<ServiceModel[]>;
  providers(): Promise<readonly Provider[]>;
  /** Tries what the providers need on this machine; costs nothing. */
  check(): Promise<Check[]>;
}
