import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { providers as knownProviders } from '../providers/index.ts';
import type { Metric } from './contract/metric.ts';
import type { Attempt, Context, Prediction, Provider } from './contract/provider.ts';
import type { ClassificationRow } from './dataset/map-row.ts';
import type { Comparison } from './evaluate/compare.ts';
import { compareModels, type Contender } from './evaluate/compare-models.ts';
import { answerRows } from './evaluate/answer-rows.ts';
import { Failure } from './failure.ts';
import { advance, type Driver } from './run/advance.ts';
import { keepData } from './run/data-store.ts';
import type { RunPlan } from './run/event.ts';
import { inspectJobData, planRun } from './run/plan.ts';
import { readPart } from './run/read-part.ts';
import { acceptRun, appendEvents, findRun, listLogs, listMetrics, listRuns, type StoredRun } from './run/run-store.ts';
import { toRunId, toRunView, type RunView } from './run/run-view.ts';
import { isEnded } from './run/transitions.ts';
import { readJobFile, type JobFile } from './spec/read-job-file.ts';
import { resolveTarget } from './spec/resolve.ts';
import { toJsonHash } from './spec/run-key.ts';
import { openStore } from './store/open-store.ts';

export interface OrchestratorOptions {
  /** The state folder; absent: the nearest `.orchestrate` at or above `from`, or a new one in it. */
  readonly dir?: string;
  /** The current folder when absent. */
  readonly from?: string;
  readonly providers?: readonly Provider[];
  /** Ends waiting; trainings go on. */
  readonly signal?: AbortSignal;
  /** The clock, for tests. */
  readonly now?: () => Date;
}

export interface SubmitOptions {
  /** The targets to submit; all when absent. */
  readonly targets?: readonly string[] | undefined;
  /** A new run although the same job has been run before. */
  readonly again?: boolean | undefined;
}

/** What the program does, for its commands and for scripts. */
export interface Orchestrator extends AsyncDisposable {
  readonly dir: string;
  load(path: string, overrides?: readonly string[]): Promise<JobFile>;
  /** What each target would be asked; changes nothing. */
  plan(job: JobFile, options?: SubmitOptions): Promise<RunPlan[]>;
  /** Submits each target once; a job that was submitted before is found again. */
  submit(job: JobFile, options?: SubmitOptions): Promise<RunView[]>;
  /** The runs of an address, newest first; all when absent. */
  list(address?: string): Promise<RunView[]>;
  /** Follows runs until all have ended or need a person; tells of every change. Creates nothing. */
  wait(addresses: readonly string[], onChange?: (runs: readonly RunView[]) => void): Promise<RunView[]>;
  metrics(address: string): Promise<Metric[]>;
  logs(address: string): Promise<{ at: string; text: string }[]>;
  /** Asks for a stop; `wait` tells when it has come. */
  cancel(address: string): Promise<RunView[]>;
  /** One comparison for each held-out set of the job that the runs belong to. */
  compare(address: string): Promise<Comparison[]>;
  /** A tuned model's answers. */
  predict(address: string, rows: readonly Omit<ClassificationRow, 'label'>[]): Promise<Prediction[]>;
}

/** The nearest state folder at or above `from`, else where a new one would be. */
function findStateFolder(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.orchestrate'))) return join(folder, '.orchestrate');
    if (folder === dirname(folder)) return join(from, '.orchestrate');
  }
}

/**
 * `await using orchestrator = await createOrchestrator()`.
 * @throws Failure of `openStore`
 */
