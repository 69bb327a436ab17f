import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metric } from './contract/metric.ts';
import type { Attempt, Check, Context, Prediction, Provider } from './contract/provider.ts';
import type { ClassificationRow } from './dataset/map-row.ts';
import type { Comparison } from './evaluate/compare.ts';
import { Failure } from './failure.ts';
import type { Driver } from './run/driver.ts';
import type { CleanedRun } from './run/clean-runs.ts';
import type { Decision } from './run/decide.ts';
import type { RunPlan } from './run/event.ts';
import { findNewestRuns, findRuns } from './run/find-runs.ts';
import type { SubmitOptions } from './run/plan-job.ts';
import { acceptRun, appendEvents, listLogs, listMetrics, listRuns, type StoredRun } from './run/run-store.ts';
import { toRunView, type RunView } from './run/run-view.ts';
import { isEnded } from './run/transitions.ts';
import type { JobFile } from './spec/read-job-file.ts';
import { openEmptyStore, openStore } from './store/open-store.ts';

export interface OrchestratorOptions {
  /** The state folder; absent: the nearest `.orchestrate` at or above `from`, or a new one in it. */
  readonly dir?: string;
  /** The current folder when absent. */
  readonly from?: string;
  /** Providers beside those that come with the program; one of the same id takes its place. */
  readonly providers?: readonly Provider[];
  /** False where no state folder is to be made: plans and lists are made all the same. */
  readonly mayCreateState?: boolean;
  /** Ends waiting; trainings go on. */
  readonly signal?: AbortSignal;
  /** The clock, for tests. */
  readonly now?: () => Date;
  /** A worker that says nothing for so long is taken for dead, and another one goes on with its run. */
  readonly leaseMs?: number;
}

const defaultLeaseMs = 10_000;

export interface WatchOptions {
  /** Stop watching after so many milliseconds; the runs go on. */
  readonly timeoutMs?: number | undefined;
}

export interface EvaluateOptions {
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

export interface CleanOptions {
  /** The runs of this address; all when absent. */
  readonly address?: string | undefined;
  /** Only runs that were accepted so long ago. */
  readonly olderThanMs?: number | undefined;
  readonly isRehearsal: boolean;
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
  /** Decides about a submission of which nobody knows whether it arrived. */
  resolve(decision: Decision): Promise<RunView>;
  /** A tuned model's answers, in the order of the rows. */
  predict(rows: readonly Omit<ClassificationRow, 'label'>[]): Promise<Prediction[]>;
}

/** What the program does, for its commands and for scripts. */
export interface Orchestrator extends AsyncDisposable {
  readonly dir: string;
  /** Reads and checks a job file; `overrides` such as `training.epochs=1` are set in it. */
  load(path: string, overrides?: readonly string[]): Promise<JobFile>;
  /** What each target would be asked; changes nothing. */
  plan(job: JobFile, options?: SubmitOptions): Promise<RunPlan[]>;
  /** Submits each target once; a job that was submitted before is found again. */
  submit(job: JobFile, options?: SubmitOptions): Promise<RunView[]>;
  /** The runs of an address, newest first; all when absent. `isRefreshed` looks at their providers first. */
  list(address?: string, options?: { readonly isRefreshed?: boolean }): Promise<RunView[]>;
  /** Follows runs until all have ended or need a person: one list a look. Creates nothing. */
  watch(addresses: readonly string[], options?: WatchOptions): AsyncGenerator<readonly RunView[], void>;
  /** The last list that `watch` gives. */
  wait(addresses: readonly string[], options?: WatchOptions): Promise<readonly RunView[]>;
  /** Has the finished runs of a job answer its held-out rows, and compares the answers: one comparison for each set. */
  evaluate(address: string, options?: EvaluateOptions): Promise<Comparison[]>;
  /** The same from answers that cost nothing. */
  compare(address: string): Promise<Comparison[]>;
  run(address: string): RunHandle;
  /** Deletes ended runs with their models; a rehearsal only tells which. */
  clean(options: CleanOptions): Promise<CleanedRun[]>;
  providers(): Promise<readonly Provider[]>;
  /** Tries what the providers need on this machine; costs nothing. */
  check(): Promise<Check[]>;
}

/** The nearest state folder at or above `from`, else where a new one would be. */
function findStateFolder(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.orchestrate'))) return join(folder, '.orchestrate');
    if (folder === dirname(folder)) return join(from, '.orchestrate');
  }
}

