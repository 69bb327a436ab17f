import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import { defineProvider, type Provider, type Training } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Phase } from '../../src/provider/status.ts';
import type { ConformanceEnvironment } from '../../src/testing/subject.ts';
import { Failure, toFailureData } from '../../src/errors.ts';
import { createMemoryService, type MemoryService } from '../run/memory-provider.ts';

/** What a job in memory says, one after the other; each wait makes one more of it known. */
export type Report = Pick<Observation<unknown>, 'metrics' | 'logs' | 'artifacts' | 'failure'> & { readonly word: string };

/** The services of one world, one a run key, and what their jobs say. */
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

export function toReport(word: string, change: Partial<Report> = {}): Report {
  return { word, metrics: [], logs: [{ at, text: word }], artifacts: [], failure: null, ...change };
}

function toLoss(step: number): Metric {
  return { name: 'loss', split: 'train', step, epoch: null, value: 1 / step, coverage: 'batch', source: 'loss', at };
}

const model = { kind: 'folder', identity: 'tuned', path: '/tuned', labels: ['no', 'yes'], seed: 1, maxLength: 24 } as const;
const lastReports: Readonly<Record<string, Report>> = {
  done: toReport('done', { artifacts: [{ kind: 'folder', uri: 'file:///tuned', sha256: null, model }] }),
  broken: toReport('broken', { failure: toFailureData(new Failure('training-diverged', 'the loss is not finite')) }),
  stopped: toReport('stopped'),
  late: toReport('late'),
};

/** A provider of `world` that keeps the law; `change` plants a fault in it. */
export function createCorrectProvider(
  fixture: MemoryEnvironment,
  change: (provider: Provider, fixture: MemoryEnvironment) => Provider,
): Provider {
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
        const running = [toReport('running', { metrics: [toLoss(1)] }), toReport('running', { metrics: [toLoss(2), toLoss(3)] })];
        fixture.reports.set(job.id, { all: [toReport('waiting'), ...running], known: 1 });
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
        await Promise.resolve(isEnded(all) || all.push(toReport('held')));
      },
      async resume(job: JobRef) {
        const { all } = fixture.reports.get(job.id)!;
        if (all.at(-1)!.word === 'held') all.push(toReport('running'));
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
