import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, Context } from './provider/context.ts';
import type { Check, Provider } from './provider/provider.ts';
import type { Evaluation } from './evaluate/evaluation.ts';
import { Failure } from './errors.ts';
import type { Driver } from './run/driver.ts';
import { findNewestRuns, findRuns, isJobFile } from './run/find-runs.ts';
import { acceptRuns, appendEvents, checkPlans, listLogs, listMetrics, listRuns, type StoredRun } from './run/run-store.ts';
import { toRunView, type RunView } from './run/run-view.ts';
import { isEnded } from './run/transitions.ts';
import { Secret } from './lib/redact.ts';
import { openEmptyStore, openStore } from './store/open-store.ts';
import type { OrchestratorOptions, Orchestrator } from './orchestrator.ts';

const defaultLeaseMs = 10_000;

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
  const environment = options.environment ?? process.env;
  const setting = (name: string): string | null => environment[name]?.trim() || null; // set to nothing is not set
  const context: Context = {
    signal,
    now,
    wait,
    setting,
    credential(name) {
      const value = setting(name);
      return value === null ? null : new Secret(value);
    },
  };
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
  const findService = async (id: string): Promise<Provider> =>
    (await import('./import/import-run.ts')).findService(await readProviders(), id);
  /** With a signal that does not abort: to end what costs by the hour also when the person has gone. */
  const uninterruptible: Context = { ...context, signal: new AbortController().signal, wait: async (ms) => await sleep(ms) };
  const createDriver = async (mayCreate: boolean, driven = context): Promise<Driver> => {
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
        return { ...driven, key, attempt, workDir, facts: plan.facts, readRows: (part) => readPart(dir, plan, part) };
      },
    };
  };
  const toView = (run: StoredRun): RunView => toRunView(run, now());

  const load: Orchestrator['load'] = async (...args) => await (await import('./job/read-job-file.ts')).readJobFile(...args);

  const plan: Orchestrator['plan'] = async (job, submitOptions = {}) => {
    const { planJob } = await import('./run/plan-job.ts');
    return await planJob({ store, dir, context, provider: await findProvider() }, job, submitOptions);
  };

  /** A job file that was never submitted from here may have jobs at its providers all the same. */
  const adopt = async (path: string): Promise<StoredRun[]> => {
    const { adoptByKey } = await import('./run/adopt-by-key.ts');
    return await adoptByKey(await createDriver(false), await plan(await load(path)));
  };

  const submit: Orchestrator['submit'] = async (job, submitOptions) => {
    const plans = await plan(job, submitOptions);
    await checkPlans(store, plans); // a submission that is refused leaves no copy of its data behind
    const { keepData } = await import('./run/data-store.ts');
    await keepData(dir, plans[0]!.facts);
    const { driveSubmissions } = await import('./run/drive.ts');
    const accepted = await acceptRuns(store, plans, now().toISOString());
    const tell = (run: StoredRun): void => submitOptions?.onChange?.(toView(run));
    return (await driveSubmissions(await createDriver(true), accepted, { wait, tell, signal })).map(toView);
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

  const openEvaluation = async (): Promise<Evaluation> => {
    const { createEvaluation } = await import('./evaluate/evaluation.ts');
    return createEvaluation({ store, dir, context, provider: await findProvider() });
  };

  /** Stores a person's wish with every run that can still have it, and passes it on at once. */
  const requestControl = async (address: string, type: 'cancel-requested' | 'pause-requested'): Promise<RunView[]> => {
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

  return {
    dir,
    load,
    plan,
    budget: async (plans) => await (await import('./run/read-budget.ts')).readBudget(store, plans),
    submit,
    watch,
    evaluate: async (...args) => await (await openEvaluation()).evaluate(...args),
    compare: async (...args) => await (await openEvaluation()).compare(...args),
    estimate: async (...args) => await (await openEvaluation()).estimate(...args),
    async capture(name, captureOptions) {
      const { capture } = await import('./evaluate/capture.ts');
      return await capture({ store, dir, context, provider: await findProvider() }, name, captureOptions);
    },
    async list(address, { isRefreshed = false } = {}) {
      const runs = address === undefined ? await listRuns(store) : await findRuns(store, address, adopt);
      if (!isRefreshed) return runs.map(toView);
      const { advance } = await import('./run/advance.ts');
      const driver: Driver = { ...(await createDriver(false)), force: true };
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
      cancel: async () => await requestControl(address, 'cancel-requested'),
      pause: async () => await requestControl(address, 'pause-requested'),
      async resume() {
        const { resumeRun } = await import('./run/decide.ts');
        return toView(await resumeRun(await createDriver(true), (await findNewestRuns(store, address))[0]!));
      },
      async deploy(deployOptions) {
        const { deployRun, findDeployable } = await import('./run/deploy-run.ts');
        const driver = await createDriver(true);
        const run = findDeployable(driver, await findNewestRuns(store, address));
        // The job file may have been given another budget since.
        const budgetUsd = isJobFile(address) ? ((await load(address)).spec.budget?.usd ?? null) : undefined;
        return toView(await deployRun(driver, run, { ...deployOptions, budgetUsd }));
      },
      async undeploy() {
        const { findDeployable, undeployRun } = await import('./run/deploy-run.ts');
        const driver = await createDriver(false, uninterruptible);
        const { run, usd } = await undeployRun(driver, findDeployable(driver, await findNewestRuns(store, address)));
        return { run: toView(run), usd };
      },
      async resolve(decision) {
        const { resolveRun } = await import('./run/decide.ts');
        return toView(await resolveRun(await createDriver(false), (await findNewestRuns(store, address))[0]!, decision));
      },
      predict: async (...args) => await (await openEvaluation()).predict(address, ...args),
    }),
    async clean(cleanOptions) {
      const { cleanRuns, findOldRuns } = await import('./run/clean-runs.ts');
      return await cleanRuns(store, dir, { runs: await findOldRuns(store, cleanOptions, now()), dryRun: cleanOptions.dryRun });
    },
    async cleanService(id, cleanOptions) {
      const { cleanService } = await import('./run/clean-service.ts');
      const provider = (await findProvider())(id, id);
      return await cleanService({ store, context, provider }, cleanOptions);
    },
    async importJob(provider, id, folder) {
      const { importRun } = await import('./import/import-run.ts');
      const workspace = { store, dir, context, provider: await findService(provider), createDriver: async () => await createDriver(false) };
      const { run, ...imported } = await importRun(workspace, { id, folder: resolve(options.from ?? '.', folder) });
      return { ...imported, run: run === null ? null : toView(run) };
    },
    listServiceFiles: async (provider) =>
      await (await import('./import/import-run.ts')).listServiceFiles(await findService(provider), context),
    listServiceJobs: async (provider) => await Array.fromAsync((await findService(provider)).account?.jobs?.(context) ?? []),
    models: async (provider) => await Array.fromAsync((await findService(provider)).account?.models?.(context) ?? []),
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
