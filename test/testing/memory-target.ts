import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import { defineProvider, type Provider, type Training } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Phase } from '../../src/provider/status.ts';
import type { ConformanceEnvironment, ConformanceTarget, JobEnding } from '../../src/testing/index.ts';
import { Failure, toFailureData } from '../../src/errors.ts';
import { createMemoryService, toMemoryPlan, type MemoryService } from '../run/memory-provider.ts';

/** What a job in memory says, one after the other; each wait makes one more of it known. */
export type Report = Pick<Observation<unknown>, 'metrics' | 'logs' | 'artifacts' | 'failure'> & { readonly word: string };

/** Services, one for each run key, and what their jobs say. */
export interface MemoryEnvironment extends ConformanceEnvironment {
  readonly token: string;
  readonly fenced: Set<string>;
  readonly reports: Map<string, { all: Report[]; known: number }>;
  answers: 'yes' | 'never' | 'unreachable';
  serviceOf(key: string): MemoryService;
  allServices(): MemoryService[];
}

export const at = '2026-01-01T00:00:00.000Z';
export const statusMap: Readonly<Record<string, Phase>> = {
  waiting: 'queued',
  held: 'paused',
  running: 'running',
  done: 'succeeded',
  broken: 'failed',
  stopped: 'cancelled',
  late: 'expired',
};

function buildReport(word: string, change: Partial<Report> = {}): Report {
  return { word, metrics: [], logs: [{ at, text: word }], artifacts: [], failure: null, ...change };
}

function buildLoss(step: number): Metric {
  return { name: 'loss', split: 'train', step, epoch: null, value: 1 / step, coverage: 'batch', source: 'loss', at };
}

const model = { kind: 'folder', identity: 'tuned', path: '/tuned', labels: ['no', 'yes'], seed: 1, maxLength: 24 } as const;
const lastReports: Readonly<Record<string, Report>> = {
  done: buildReport('done', { artifacts: [{ kind: 'folder', uri: 'file:///tuned', sha256: null, model }] }),
  broken: buildReport('broken', { failure: toFailureData(new Failure('training-diverged', 'the loss is not finite')) }),
  stopped: buildReport('stopped'),
  late: buildReport('late'),
};

/** A provider that keeps its promises; `change` plants a fault in it. */
function createCorrectProvider(fixture: MemoryEnvironment, change: (provider: Provider, fixture: MemoryEnvironment) => Provider): Provider {
  const correct = defineProvider({
    ...createMemoryService().provider,
    statusMap,
    training: {
      ...createMemoryService().provider.training,
      translate,
      async prepare(request: MemoryRequest, context: Attempt) {
        await reach(fixture, context);
        return (await fixture.serviceOf(context.key).provider.training.prepare(request, context)) as { upload: string };
      },
      bind: (request: MemoryRequest, prepared: { upload: string }, key: string) => ({ ...request, ...prepared, key }),
      async create(wire: object, context: Attempt) {
        await reach(fixture, context);
        if (fixture.fenced.has(`${context.key} ${context.attempt}`)) {
          throw new SubmitFailure('refused', new Failure('service-unavailable', 'the upload is gone'));
        }
        const job = await fixture.serviceOf(context.key).provider.training.create(wire, context);
        const running = [
          buildReport('running', { metrics: [buildLoss(1)] }),
          buildReport('running', { metrics: [buildLoss(2), buildLoss(3)] }),
        ];
        fixture.reports.set(job.id, { all: [buildReport('waiting'), ...running], known: 1 });
        return job;
      },
      async find(_request: MemoryRequest, _prepared: readonly { upload: string }[], context: Attempt) {
        await reach(fixture, context);
        return [...fixture.serviceOf(context.key).jobs];
      },
      async fence(_prepared: { upload: string }, context: Attempt) {
        await Promise.resolve(fixture.fenced.add(`${context.key} ${context.attempt}`));
      },
      async observe(job: JobRef, cursor: { seen: number } | null, context: Attempt) {
        await reach(fixture, context);
        const { all, known } = fixture.reports.get(job.id)!;
        const news = all.slice(cursor?.seen ?? 0, known);
        const raw = all[known - 1]!.word;
        return {
          status: { phase: Object.hasOwn(statusMap, raw) ? statusMap[raw]! : ('unknown' as const), raw },
          progress: null,
          metrics: news.flatMap((report) => report.metrics),
          logs: news.flatMap((report) => report.logs),
          artifacts: news.flatMap((report) => report.artifacts),
          checkpoint: null,
          notes: [],
          failure: news.findLast((report) => report.failure !== null)?.failure ?? null,
          startedAt: null,
          finishedAt: null,
          cursor: { seen: known },
          nextInMs: 10,
        };
      },
      async cancel(job: JobRef) {
        await Promise.resolve(endJob(fixture, job, 'stopped'));
      },
      async pause(job: JobRef) {
        const { all } = fixture.reports.get(job.id)!;
        await Promise.resolve(isEnded(all) || all.push(buildReport('held')));
      },
      async resume(job: JobRef) {
        const { all } = fixture.reports.get(job.id)!;
        if (all.at(-1)!.word === 'held') all.push(buildReport('running'));
        return await Promise.resolve(job);
      },
    },
  });
  return change(correct, fixture);
}

