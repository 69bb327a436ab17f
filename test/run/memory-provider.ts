import type { DataFacts } from '../../src/dataset/inspect.ts';
import { toFailureData, Failure } from '../../src/errors.ts';
import type { Attempt, Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { SubmitFailure, type Sent } from '../../src/provider/submit-failure.ts';
import type { Status } from '../../src/provider/status.ts';
import type { RunPlan } from '../../src/run/event.ts';
import { acceptRuns } from '../../src/run/accept.ts';
import type { StoredRun } from '../../src/run/run-store.ts';
import type { Driver } from '../../src/run/workspace.ts';
import type { Store } from '../../src/store/open-store.ts';

/** A service in memory that counts what it is asked. */
export interface MemoryService {
  readonly provider: Provider;
  /** The calls in order, and the jobs that exist: each one is paid for. */
  readonly calls: string[];
  readonly jobs: JobRef[];
  /** The next `create` fails so; with `unknown` its job exists all the same unless `lost`. */
  failNext(sent: Sent, lost?: boolean): void;
  status: Status;
}

export function createMemoryService({ fences = true } = {}): MemoryService {
  let next: { sent: Sent; lost: boolean } | null = null;
  const fenced = new Set<string>();
  const addJob = (id: string, attempt: number): JobRef => {
    const job = { provider: 'memory', id, location: 'memory', attempt, createdAt: '2026-01-01T00:00:00.000Z', url: null };
    service.jobs.push(job);
    return job;
  };
  const create = (wire: { upload: string }, attempt: number): JobRef => {
    const planned = next;
    next = null;
    if (planned === null) return addJob(`job-${service.jobs.length + 1}`, attempt);
    if (planned.sent === 'unknown' && !planned.lost && !fenced.has(wire.upload)) addJob(`job-${service.jobs.length + 1}`, attempt);
    throw new SubmitFailure(planned.sent, toFailureData(new Failure('service-unavailable', `planned: ${planned.sent}`)));
  };
  const provider = defineProvider({
    id: 'memory',
    statusMap: { running: 'running', done: 'succeeded' },
    listingDelayMs: 1000,
    onUncertain: 'retry',
    training: {
      ...(fences
        ? {
            async fence(prepared: { upload: string }) {
              service.calls.push(`fence ${prepared.upload}`);
              fenced.add(prepared.upload);
              await Promise.resolve();
            },
          }
        : {}),
      translate: () => ({ request: {}, notes: [] }),
      async prepare(_request: object, context: Attempt) {
        service.calls.push(`prepare ${context.attempt}`);
        return await Promise.resolve({ upload: `upload-${context.attempt}` });
      },
      bind: (_request: object, prepared: { upload: string }) => ({ upload: prepared.upload }),
      async create(wire: { upload: string }, context: Attempt) {
        service.calls.push(`create ${context.attempt}`);
        return await Promise.resolve(wire).then((sent) => create(sent, context.attempt));
      },
      async find() {
        service.calls.push('find');
        return await Promise.resolve([...service.jobs]);
      },
      async observe() {
        service.calls.push('observe');
        return await Promise.resolve({
          status: service.status,
          progress: null,
          metrics: [],
          logs: [],
          artifacts: [],
          checkpoint: null,
          notes: [],
          failure: null,
          startedAt: null,
          finishedAt: null,
          cursor: service.calls.length,
          nextInMs: 10,
        });
      },
      async cancel(job: JobRef) {
        service.calls.push(`cancel ${job.id}`);
        await Promise.resolve();
      },
    },
  });
  const service: MemoryService = {
    provider,
    calls: [],
    jobs: [],
    failNext: (sent, lost = false) => {
      next = { sent, lost };
    },
    status: { phase: 'running', raw: 'running' },
  };
  return service;
}

const part = { sources: [], sha256: 'a'.repeat(64), rows: 2, labels: { no: 1, yes: 1 }, longestCharacters: 3, duplicates: 0 };
const facts: DataFacts = {
  columns: { text: 'text', label: 'label' },
  train: part,
  validation: null,
  test: {},
  labels: ['no', 'yes'],
  majority: 'no',
  warnings: [],
};

/** A plan of the memory service; `name` makes the key. */
export function toMemoryPlan(name = 'a'): RunPlan {
  return {
    key: name.padEnd(32, 'a'),
    generation: 1,
    spec: {
      version: 1,
      workspace: null,
      job: 'job',
      target: name,
      provider: 'memory',
      task: 'classification',
      model: { kind: 'service', name: 'model' },
      data: { train: [], validation: null, test: {}, columns: {} },
      prompt: null,
      training: {},
      requirements: [],
      options: {},
      native: {},
      evaluation: { measure: 'accuracy', margin: 0.02, generation: {}, concurrency: null },
      budget: { usd: null, hours: null },
      onUncertain: null,
      tags: {},
    },
    facts,
    model: { base: 'model', revision: null, maxLength: null },
    fingerprint: {},
    request: {},
    notes: [],
    quote: null,
  };
}

/** A driver of one provider, with the caller's clock; waiting takes no time unless `wait` is given. */
export function createMemoryDriver(
  store: Store,
  provider: Provider,
  { now, wait = async () => await Promise.resolve(), ...rest }: Pick<Context, 'now'> & Partial<Pick<Context, 'wait'> & Driver>,
): Driver {
  const context = { signal: new AbortController().signal, now, wait, setting: () => null, credential: () => null };
  return {
    store,
    dir: '/',
    context,
    provider: () => provider,
    owner: 'worker',
    leaseMs: 60_000,
    mayCreate: true,
    random: () => 0.5,
    ...rest,
  };
}

export async function acceptRun(store: Store, plan: RunPlan, at: string): Promise<StoredRun> {
  return (await acceptRuns(store, [plan], at))[0]!;
}