/**
 * `await using orchestrator = await createOrchestrator()`. What reads only (list, metrics, logs) loads no provider and no parser.
 * @throws Failure of `openStore`
 */
export async function createOrchestrator(options: OrchestratorOptions = {}): Promise<Orchestrator> {
  const dir = options.dir === undefined ? findStateFolder(resolve(options.from ?? '.')) : resolve(options.dir);
  const isEmpty = options.mayCreateState === false && !existsSync(dir);
  const store = isEmpty ? openEmptyStore() : openStore(dir);
  const signal = options.signal ?? new AbortController().signal;
  const now = options.now ?? (() => new Date());
  const wait = async (ms: number): Promise<void> => await sleep(ms, undefined, { signal });
  const context: Context = { signal, now, wait };
  const owner = randomUUID();

  const readProviders = async (): Promise<ReadonlyMap<string, Provider>> => {
    const { providers } = await import('../providers/index.ts');
    return new Map([...providers, ...(options.providers ?? [])].map((provider) => [provider.id, provider]));
  };
  const findProvider = async (): Promise<(id: string, target: string) => Provider> => {
    const known = await readProviders();
    return (id, target) => {
      const provider = known.get(id);
      if (provider !== undefined) return provider;
      const ids = [...known.keys()].join(', ');
      throw new Failure('job-file-invalid', `targets.${target}: expected a provider that is one of ${ids}, found "${id}"`);
    };
  };
  const createDriver = async (mayCreate: boolean): Promise<Driver> => {
    const provider = await findProvider();
    const { readPart } = await import('./run/read-part.ts');
    return {
      store,
      owner,
      leaseMs: options.leaseMs ?? defaultLeaseMs,
      now,
      random: Math.random,
      mayCreate,
      provider: ({ record }) => provider(record.plan.spec.provider, record.plan.spec.target),
      attempt: ({ key, record: { plan, attempt } }): Attempt => {
        const workDir = join(dir, 'runs', key);
        return { ...context, key, attempt, workDir, facts: plan.facts, readRows: (part) => readPart(dir, plan, part) };
      },
    };
  };
  const toView = (run: StoredRun): RunView => toRunView(run, now());

  const load: Orchestrator['load'] = async (...args) => await (await import('./spec/read-job-file.ts')).readJobFile(...args);

  const plan: Orchestrator['plan'] = async (job, submitOptions = {}) => {
    const { planJob } = await import('./run/plan-job.ts');
    return await planJob({ store, provider: await findProvider() }, job, submitOptions);
  };

  /** A job file that was never submitted from here may have jobs at its providers all the same. */
  const adopt = async (path: string): Promise<StoredRun[]> => {
    const { adoptByKey } = await import('./run/adopt-by-key.ts');
    return await adoptByKey(await createDriver(false), await plan(await load(path)));
  };

  const submit: Orchestrator['submit'] = async (job, submitOptions) => {
    const plans = await plan(job, submitOptions);
    const { keepData } = await import('./run/data-store.ts');
    await keepData(dir, plans[0]!.facts);
    const { driveSubmission } = await import('./run/drive.ts');
    const driver = await createDriver(true);
    const runs: StoredRun[] = [];
    for (const one of plans) runs.push(await driveSubmission(driver, await acceptRun(store, one, now().toISOString()), wait));
    return runs.map(toView);
  };

  const watch: Orchestrator['watch'] = async function* (addresses, { timeoutMs } = {}) {
    const { followRuns } = await import('./run/drive.ts');
    const runs = (await Promise.all(addresses.map(async (address) => await findNewestRuns(store, address)))).flat();
    const until = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    const clock = { now, wait: async (ms: number) => await wait(Math.max(0, Math.min(ms, until - performance.now()))) };
    for await (const seen of followRuns(await createDriver(false), runs, clock)) {
      yield seen.map(toView);
      signal.throwIfAborted();
      if (performance.now() >= until) return;
    }
  };

  const evaluate: Orchestrator['evaluate'] = async (address, { limit } = {}) => {
    const { compareRuns } = await import('./evaluate/compare-runs.ts');
    const { readPart } = await import('./run/read-part.ts');
    const world = { store, context, provider: await findProvider(), readPart: readPart.bind(null, dir) };
    return await compareRuns(world, await findNewestRuns(store, address), limit);
  };

  /** Stores a person's wish with every run that can still have it, and passes it on at once. */
  const wish = async (address: string, type: 'cancel-requested' | 'pause-requested'): Promise<RunView[]> => {
    const { advance } = await import('./run/advance.ts');
    const driver = await createDriver(false);
    const runs = await Promise.all(
      (await findNewestRuns(store, address)).map(async (run) => {
        if (isEnded(run.record.state)) return run;
        return await advance(driver, await appendEvents(store, run.key, { events: [{ type }], at: now().toISOString(), fence: null }));
      }),
    );
    return runs.map(toView);
  };

  const predict = async (address: string, rows: readonly Omit<ClassificationRow, 'label'>[]): Promise<Prediction[]> => {
    const run = (await findNewestRuns(store, address)).find(({ record }) => record.artifacts.length > 0);
    if (run === undefined) {
      throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
    }
    const { answerRows } = await import('./evaluate/answer-rows.ts');
    const { spec } = run.record.plan;
    const provider = (await findProvider())(spec.provider, spec.target);
    return await answerRows(store, { provider, model: run.record.artifacts[0]!.model }, { rows, context });
  };

  return {
    dir,
    load,
    plan,
    submit,
    watch,
    evaluate,
    compare: evaluate,
    async list(address, { isRefreshed = false } = {}) {
      const runs = address === undefined ? await listRuns(store) : await findRuns(store, address, adopt);
      if (!isRefreshed) return runs.map(toView);
      const { advance } = await import('./run/advance.ts');
      const driver: Driver = { ...(await createDriver(false)), isUrgent: true };
      return (await Promise.all(runs.map(async (run) => await advance(driver, run)))).map(toView);
    },
    async wait(addresses, watchOptions) {
      let last: readonly RunView[] = [];
      for await (const runs of watch(addresses, watchOptions)) last = runs;
      return last;
    },
    run: (address) => ({
      view: async () => toView((await findNewestRuns(store, address))[0]!),
      metrics: async () => await listMetrics(store, (await findNewestRuns(store, address))[0]!.key),
      logs: async () => await listLogs(store, (await findNewestRuns(store, address))[0]!.key),
      cancel: async () => await wish(address, 'cancel-requested'),
      pause: async () => await wish(address, 'pause-requested'),
      async resume() {
        const { resumeRun } = await import('./run/decide.ts');
        return toView(await resumeRun(await createDriver(true), (await findNewestRuns(store, address))[0]!));
      },
      async resolve(decision) {
        const { resolveRun } = await import('./run/decide.ts');
        return toView(await resolveRun(await createDriver(false), (await findNewestRuns(store, address))[0]!, decision));
      },
      predict: async (rows) => await predict(address, rows),
    }),
    async clean({ address, olderThanMs = 0, isRehearsal }) {
      const { cleanRuns } = await import('./run/clean-runs.ts');
      const until = now().getTime() - olderThanMs;
      const found = address === undefined ? await listRuns(store) : await findRuns(store, address);
      const runs = found.filter(({ record }) => Date.parse(record.times.created) <= until);
      return await cleanRuns(store, dir, { runs, isRehearsal });
    },
    providers: async () => [...(await readProviders()).values()],
    async check() {
      const checks: Check[] = [];
      for (const provider of (await readProviders()).values()) checks.push(...((await provider.check?.(context)) ?? []));
      return checks;
    },
    async [Symbol.asyncDispose]() {
      await store.destroy();
    },
  };
}