/** Waits for the service, as a request does. */
async function reach(fixture: MemoryEnvironment, { signal }: Attempt): Promise<void> {
  await Promise.resolve();
  signal.throwIfAborted();
  if (fixture.answers === 'unreachable') throw new Failure('service-unavailable', 'the service does not answer');
  if (fixture.answers === 'yes') return;
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(new Failure('interrupted', 'aborted')));
  await promise;
}

export function endJob(fixture: MemoryEnvironment, job: JobRef, word: string): void {
  const { all } = fixture.reports.get(job.id)!;
  if (!isEnded(all)) all.push(lastReports[word]!);
}

function isEnded(reports: readonly Report[]): boolean {
  return reports.at(-1)!.word in lastReports;
}

interface MemoryRequest {
  readonly labels: readonly string[];
  readonly [field: string]: unknown;
}

const longest = 24;

const translate: Training<MemoryRequest>['translate'] = ({ spec, facts }) => {
  const [strange] = Object.keys(spec.options).filter((option) => option !== 'priority');
  if (strange !== undefined) throw new Failure('job-file-invalid', `expected the option "priority", found "${strange}"`);
  const { learningRate, seed, maxLength, ...rest } = structuredClone(spec.training);
  const notes: Note[] = [];
  const request: Record<string, unknown> = {};
  const send = (group: string, fields: object): void => {
    for (const [field, value] of Object.entries(structuredClone(fields))) {
      if (value === undefined) continue;
      request[field] = value;
      notes.push({ type: 'sent', field: `${group}.${field}`, value });
    }
  };
  send('training', { learningRate, seed, ...(maxLength !== undefined && maxLength <= longest ? { maxLength } : {}) });
  send('options', spec.options);
  send('native', spec.native);
  if (maxLength !== undefined && maxLength > longest) {
    request['maxLength'] = longest;
    notes.push({ type: 'converted', field: 'training.maxLength', from: maxLength, value: longest, why: 'it reads no more' });
  }
  const refused = Object.entries(rest).map(([field, value]): [string, unknown] => [`training.${field}`, value]);
  if (spec.prompt !== null) refused.push(['prompt', { ...spec.prompt }]);
  for (const [field, value] of refused) notes.push({ type: 'unsupported', field, value, why: 'it has no such setting' });
  return { request: { labels: [...facts.labels], ...request }, notes };
};

const plan = toMemoryPlan('test');

