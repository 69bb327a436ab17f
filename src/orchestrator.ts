import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Context } from './provider/context.ts';
import type { Check, Provider } from './provider/provider.ts';
import { limitTime, openWorkspace, toUninterruptible, type OrchestratorOptions } from './open-workspace.ts';
import { findNewestRuns, findRuns } from './run/find-runs.ts';
import type { PresentRuns } from './run/job-file.ts';
import { listMetrics } from './run/metrics.ts';
import { acceptRuns, checkPlans, findNewPlans } from './run/accept.ts';
import { findRun, listLogs, listRuns, type StoredRun } from './run/run-store.ts';
import { toRunView, type RunView } from './run/run-view.ts';
import { checkWritable } from './store/open-store.ts';
import { Failure } from './errors.ts';
import type { Secret } from './lib/redact.ts';
import { formatValue } from './lib/text.ts';
import type { Subject, Orchestrator } from './orchestrator-api.ts';

export type * from './orchestrator-api.ts';

/** A person, or a script, waits for a list. */
const longestLookMs = 5000;

/** @throws Failure `usage` for a text that names no variable, `credentials-invalid` where it is empty */
function readServerKey(context: Context, name: string): Secret {
  // What is no name may be the key itself, which is not repeated.
  if (!/^[A-Za-z_]\w*$/.test(name))
    throw new Failure('usage', '--key-name expects the name of a variable that holds the key, found another text');
  const key = context.credential(name);
  if (key === null) throw new Failure('credentials-invalid', `--key-name: expected a key in the variable ${name}, found none`);
  return key;
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

  /** Loads no provider where there is nothing to see. */
  const look = async (runs: readonly StoredRun[]): Promise<readonly StoredRun[]> => {
    const { isOpen, lookAtRuns } = await import('./run/look.ts');
    if (!runs.some(isOpen)) return runs;
    using time = limitTime(context, longestLookMs, 0);
    const driver = await createDriver({ isPatient: false, context: time.context });
    return await lookAtRuns(driver, runs, context.signal);
  };
  /** Runs of this address as they are now. */
  const findSeen = async (address: string): Promise<readonly StoredRun[]> => await look(await findNewestRuns(store, address));

  /** The newest runs with what their job file says now. */
  const findPresent = async (subject: Subject, withTests = false): Promise<PresentRuns> => {
    const { readPresentRuns } = await import('./run/job-file.ts');
    const [address, ...others] = typeof subject === 'string' ? [subject] : subject;
    const runs = (await Promise.all([address!, ...others].map(findSeen))).flat();
    return await readPresentRuns(workspace, runs, { address: address!, withTests });
  };

  const load: Orchestrator['load'] = async (...args) => await (await import('./job/read-job-file.ts')).readJobFile(...args);

  const plan: Orchestrator['plan'] = async (job, planOptions = {}) =>
    await (await import('./run/plan.ts')).planJob(await workspace.load(), job, { isTentative: true, ...planOptions });

  /** A job file that was never submitted from here may have jobs at its providers all the same. */
  const adopt = async (path: string): Promise<StoredRun[]> =>
    await (await import('./run/adopt.ts')).adoptByKey(await createDriver(), await plan(await load(path)));

  /** The runs as they are stored now. */
  const readAgain = async (runs: readonly StoredRun[]): Promise<RunView[]> =>
    (await Promise.all(runs.map(async ({ key }) => await findRun(store, key)))).flatMap((run) => (run === null ? [] : toView(run)));

  const submit: Orchestrator['submit'] = async (job, { onPlanned, onChange, onFailed, timeoutMs, ...planOptions } = {}) => {
    using time = limitTime(context, timeoutMs);
    const plans = await (await import('./run/plan.ts')).planJob({ ...(await workspace.load()), context: time.context }, job, planOptions);
    await checkPlans(store, plans); // a submission that is refused leaves no copy of its data behind
    const fresh = await findNewPlans(store, plans);
    if (fresh.length > 0) await checkWritable(store);
    if (onPlanned !== undefined) await onPlanned(fresh);
    await (await import('./run/run-data.ts')).keepData(dir, plans[0]!.facts);
    const accepted = await acceptRuns(store, plans, context.now().toISOString());
    const { driveSubmissions } = await import('./run/drive.ts');
    const driver = await createDriver({ mayCreate: true, context: time.context });
    const submitted = await driveSubmissions(driver, accepted, (run) => onChange?.(toView(run))).catch((error: unknown) => {
      if (context.signal.aborted || !time.isOver()) throw error;
      return null;
    });
    if (submitted === null) return await readAgain(accepted);
    const { runs, failure } = submitted;
    if (failure !== null && (onFailed === undefined || runs.length === 0)) throw failure;
    if (failure !== null) onFailed?.(failure);
    return runs.map(toView);
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
    bringData: async (sources) => await (await import('./run/bring-data.ts')).bringSources(sources, workspace),
    budget: async (plans) => await (await import('./run/plan.ts')).readBudget(store, plans),
    async describeScoring(plans) {
      const { describeScoring } = await import('./evaluate/scoring.ts');
      const loaded = await workspace.load();
      return await Promise.all(plans.map(async (one) => await describeScoring(loaded, one)));
    },
    async describeTokens(plans) {
      const { countPlanTokens } = await import('./run/plan-tokens.ts');
      const loaded = await workspace.load();
      return await Promise.all(
        plans.map(async (one) => await countPlanTokens(loaded, loaded.provider(one.spec.provider, one.spec.target), one)),
      );
    },
    submit,
    watch,
    async evaluate(subject, evaluateOptions) {
      const { evaluate } = await import('./evaluate/evaluate.ts');
      return await evaluate(await workspace.load(), await findPresent(subject, true), evaluateOptions);
    },
    async compare(subject, compareOptions) {
      const { compare } = await import('./evaluate/evaluate.ts');
      return await compare(await workspace.load(), await findPresent(subject, true), compareOptions);
    },
    async estimate(subject, estimateOptions) {
      const { estimate } = await import('./evaluate/evaluate.ts');
      return await estimate(await workspace.load(), await findPresent(subject, true), estimateOptions);
    },
    compareFiles: async (files) => await (await import('./evaluate/compare-files.ts')).compareFiles(files),
    capture: async (...args) => await (await import('./evaluate/capture.ts')).capture(await workspace.load(), ...args),
    async list(address, { look: when = 'due' } = {}) {
      const runs = address === undefined ? await listRuns(store) : await findRuns(store, address, adopt);
      if (when !== 'now') return (when === 'due' ? await look(runs) : runs).map(toView);
      const { advance } = await import('./run/advance.ts');
      const driver = await createDriver({ force: true });
      return (await Promise.all(runs.map(async (run) => await advance(driver, run)))).map(toView);
    },
    async costs(address, tags = {}) {
      const [all, { readCosts }] = await Promise.all([listRuns(store), import('./run/costs.ts')]);
      const found = address === undefined ? all : await findRuns(store, address);
      const hasTags = ({ record }: StoredRun): boolean =>
        Object.entries(tags).every(([name, value]) => record.plan.spec.tags[name] === value);
      return await readCosts(store, found.filter(hasTags), { all, isFiltered: address !== undefined || Object.keys(tags).length > 0 });
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
    async serve(source, { port, host, keyName, aliases = [], limits, onFailure = () => {} }) {
      const { checkAddress, defaultHost, startServer } = await import('./server/main.ts');
      const key = keyName === undefined ? null : readServerKey(context, keyName);
      const address = { port, host: host ?? defaultHost, key };
      checkAddress(address);
      const { openServedModel } = await import('./evaluate/serving.ts');
      const { name, model, question } = await openServedModel(
        await workspace.load(),
        source,
        async () => await findNewestRuns(store, source),
      );
      try {
        const served = { model, names: [name, ...aliases] as const, question };
        return await startServer(served, { ...address, limits, now: context.now, onFailure });
      } catch (error) {
        await model.close();
        throw error;
      }
    },
    exportFile: async (...args) => await (await import('./run/export.ts')).exportFile(workspace, ...args),
    merge: async (...args) => await (await import('./run/merge-model.ts')).mergeModel(await workspace.load(), ...args),
    run: (address) => ({
      view: async () => toView((await findSeen(address))[0]!),
      metrics: async () => await listMetrics(store, (await findSeen(address))[0]!.key),
      logs: async () => await listLogs(store, (await findSeen(address))[0]!.key),
      cancel: async () => await requestControl(address, 'cancel-requested'),
      pause: async () => await requestControl(address, 'pause-requested'),
      async resume() {
        const { resumeRun } = await import('./run/controls.ts');
        return toView(await resumeRun(await createDriver({ mayCreate: true }), await findNewest(address)));
      },
      async deploy(deployOptions) {
        const { deployRun, findDeployable } = await import('./run/deployments.ts');
        const driver = await createDriver({ mayCreate: true });
        const { runs } = await findPresent(address);
        return toView(await deployRun(driver, findDeployable(driver, runs), deployOptions));
      },
      async undeploy() {
        const { findDeployable, undeployRun } = await import('./run/deployments.ts');
        const driver = await createDriver({ context: toUninterruptible(context) });
        const { run, usd } = await undeployRun(driver, findDeployable(driver, await findNewestRuns(store, address)));
        return { run: toView(run), usd };
      },
      async export(exportOptions) {
        const { exportModel } = await import('./run/export.ts');
        const providers = (await readProviders()).values();
        return await exportModel(workspace, (await findPresent(address)).runs, { ...exportOptions, providers });
      },
      async resolve(decision) {
        const { resolveRun } = await import('./run/controls.ts');
        return toView(await resolveRun(await createDriver(), await findNewest(address), decision));
      },
      readRows: async (path) => await (await import('./evaluate/capture-source.ts')).readRunRows(path, await findNewest(address)),
      async predict(rows, predictOptions) {
        const { predict } = await import('./evaluate/evaluate.ts');
        return await predict(await workspace.load(), await findPresent(address), { rows, ...predictOptions });
      },
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
    async loadTokenizer(name) {
      const { resolveModel } = await import('./job/resolve.ts');
      const place = resolve(options.from ?? '.');
      const model = existsSync(resolve(place, name))
        ? ({ kind: 'folder', path: resolve(place, name) } as const)
        : resolveModel(name, place);
      for (const { loadTokenizer } of (await readProviders()).values()) {
        const found = await loadTokenizer?.(model, context);
        if (found !== null && found !== undefined) return { ...found, name };
      }
      const expected = 'a folder such as ./models/tiny-bert, hub:owner/name, or a model of OpenAI such as gpt-4.1-mini';
      throw new Failure('usage', `a tokenizer is ${expected}; found ${formatValue(name)}`);
    },
    providers: async () => [...(await readProviders()).values()],
    async check() {
      const checks: Check[] = [];
      for (const provider of (await readProviders()).values()) checks.push(...((await provider.check?.(context)) ?? []));
      return checks;
    },
    async install(part) {
      const all = [...(await readProviders()).values()];
      const found = await all.find(({ parts = [] }) => parts.includes(part))?.install?.(part, context);
      if (found !== undefined) return found;
      const names = all.flatMap(({ parts = [] }) => parts).join(', ');
      throw new Failure('usage', `nothing is called ${formatValue(part)} that could be installed: expected one of ${names}`);
    },
    async [Symbol.asyncDispose]() {
      await store.destroy();
    },
  });
}