export async function createOrchestrator(options: OrchestratorOptions = {}): Promise<Orchestrator> {
  const dir = options.dir === undefined ? findStateFolder(resolve(options.from ?? '.')) : resolve(options.dir);
  const store = openStore(dir);
  const signal = options.signal ?? new AbortController().signal;
  const now = options.now ?? (() => new Date());
  const providers = new Map((options.providers ?? knownProviders).map((provider) => [provider.id, provider]));

  const toProvider = (id: string, target: string): Provider => {
    const provider = providers.get(id);
    if (provider !== undefined) return provider;
    throw new Failure(
      'job-file-invalid',
      `targets.${target}: expected a provider that is one of ${[...providers.keys()].join(', ')}, found "${id}"`,
    );
  };
  const context: Context = {
    signal,
    now,
    wait: async (ms) => {
      await sleep(ms, undefined, { signal });
    },
  };
  const toDriver = (mayCreate: boolean): Driver => ({
    store,
    mayCreate,
    provider: ({ record }) => toProvider(record.plan.spec.provider, record.plan.spec.target),
    attempt: ({ key, record }): Attempt => {
      const workDir = join(dir, 'runs', key);
      mkdirSync(workDir, { recursive: true, mode: 0o700 });
      const { facts, spec } = record.plan;
      return { ...context, key, attempt: record.attempt, workDir, facts, readRows: (part) => readPart(dir, { facts, spec }, part) };
    },
  });
  const toView = async (run: StoredRun): Promise<RunView> => toRunView(run, await listMetrics(store, run.key), now());

  /** `job`, `job/target`, `job/target#2`, a run key, or a job file. */
  const findRuns = async (address: string): Promise<StoredRun[]> => {
    const [, job, target, number] = /^([a-z0-9-]{1,32})(?:\/([a-z0-9-]{1,32}))?(?:#(\d+))?$/.exec(address) ?? [];
    const byKey = await findRun(store, address);
    if (byKey !== null) return [byKey];
    if (job === undefined) return await findRunsOfFile(address);
    const found = await listRuns(store, {
      job,
      ...(target === undefined ? {} : { target }),
      ...(number === undefined ? {} : { number: Number(number) }),
    });
    if (found.length > 0) return found;
    throw new Failure('run-not-found', `no run is called "${address}"`, { hint: '`orchestrate status` lists the runs that there are' });
  };
  const findRunsOfFile = async (path: string): Promise<StoredRun[]> => {
    const job = await readJobFile(path);
    return await findRuns(job.spec.name);
  };
  /** The newest run of each target. */
  const findNewest = async (address: string): Promise<StoredRun[]> => {
    const seen = new Set<string>();
    return (await findRuns(address)).filter(({ record }) => {
      const { job, target } = record.plan.spec;
      const isFirst = !seen.has(`${job}/${target}`);
      seen.add(`${job}/${target}`);
      return isFirst;
    });
  };

  const plan = async (job: JobFile, { targets, again }: SubmitOptions = {}): Promise<RunPlan[]> => {
    const specs = (targets ?? Object.keys(job.spec.targets)).map((target) => resolveTarget(job.spec, target, job.folder));
    for (const spec of specs) toProvider(spec.provider, spec.target);
    const facts = await inspectJobData(specs[0]!);
    const plans: RunPlan[] = [];
    for (const spec of specs) {
      const provider = toProvider(spec.provider, spec.target);
      const first = await planRun(spec, provider, { facts, generation: 1 });
      const generation = again === true ? (await findGeneration(first)) + 1 : 1;
      plans.push(generation === 1 ? first : await planRun(spec, provider, { facts, generation }));
    }
    return plans;
  };
  /** How often this very job has been run; 0 for a new one. */
  const findGeneration = async ({ spec, fingerprint }: RunPlan): Promise<number> => {
    const runs = await listRuns(store, { job: spec.job, target: spec.target });
    const same = runs.filter(({ record }) => toJsonHash(record.plan.fingerprint) === toJsonHash(fingerprint));
    return Math.max(0, ...same.map(({ record }) => record.plan.generation));
  };

  /** Drives an accepted run until its job exists, or nothing more can be done. */
  const submitRun = async (accepted: StoredRun): Promise<StoredRun> => {
    const driver = toDriver(true);
    let run = accepted;
    while (['accepted', 'preparing', 'submitting', 'uncertain'].includes(run.record.state)) {
      const next = await advance(driver, run);
      if (run.record.state === 'submitting' && next.record.state === 'preparing') {
        throw new Failure('service-unavailable', `${toRunId(run.record)} could not be sent`, { hint: 'submit it again later' });
      }
      run = next;
    }
    return run;
  };

  const toContender = ({ record }: StoredRun): Contender => {
    const { spec, request } = record.plan;
    const provider = toProvider(spec.provider, spec.target);
    const untrained = provider.baseModel?.(request) ?? null;
    return { name: spec.target, run: toRunId(record), provider, untrained, tuned: record.artifacts[0]!.model };
  };
  /** Of runs with the newest run's held-out rows. */
  const compare = async (runs: readonly StoredRun[]): Promise<Comparison[]> => {
    const finished = runs.filter(({ record }) => record.artifacts.length > 0);
    const [newest] = finished;
    if (newest === undefined)
      throw new Failure('run-not-found', 'no run of these has a tuned model yet', { hint: '`orchestrate wait` waits for it' });
    const { spec, facts } = newest.record.plan;
    const comparisons: Comparison[] = [];
    for (const [set, part] of Object.entries(facts.test)) {
      const alike = finished.filter(({ record }) => record.plan.facts.test[set]?.sha256 === part.sha256);
      const rows = await Array.fromAsync(readPart(dir, { facts, spec }, { test: set }));
      const { labels, majority } = facts;
      const heldOut = { job: spec.job, set, rows, labels, majority, margin: spec.evaluation.margin };
      comparisons.push(await compareModels({ store, context }, heldOut, alike.map(toContender)));
    }
    return comparisons;
  };

  return {
    dir,
    load: readJobFile,
    plan,
    async submit(job, submitOptions = {}) {
      const plans = await plan(job, submitOptions);
      await keepData(dir, plans[0]!.facts);
      const runs: StoredRun[] = [];
      for (const one of plans) runs.push(await submitRun(await acceptRun(store, one, now().toISOString())));
      return await Promise.all(runs.map(toView));
    },
    async list(address) {
      return await Promise.all((address === undefined ? await listRuns(store) : await findRuns(address)).map(toView));
    },
    async wait(addresses, onChange) {
      const driver = toDriver(false);
      let runs = (await Promise.all(addresses.map(findNewest))).flat();
      for (;;) {
        signal.throwIfAborted();
        runs = await Promise.all(runs.map(async (run) => (isEnded(run.record.state) ? run : await advance(driver, run))));
        const views = await Promise.all(runs.map(toView));
        onChange?.(views);
        const open = runs.filter(({ record }) => !isEnded(record.state) && !['accepted', 'preparing', 'attention'].includes(record.state));
        if (open.length === 0) return views;
        const next = Math.min(...open.map(({ look }) => (look?.nextAt == null ? 0 : Date.parse(look.nextAt))));
        await context.wait(Math.max(0, next - now().getTime()));
      }
    },
    async metrics(address) {
      const [run] = await findNewest(address);
      return await listMetrics(store, run!.key);
    },
    async logs(address) {
      const [run] = await findNewest(address);
      return await listLogs(store, run!.key);
    },
    async cancel(address) {
      const cancelled: StoredRun[] = [];
      for (const run of await findNewest(address)) {
        const isOpen = !isEnded(run.record.state) && !run.record.cancelRequested;
        const asked = isOpen ? await appendEvents(store, run, { events: [{ type: 'cancel-requested' }], at: now().toISOString() }) : run;
        cancelled.push(isEnded(asked.record.state) ? asked : await advance(toDriver(false), asked));
      }
      return await Promise.all(cancelled.map(toView));
    },
    async compare(address) {
      return await compare(await findNewest(address));
    },
    async predict(address, rows) {
      const [run] = (await findNewest(address)).filter(({ record }) => record.artifacts.length > 0);
      if (run === undefined)
        throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
      const { spec } = run.record.plan;
      return await answerRows(
        store,
        { provider: toProvider(spec.provider, spec.target), model: run.record.artifacts[0]!.model },
        { rows, context },
      );
    },
    async [Symbol.asyncDispose]() {
      await store.destroy();
    },
  };
}
