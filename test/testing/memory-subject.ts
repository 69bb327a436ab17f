import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LawEnd, LawSubject } from '../../src/testing/subject.ts';
import type { Attempt } from '../../src/provider/context.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { createMemoryService, toMemoryPlan, type MemoryService } from '../run/memory-provider.ts';
import { at, createLawfulProvider, endJob, toReport, type MemoryWorld } from './correct-provider.ts';

const plan = toMemoryPlan('law');

function createWorld(change: (provider: Provider, world: MemoryWorld) => Provider, folder: string): MemoryWorld {
  const services = new Map<string, MemoryService>();
  const state: Omit<MemoryWorld, 'provider'> = {
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
  const world = state as MemoryWorld;
  return Object.assign(world, { provider: createLawfulProvider(world, change) });
}

const base = {
  spec: { ...plan.spec, training: { learningRate: 1e-3, seed: 3 }, options: { priority: 1 } },
  facts: plan.facts,
  model: plan.model,
  key: plan.key,
};

/** The subject of a provider that keeps the law, or that has the fault which `change` plants. */
export function createMemorySubject(
  change: (provider: Provider, world: MemoryWorld) => Provider = (provider) => provider,
): LawSubject<MemoryWorld> {
  const toEnd = (word: string): LawEnd<MemoryWorld> => ({
    bring: async (world, job) => await Promise.resolve(endJob(world, job, word)),
  });
  const fail = (call: (world: MemoryWorld, c: Attempt) => Promise<unknown>) => async (world: MemoryWorld) => {
    world.answers = 'unreachable';
    return await call(world, world.toAttempt(plan.key, 1, new AbortController().signal));
  };
  return {
    provider: createWorld(change, '').provider,
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
    createWorld: async () => await Promise.resolve(createWorld(change, mkdtempSync(join(tmpdir(), 'orchestrate-')))),
    ends: {
      succeeded: toEnd('done'),
      failed: toEnd('broken'),
      cancelled: {
        bring: async ({ provider, toAttempt }, job) => await provider.cancel!(job, toAttempt(plan.key, 1, new AbortController().signal)),
      },
      expired: toEnd('late'),
    },
    async say(world, job, word) {
      const reports = world.reports.get(job.id)!;
      reports.all.push(toReport(word));
      await Promise.resolve((reports.known = reports.all.length));
    },
    async stall(world) {
      await Promise.resolve((world.answers = 'never'));
    },
    failing: {
      'prepare without the service': fail(async ({ provider }, c) => await provider.prepare({}, c)),
      'create without the service': fail(async ({ provider }, c) => await provider.create({}, c)),
      'find without the service': fail(async ({ provider }, c) => await provider.find({}, [], c)),
    },
    snapshot: async (world) =>
      await Promise.resolve({ jobs: world.allServices().map(({ jobs }) => [...jobs]), reports: structuredClone([...world.reports]) }),
    secrets: ['token-of-the-memory-service'],
  };
}
