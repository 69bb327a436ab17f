import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import { defineProvider, type Provider } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure } from '../../src/errors.ts';

/** How a create goes wrong in the model; `late` commits so many ms after the answer was given up. */
export type CreateFault = 'ok' | 'lost' | 'answer-lost' | 'limited' | 'not-sent' | { readonly lateMs: number };

export const listingDelayMs = 1000;
const timeoutMs = 100;
const requestMs = 5;

interface Job {
  readonly id: string;
  readonly key: string;
  readonly upload: string;
  readonly attempt: number;
  /** True time, in ms. */
  readonly createdMs: number;
  readonly listedMs: number;
  status: 'running' | 'succeeded' | 'cancelled';
}

/** A service on a clock of its own, which no one can set: what is asked, when it happens, and what is paid for. */
export interface ModelService {
  readonly provider: Provider;
  readonly jobs: readonly Job[];
  /** True time, in ms; wall clocks differ from it. */
  nowMs(): number;
  /** Lets time pass; what is late arrives. */
  pass(ms: number): void;
  /** What becomes of the next create, and after how many ms its job is listed. */
  plan(fault: CreateFault, listLagMs: number): void;
  failNextRead(): void;
  finishJobs(): void;
  isQuiet(): boolean;
}

/** @param boundary is passed before and after every request */
export function createModelService(boundary: (name: string) => Promise<void>): ModelService {
  let now = 1_000_000;
  let next: { fault: CreateFault; listLagMs: number } = { fault: 'ok', listLagMs: 0 };
  let isReadFailing = false;
  let uploads = 0;
  const valid = new Set<string>();
  const jobs: Job[] = [];
  let late: { atMs: number; commit(): unknown }[] = [];

  const pass = (ms: number): void => {
    const until = now + ms;
    for (const one of late.filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)) {
      now = Math.max(now, one.atMs);
      one.commit();
    }
    late = late.filter(({ atMs }) => atMs > until);
    now = until;
  };
  const commit = (wire: Wire, context: Attempt, listLagMs: number): Job => {
    if (!valid.has(wire.upload)) throw new SubmitFailure('refused', new Failure('service-unavailable', `no upload ${wire.upload}`));
    const { key, attempt } = context;
    const id = `job-${jobs.length + 1}`;
    const job: Job = { id, key, attempt, upload: wire.upload, createdMs: now, listedMs: now + listLagMs, status: 'running' };
    jobs.push(job);
    return job;
  };
  const request = async <T>(name: string, act: () => T): Promise<T> => {
    await boundary(`before ${name}`);
    pass(requestMs);
    let result: () => T;
    try {
      const value = act();
      result = () => value;
    } catch (error) {
      result = () => {
        throw error;
      };
    }
    await boundary(`after ${name}`);
    return result();
  };
  const read = async <T>(name: string, act: () => T): Promise<T> =>
    await request(name, () => {
      const isFailing = isReadFailing;
      isReadFailing = false;
      if (isFailing) throw new Failure('service-unavailable', `${name}: planned`);
      return act();
    });
  const toJobRef = ({ id, attempt, createdMs }: Job): JobRef => {
    return { provider: 'memory', id, location: '', attempt, createdAt: new Date(createdMs).toISOString(), url: null };
  };

  const provider = defineProvider({
    id: 'memory',
    statusMap: {},
    listingDelayMs,
    training: {
      translate: () => ({ request: {}, notes: [] }),
      prepare: async (): Promise<{ upload: string }> =>
        await read('upload', () => {
          const upload = `upload-${++uploads}`;
          valid.add(upload);
          return { upload };
        }),
      bind: (_request: object, { upload }: { upload: string }): Wire => ({ upload }),
      create: async (wire: Wire, context: Attempt) =>
        await request('create', () => {
          const { fault, listLagMs } = next;
          next = { fault: 'ok', listLagMs: 0 };
          const failure = new Failure('service-unavailable', 'planned');
          if (fault === 'ok') return toJobRef(commit(wire, context, listLagMs));
          if (fault === 'not-sent') throw new SubmitFailure('no', failure);
          if (fault === 'limited') throw new SubmitFailure('limited', failure);
          if (fault === 'answer-lost') commit(wire, context, listLagMs);
          if (typeof fault === 'object') {
            const attempt = { ...context };
            late.push({
              atMs: now + timeoutMs + fault.lateMs,
              commit: () => {
                if (valid.has(wire.upload)) commit(wire, attempt, listLagMs);
              },
            });
          }
          pass(timeoutMs);
          throw new SubmitFailure('unknown', failure);
        }),
      find: async (_request: object, _prepared: readonly unknown[], context: Attempt) =>
        await read('list', () => jobs.filter(({ key, listedMs }) => key === context.key && listedMs <= now).map(toJobRef)),
      fence: async ({ upload }: { upload: string }) => {
        await read('fence', () => valid.delete(upload));
      },
      observe: async ({ id }: JobRef): Promise<Observation<null>> =>
        await read('look', () => {
          const { status } = jobs.find((job) => job.id === id)!;
          const empty = { progress: null, metrics: [], logs: [], artifacts: [], checkpoint: null, notes: [], failure: null };
          const cost = status === 'succeeded' ? { usd: 0.75, source: 'model' } : null;
          return { ...empty, cost, status: { phase: status, raw: status }, startedAt: null, finishedAt: null, cursor: null, nextInMs: 10 };
        }),
      cancel: async ({ id }: JobRef) =>
        await read('cancel', () => {
          const job = jobs.find((one) => one.id === id)!;
          if (job.status === 'running') job.status = 'cancelled';
        }),
    },
  });
  return {
    provider,
    jobs,
    nowMs: () => now,
    pass,
    plan: (fault, listLagMs) => void (next = { fault, listLagMs }),
    failNextRead: () => void (isReadFailing = true),
    finishJobs: () => jobs.filter(({ status }) => status === 'running').forEach((job) => (job.status = 'succeeded')),
    isQuiet: () => late.length === 0,
  };
}

interface Wire {
  readonly upload: string;
}
