import { join, resolve } from 'node:path';
import type { Metric } from './provider/metric.ts';
import type { RemoteResource } from './provider/remote-resource.ts';
import type { Check, Provider, Quote } from './provider/provider.ts';
import type { ServiceFile, ServiceJob, ServiceModel } from './provider/service.ts';
import type { ClassificationRow } from './dataset/row.ts';
import type { Capture, CaptureOptions } from './evaluate/capture.ts';
import type { Comparison } from './evaluate/comparison.ts';
import type { CompareOptions, EvaluateOptions, TextAnswer } from './evaluate/evaluate.ts';
import type { PayOptions } from './evaluate/spend.ts';
import type { ImportRecord } from './import/import-record.ts';
import type { JobFile } from './job/read-job-file.ts';
import { limitTime, openWorkspace, toUninterruptible, type OrchestratorOptions } from './open-workspace.ts';
import type { CleanedRun, CleanOptions } from './run/clean.ts';
import type { Decision } from './run/controls.ts';
import type { DeployOptions } from './run/deployments.ts';
import type { RunPlan } from './run/event.ts';
import { findNewestRuns, findRuns, isJobFile } from './run/find-runs.ts';
import { listMetrics } from './run/metrics.ts';
import type { BudgetView, PlanJobOptions } from './run/plan.ts';
import { acceptRuns, checkPlans, findRun, listLogs, listRuns, type StoredRun } from './run/run-store.ts';
import { toRunView, type RunView } from './run/run-view.ts';

export type { CompareOptions, EvaluateOptions, OrchestratorOptions };

export interface SubmitOptions extends PlanJobOptions {
  /** Is called after each step: finding out about a lost answer takes as long as the service may need to list a job. */
  readonly onChange?: ((run: RunView) => void) | undefined;
  /** Stop after so many milliseconds, also while a service hangs: the runs are given as they are then, and submitted again they go on. */
  readonly timeoutMs?: number | undefined;
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
  deploy(options: Pick<DeployOptions, 'hours' | 'maxUsd'>): Promise<RunView>;
  /** Ends the deployment, even if the signal has aborted, and returns its cost in dollars; null where there was none. */
  undeploy(): Promise<{ run: RunView; usd: number | null }>;
  /** Settles a submission whose outcome is unknown. */
  resolve(decision: Decision): Promise<RunView>;
  /** The answers of the tuned model, in the order of the rows. */
  predict(rows: readonly Omit<ClassificationRow, 'label'>[], options?: PayOptions): Promise<TextAnswer[]>;
}

/** Everything that the program does, for its commands and for scripts. */
export interface Orchestrator extends AsyncDisposable {
  readonly dir: string;
  /** Reads and checks a job file; `overrides` such as `training.epochs=1` are set in it. */
  load(path: string, overrides?: readonly string[]): Promise<JobFile>;
  /** The request for each target; changes nothing. */
  plan(job: JobFile, options?: PlanJobOptions): Promise<RunPlan[]>;
  /** What the job may spend, has spent, and would spend for these plans. */
  budget(plans: readonly RunPlan[]): Promise<BudgetView>;
  /** Submits each target once; a job that was submitted before is found and not submitted again. */
  submit(job: JobFile, options?: SubmitOptions): Promise<RunView[]>;
  /** The runs of an address, newest first; all when absent. `isRefreshed` polls their providers first. */
  list(address?: string, options?: { readonly isRefreshed?: boolean }): Promise<RunView[]>;
  /** What of the state is damaged, in words: `list` shows all other runs. */
  damage(): Promise<readonly { readonly message: string; readonly hint: string }[]>;
  /** Follows runs until all have ended or a person has to decide, and yields them after each round of polls. Creates nothing. */
  watch(addresses: readonly string[], options?: WatchOptions): AsyncGenerator<readonly RunView[], void>;
  /** The last list that `watch` yields. */
  wait(addresses: readonly string[], options?: WatchOptions): Promise<readonly RunView[]>;
  /** Lets the models of finished runs answer the held-out rows, and compares the answers: one comparison per set. May cost. */
  evaluate(address: string, options?: EvaluateOptions): Promise<Comparison[]>;
  /** The same from stored answers and from models on this machine: costs nothing. */
  compare(address: string, options?: CompareOptions): Promise<Comparison[]>;
  /** What `evaluate` would cost now; null where a price is not known. Calls no model. */
  estimate(address: string, options?: Pick<EvaluateOptions, 'limit'>): Promise<Quote | null>;
  /**
   * Lets a model answer the rows of a file, and writes a predictions file: a reference of a job file, the tuned model of a run, or any
   * model of a service. A second call continues the first one, and pays for nothing twice. May cost.
   */
  capture(name: string, options: CaptureOptions): Promise<Capture>;
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
  providers(): Promise<readonly Provider[]>;
  /** Checks what the providers need on this machine; costs nothing. */
  check(): Promise<Check[]>;
}

