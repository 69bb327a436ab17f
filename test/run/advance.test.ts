import { expect, onTestFinished, test } from 'vitest';
import type { Attempt } from '../../src/contract/provider.ts';
import { advance, type Driver } from '../../src/run/advance.ts';
import { acceptRun, appendEvents, findRun, listRuns, StaleRun, type StoredRun } from '../../src/run/run-store.ts';
import { isEnded } from '../../src/run/transitions.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { createMemoryService, toMemoryPlan, type MemoryService } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';

interface World {
  readonly store: Store;
  readonly service: MemoryService;
  readonly waits: number[];
  readonly submitter: Driver;
  readonly waiter: Driver;
}

function createWorld(service = createMemoryService()): World {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const waits: number[] = [];
  const attempt = (run: StoredRun): Attempt => ({
    signal: new AbortController().signal,
    now: () => new Date(at),
    wait: async (ms) => {
      await Promise.resolve(waits.push(ms));
    },
    key: run.key,
    attempt: run.record.attempt,
    workDir: '/',
    facts: run.record.plan.facts,
    readRows: () => {
      throw new Error('this service reads no rows');
    },
  });
  const toDriver = (mayCreate: boolean): Driver => ({ store, mayCreate, provider: () => service.provider, attempt });
  return { store, service, waits, submitter: toDriver(true), waiter: toDriver(false) };
}

/** Advances until the run stands still in what a submission can do. */
async function submit({ submitter }: World, run: StoredRun): Promise<StoredRun> {
  for (let steps = 0; steps < 20; steps++) {
    if (!['accepted', 'preparing', 'submitting', 'uncertain'].includes(run.record.state)) return run;
    run = await advance(submitter, run);
  }
  throw new Error(`the submission does not come to an end: ${run.record.state}`);
}

test('a run is looked for, prepared, intended, created once, and followed to its end', async () => {
  const world = createWorld();
  let run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record.state).toBe('submitted');
  run = await advance(world.waiter, run);
  expect(run.record).toMatchObject({ state: 'running', raw: 'running' });
  world.service.status = { phase: 'succeeded', raw: 'done' };
  run = await advance(world.waiter, run);
  expect(isEnded(run.record.state)).toBe(true);
  expect(await advance(world.waiter, run)).toBe(run);
  expect(world.service.calls).toEqual(['find', 'prepare 1', 'create 1', 'observe', 'observe']);
  const events = await world.store.selectFrom('event').select('type').orderBy('seq').execute();
  expect(events.map(({ type }) => type)).toEqual([
    'run-accepted',
    'submission-prepared',
    'submission-intended',
    'job-submitted',
    'status-changed',
    'status-changed',
  ]);
});

test('the row is the fold of its events', async () => {
  const world = createWorld();
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(await findRun(world.store, run.key)).toEqual(run);
});

test('the intent is on the disk before the paid call', async () => {
  const world = createWorld();
  let stored: string | undefined;
  const provider = {
    ...world.service.provider,
    create: async () => {
      stored = (await listRuns(world.store))[0]?.record.state;
      return await Promise.resolve({ provider: 'memory', id: 'x', place: '', attempt: 1, createdAt: at, url: null });
    },
  };
  const run = await acceptRun(world.store, toMemoryPlan(), at);
  await submit({ ...world, submitter: { ...world.submitter, provider: () => provider } }, run);
  expect(stored).toBe('submitting');
});

test('only a submission creates: a wait leaves an unfinished one as it is', async () => {
  const world = createWorld();
  const run = await acceptRun(world.store, toMemoryPlan(), at);
  expect(await advance(world.waiter, run)).toBe(run);
  expect(world.service.calls).toEqual([]);
});

test('the same plan is one run, another plan of the same target is the next number', async () => {
  const { store } = createWorld();
  const first = await acceptRun(store, toMemoryPlan(), at);
  expect(await acceptRun(store, toMemoryPlan(), at)).toEqual(first);
  const changed = { ...toMemoryPlan(), key: 'b'.repeat(32) };
  expect((await acceptRun(store, changed, at)).record.number).toBe(2);
});

