import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConformanceResult_, ConformanceTarget } from '../../src/testing/subject.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { createMemoryService, toMemoryPlan, type MemoryService } from '../run/memory-provider.ts';
import { at, createCorrectProvider, endJob, toReport, type MemoryEnvironment } from './correct-provider.ts';

const plan = toMemoryPlan('law');

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

/** The subject of a provider that keeps the law, or that has the fault which `change` plants. */
export function createMemorySubject(
  change: (provider: Provider, fixture: MemoryEnvironment) => Provider = (provider) => provider,
): ConformanceTarget<MemoryEnvironment> {
  const toEnd = (word: string): ConformanceResult_<MemoryEnvironment> => ({
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
      succeeded: toEnd('done'),
      failed: toEnd('broken'),
      cancelled: {
        bring: async ({ provider, toAttempt }, job) =>
          await provider.training.cancel!(job, toAttempt(plan.key, 1, new AbortController().signal)),
      },
      expired: toEnd('late'),
    },
    async say(fixture, job, word) {
      const reports = fixture.reports.get(job.id)!;
      reports.all.push(toReport(word));
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