/**
 * `await using orchestrator = await createOrchestrator()`. Modules are loaded when they are needed: reading the state loads no provider
 * and no parser.
 * @throws Failure of `openStore`
 */
export async function createOrchestrator(options: OrchestratorOptions = {}): Promise<Orchestrator> {
  const workspace = openWorkspace(options);
  const { store, dir, context, createDriver, readProviders } = workspace;
  const toView = (run: StoredRun): RunView => toRunView(run, context.now());
  const findService = async (id: string): Promise<Provider> =>
    (await import('./import/import-run.ts')).findService(await readProviders(), id);
  const findNewest = async (address: string): Promise<StoredRun> => (await findNewestRuns(store, address))[0]!;

  const load: Orchestrator['load'] = async (...args) => await (await import('./job/read-job-file.ts')).readJobFile(...args);

  const plan: Orchestrator['plan'] = async (job, planOptions = {}) =>
    await (await import('./run/plan.ts')).planJob(await workspace.load(), job, planOptions);

  /** A job file that was never submitted from here may have jobs at its providers all the same. */
  const adopt = async (path: string): Promise<StoredRun[]> =>
    await (await import('./run/adopt.ts')).adoptByKey(await createDriver(), await plan(await load(path)));

  /** The runs as they are stored now. */
  const readAgain = async (runs: readonly StoredRun[]): Promise<RunView[]> =>
    (await Promise.all(runs.map(async ({ key }) => await findRun(store, key)))).flatMap((run) => (run === null ? [] : toView(run)));

  const submit: Orchestrator['submit'] = async (job, { onChange, timeoutMs, ...planOptions } = {}) => {
    using time = limitTime(context, timeoutMs);
    const plans = await (await import('./run/plan.ts')).planJob({ ...(await workspace.load()), context: time.context }, job, planOptions);
    await checkPlans(store, plans); // a submission that is refused leaves no copy of its data behind
    await (await import('./run/run-data.ts')).keepData(dir, plans[0]!.facts);
    const accepted = await acceptRuns(store, plans, context.now().toISOString());
    const { driveSubmissions } = await import('./run/drive.ts');
    const driver = await createDriver({ mayCreate: true, context: time.context });
    try {
      return (await driveSubmissions(driver, accepted, (run) => onChange?.(toView(run)))).map(toView);
    } catch (error) {
      if (context.signal.aborted || !time.isOver()) throw error;
      return await readAgain(accepted);
    }
  };

  const watch: Orchestrator['watch'] = async function* (addresses, { timeoutMs } = {}) {
    const { followRuns } = await import('./run/drive.ts');
    const runs = (await Promise.all(addresses.map(async (address) => await findNewestRuns(store, address)))).flat();
    using time = limitTime(context, timeoutMs);
    try {
      for await (const seen of followRuns(await createDriver({ context: time.context }), runs, time.pause)) {
        yield seen.map(toView);
        context.signal.throwIfAborted();
        if (time.isOver()) return;
      }
    } catch (error) {
      if (context.signal.aborted || !time.isOver()) throw error;
      yield await readAgain(runs);
    }
  };

  const requestControl = async (address: string, type: 'cancel-requested' | 'pause-requested'): Promise<RunView[]> => {
    const controls = await import('./run/controls.ts');
    return (await controls.requestControl(await createDriver(), await findNewestRuns(store, address), type)).map(toView);
  };

  return await Promise.resolve({
    dir,
    load,
    plan,
    budget: async (plans) => await (await import('./run/plan.ts')).readBudget(store, plans),
    submit,
    watch,
    evaluate: async (...args) => await (await import('./evaluate/evaluate.ts')).evaluate(await workspace.load(), ...args),
    compare: async (...args) => await (await import('./evaluate/evaluate.ts')).compare(await workspace.load(), ...args),
    estimate: async (...args) => await (await import('./evaluate/evaluate.ts')).estimate(await workspace.load(), ...args),
    capture: async (...args) => await (await import('./evaluate/capture.ts')).capture(await workspace.load(), ...args),
    async list(address, { isRefreshed = false } = {}) {
      const runs = address === undefined ? await listRuns(store) : await findRuns(store, address, adopt);
      if (!isRefreshed) return runs.map(toView);
      const { advance } = await import('./run/advance.ts');
      const driver = await createDriver({ force: true });
      return (await Promise.all(runs.map(async (run) => await advance(driver, run)))).map(toView);
    },
    async damage() {
      const [{ readRuns }, { formatDamage }] = await Promise.all([import('./run/run-store.ts'), import('./run/stored-run.ts')]);
      return (await readRuns(store)).damaged.map((damaged) => formatDamage(damaged, join(dir, 'state.db')));
    },
    async wait(addresses, watchOptions) {
      let last: readonly RunView[] = [];
      for await (const runs of watch(addresses, watchOptions)) last = runs;
      return last;
    },
    run: (address) => ({
      view: async () => toView(await findNewest(address)),
      metrics: async () => await listMetrics(store, (await findNewest(address)).key),
      logs: async () => await listLogs(store, (await findNewest(address)).key),
      cancel: async () => await requestControl(address, 'cancel-requested'),
      pause: async () => await requestControl(address, 'pause-requested'),
      async resume() {
        const { resumeRun } = await import('./run/controls.ts');
        return toView(await resumeRun(await createDriver({ mayCreate: true }), await findNewest(address)));
      },
      async deploy(deployOptions) {
        const { deployRun, findDeployable } = await import('./run/deployments.ts');
        const driver = await createDriver({ mayCreate: true });
        const run = findDeployable(driver, await findNewestRuns(store, address));
        // The budget in the job file may have been changed since the submission.
        const budgetUsd = isJobFile(address) ? ((await load(address)).spec.budget?.usd ?? null) : undefined;
        return toView(await deployRun(driver, run, { ...deployOptions, budgetUsd }));
      },
      async undeploy() {
        const { findDeployable, undeployRun } = await import('./run/deployments.ts');
        const driver = await createDriver({ context: toUninterruptible(context) });
        const { run, usd } = await undeployRun(driver, findDeployable(driver, await findNewestRuns(store, address)));
        return { run: toView(run), usd };
      },
      async resolve(decision) {
        const { resolveRun } = await import('./run/controls.ts');
        return toView(await resolveRun(await createDriver(), await findNewest(address), decision));
      },
      predict: async (rows, predictOptions) =>
        await (await import('./evaluate/evaluate.ts')).predict(await workspace.load(), address, { rows, ...predictOptions }),
    }),
    clean: async (cleanOptions) => await (await import('./run/clean.ts')).cleanRuns(workspace, cleanOptions),
    async cleanService(id, cleanOptions) {
      const { cleanService } = await import('./run/clean.ts');
      return await cleanService(workspace, (await workspace.load()).provider(id, id), cleanOptions);
    },
    async importJob(id, jobId, folder) {
      const { importRun } = await import('./import/import-run.ts');
      const place = resolve(options.from ?? '.', folder);
      const { run, ...imported } = await importRun(await createDriver(), await findService(id), { id: jobId, folder: place });
      return { ...imported, run: run === null ? null : toView(run) };
    },
    listServiceFiles: async (id) => await (await import('./import/import-run.ts')).listServiceFiles(await findService(id), context),
    listServiceJobs: async (id) => await Array.fromAsync((await findService(id)).account?.jobs?.(context) ?? []),
    models: async (id) => await Array.fromAsync((await findService(id)).account?.models?.(context) ?? []),
    providers: async () => [...(await readProviders()).values()],
    async check() {
      const checks: Check[] = [];
      for (const provider of (await readProviders()).values()) checks.push(...((await provider.check?.(context)) ?? []));
      return checks;
    },
    async [Symbol.asyncDispose]() {
      await store.destroy();
    },
  });
}