test('a job that exists already is adopted when the state was lost', async () => {
  const world = createWorld();
  await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  const later = createWorld(world.service);
  const run = await submit(later, await acceptRun(later.store, toMemoryPlan(), at));
  expect(run.record.job?.id).toBe('job-1');
  expect(world.service.jobs).toHaveLength(1);
});

test('a lost answer is settled by looking: the job is adopted, not paid for again', async () => {
  const world = createWorld();
  world.service.failNext('unknown');
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'submitted', job: { id: 'job-1' } });
  expect(world.service.jobs).toHaveLength(1);
});

test('a lost request is proved absent, fenced, and sent as the next attempt', async () => {
  const world = createWorld();
  world.service.failNext('unknown', true);
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'submitted', attempt: 2, job: { attempt: 2 } });
  expect(world.service.calls).toEqual(['find', 'prepare 1', 'create 1', 'find', 'find', 'fence upload-1', 'find', 'prepare 2', 'create 2']);
  expect(world.waits).toEqual([1000]);
});

test('without a fence nothing is paid for on a guess: a person decides', async () => {
  const world = createWorld(createMemoryService({ fences: false }));
  world.service.failNext('unknown', true);
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'attention', failure: { code: 'needs-decision' } });
  expect(world.service.jobs).toHaveLength(0);
});

test('a process that died after its intent leaves a run that is settled, not sent again', async () => {
  const world = createWorld();
  let run = await acceptRun(world.store, toMemoryPlan(), at);
  run = await advance(world.submitter, run);
  run = await appendEvents(world.store, run, { events: [{ type: 'submission-intended', attempt: 1, wire: {}, hash: '' }], at });
  world.service.jobs.push({ provider: 'memory', id: 'theirs', place: '', attempt: 1, createdAt: at, url: null });
  run = await submit(world, run);
  expect(run.record.job?.id).toBe('theirs');
  expect(world.service.calls).not.toContain('create 1');
});

test('a definite refusal ends the run with the service’s reason', async () => {
  const world = createWorld();
  world.service.failNext('refused');
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'rejected', failure: { message: 'planned: refused' } });
});

test('what was surely not sent may be sent again', async () => {
  const world = createWorld();
  world.service.failNext('no');
  const run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  expect(run.record.state).toBe('submitted');
  expect(world.service.calls).toEqual(['find', 'prepare 1', 'create 1', 'create 1']);
});

test('a run that was cancelled before it was sent is never sent', async () => {
  const world = createWorld();
  let run = await acceptRun(world.store, toMemoryPlan(), at);
  run = await appendEvents(world.store, run, { events: [{ type: 'cancel-requested' }], at });
  run = await advance(world.submitter, run);
  expect(run.record.state).toBe('cancelled');
  expect(world.service.calls).toEqual([]);
});

test('a cancelled job is asked to stop and counts as cancelled only when the service says so', async () => {
  const world = createWorld();
  let run = await submit(world, await acceptRun(world.store, toMemoryPlan(), at));
  run = await appendEvents(world.store, run, { events: [{ type: 'cancel-requested' }], at });
  run = await advance(world.waiter, run);
  expect(run.record.state).toBe('running');
  expect(world.service.calls).toContain('cancel job-1');
  world.service.status = { phase: 'succeeded', raw: 'done' };
  expect((await advance(world.waiter, run)).record.state).toBe('succeeded');
});

test('a writer that did not see the last event is refused, and advance takes what was stored', async () => {
  const world = createWorld();
  const old = await acceptRun(world.store, toMemoryPlan(), at);
  const current = await appendEvents(world.store, old, { events: [{ type: 'cancel-requested' }], at });
  await expect(appendEvents(world.store, old, { events: [{ type: 'cancel-requested' }], at })).rejects.toThrow(StaleRun);
  expect(await advance(world.submitter, old)).toEqual(current);
});