function createFixture(change: (provider: Provider, fixture: MemoryEnvironment) => Provider, folder: string): MemoryEnvironment {
  const services = new Map<string, MemoryService>();
  const state: Omit<MemoryEnvironment, 'provider'> = {
    token: 'token-of-the-memory-service',
    fenced: new Set(),
    reports: new Map(),
    answers: 'yes',
    allServices: () => [...services.values()],
    serviceOf(key) {
      const service = services.get(key) ?? createMemoryService();
      services.set(key, service);
      return service;
    },
    close: async () => await Promise.resolve(rmSync(folder, { recursive: true })),
    toAttempt: (key, attempt, signal) => ({
      signal,
      now: () => new Date(at),
      async wait() {
        await Promise.resolve();
        for (const job of state.reports.values()) job.known = Math.min(job.known + 1, job.all.length);
      },
      setting: () => null,
      credential: () => null,
      key,
      attempt,
      workDir: folder,
      facts: plan.facts,
      async *readRows() {
        yield* await Promise.resolve([{ text: 'a row that stays at home', label: 'no' }]);
      },
    }),
  };
  const fixture = state as MemoryEnvironment;
  return Object.assign(fixture, { provider: createCorrectProvider(fixture, change) });
}

const base = {
  spec: { ...plan.spec, training: { learningRate: 1e-3, seed: 3 }, options: { priority: 1 } },
  facts: plan.facts,
  model: plan.model,
  key: plan.key,
};

/** The target for a provider that keeps its promises, or that has the fault which `change` plants. */
export function createMemoryTarget(
  change: (provider: Provider, fixture: MemoryEnvironment) => Provider = (provider) => provider,
): ConformanceTarget<MemoryEnvironment> {
  const endWith = (word: string): JobEnding<MemoryEnvironment> => ({
    bring: async (fixture, job) => await Promise.resolve(endJob(fixture, job, word)),
  });
  const fail = (call: (fixture: MemoryEnvironment, context: Attempt) => Promise<unknown>) => async (fixture: MemoryEnvironment) => {
    fixture.answers = 'unreachable';
    return await call(fixture, fixture.toAttempt(plan.key, 1, new AbortController().signal));
  };
  return {
    provider: createFixture(change, '').provider,
    inputs: {
      base,
      different: {
        'another seed': { ...base, spec: { ...base.spec, training: { ...base.spec.training, seed: 4 } } },
        'other labels': { ...base, facts: { ...base.facts, labels: ['good', 'bad'] } },
        'more of everything': {
          ...base,
          spec: { ...base.spec, native: { raw: 1 }, prompt: { system: 'x' }, training: { seed: 5, batchSize: 2 }, requirements: ['seed'] },
        },
      },
      same: { 'other tags': { ...base, spec: { ...base.spec, tags: { team: 'search' } } } },
    },
    createEnvironment: async () => await Promise.resolve(createFixture(change, mkdtempSync(join(tmpdir(), 'orchestrate-')))),
    ends: {
      succeeded: endWith('done'),
      failed: endWith('broken'),
      cancelled: {
        bring: async ({ provider, toAttempt }, job) =>
          await provider.training.cancel!(job, toAttempt(plan.key, 1, new AbortController().signal)),
      },
      expired: endWith('late'),
    },
    async say(fixture, job, word) {
      const reports = fixture.reports.get(job.id)!;
      reports.all.push(buildReport(word));
      await Promise.resolve((reports.known = reports.all.length));
    },
    async stall(fixture) {
      await Promise.resolve((fixture.answers = 'never'));
    },
    failing: {
      'prepare without the service': fail(async ({ provider }, context) => await provider.training.prepare({}, context)),
      'create without the service': fail(async ({ provider }, context) => await provider.training.create({}, context)),
      'find without the service': fail(async ({ provider }, context) => await provider.training.find({}, [], context)),
    },
    snapshot: async (fixture) =>
      await Promise.resolve({ jobs: fixture.allServices().map(({ jobs }) => [...jobs]), reports: structuredClone([...fixture.reports]) }),
    secrets: ['token-of-the-memory-service'],
  };
}
