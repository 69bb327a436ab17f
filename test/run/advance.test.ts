import { expect, onTestFinished, test, vi } from 'vitest';
import type { ActualCost } from '../../src/provider/job.ts';
import { adoptByKey } from '../../src/run/adopt.ts';
import { readSpending } from '../../src/run/budget.ts';
import { advance } from '../../src/run/advance.ts';
import type { Driver } from '../../src/run/workspace.ts';
import { resolveRun } from '../../src/run/controls.ts';
import { takeLease } from '../../src/run/lease.ts';
import { appendEvents, findRun, listRuns, LostLease, type StoredRun } from '../../src/run/run-store.ts';
import { driveSubmissions, followRuns } from '../../src/run/drive.ts';
import { isEnded } from '../../src/run/transitions.ts';
import { Failure, toFailureData } from '../../src/errors.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan, type MemoryService } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';
let workers = 0;

interface Fixture {
  readonly store: Store;
  readonly service: MemoryService;
  readonly waits: number[];
  readonly submitter: Driver;
  readonly waiter: Driver;
}

function createFixture(service = createMemoryService()): Fixture {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const waits: number[] = [];
  const now = (): Date => new Date(Date.parse(at) + waits.reduce((sum, ms) => sum + ms, 0));
  const wait = async (ms: number): Promise<void> => {
    await Promise.resolve(waits.push(ms));
  };
  const toDriver = (mayCreate: boolean): Driver =>
    createMemoryDriver(store, service.provider, { now, wait, mayCreate, owner: `worker-${++workers}` });
  return { store, service, waits, submitter: toDriver(true), waiter: toDriver(false) };
}

/** Advances until the run stands still in what a submission can do. */
async function submit({ submitter }: Fixture, run: StoredRun): Promise<StoredRun> {
  for (let steps = 0; steps < 20; steps++) {
    if (!['accepted', 'preparing', 'submitting', 'uncertain'].includes(run.record.state)) return run;
    run = await advance(submitter, run);
  }
  throw new Error(`the submission does not come to an end: ${run.record.state}`);
}

test('a run is searched for, prepared, intended, created once, and followed to its end', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record.state).toBe('submitted');
  run = await advance(fixture.waiter, run);
  expect(run.record).toMatchObject({ state: 'running', raw: 'running' });
  fixture.service.status = { phase: 'succeeded', raw: 'done' };
  fixture.waits.push(10);
  run = await advance(fixture.waiter, run);
  expect(isEnded(run.record.state)).toBe(true);
  expect(await advance(fixture.waiter, run)).toBe(run);
  expect(fixture.service.calls).toEqual(['find', 'prepare 1', 'find', 'create 1', 'observe', 'observe']);
  const events = await fixture.store.selectFrom('event').select('type').orderBy('seq').execute();
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
  const fixture = createFixture();
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(await findRun(fixture.store, run.key)).toEqual(run);
});

test('the intent is on the disk before the paid call', async () => {
  const fixture = createFixture();
  let stored: string | undefined;
  const provider = {
    ...fixture.service.provider,
    training: {
      ...fixture.service.provider.training,
      create: async () => {
        stored = (await listRuns(fixture.store))[0]?.record.state;
        return await Promise.resolve({ provider: 'memory', id: 'x', location: '', attempt: 1, createdAt: at, url: null });
      },
    },
  };
  const run = await acceptRun(fixture.store, toMemoryPlan(), at);
  await submit({ ...fixture, submitter: { ...fixture.submitter, provider: () => provider } }, run);
  expect(stored).toBe('submitting');
});

test('only a submission creates: a wait leaves an unfinished one as it is', async () => {
  const fixture = createFixture();
  const run = await acceptRun(fixture.store, toMemoryPlan(), at);
  expect(await advance(fixture.waiter, run)).toEqual(run);
  expect(fixture.service.calls).toEqual([]);
});

test('the same plan is one run, another plan of the same target is the next number', async () => {
  const { store } = createFixture();
  const first = await acceptRun(store, toMemoryPlan(), at);
  expect(await acceptRun(store, toMemoryPlan(), at)).toEqual(first);
  const changed = { ...toMemoryPlan(), key: 'b'.repeat(32) };
  expect((await acceptRun(store, changed, at)).record.number).toBe(2);
});

test('a job that exists already is adopted when the state was lost', async () => {
  const fixture = createFixture();
  await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  const later = createFixture(fixture.service);
  const run = await submit(later, await acceptRun(later.store, toMemoryPlan(), at));
  expect(run.record.job?.id).toBe('job-1');
  expect(fixture.service.jobs).toHaveLength(1);
});

test('after a lost answer the job is searched for and adopted, not paid for again', async () => {
  const fixture = createFixture();
  fixture.service.failNext('unknown');
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'submitted', job: { id: 'job-1' } });
  expect(fixture.service.jobs).toHaveLength(1);
});

test('a lost request is proved absent, fenced, and sent as the next attempt', async () => {
  const fixture = createFixture();
  fixture.service.failNext('unknown', true);
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'submitted', attempt: 2, job: { attempt: 2 } });
  expect(fixture.service.calls).toEqual([
    'find',
    'prepare 1',
    'find',
    'create 1',
    'find',
    'find',
    'fence upload-1',
    'find',
    'find',
    'prepare 2',
    'find',
    'create 2',
  ]);
  expect(fixture.waits).toEqual([1000, 1000, 100]);
});

test('without a fence nothing is sent again: a person decides', async () => {
  const fixture = createFixture(createMemoryService({ fences: false }));
  fixture.service.failNext('unknown', true);
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'attention', failure: { code: 'needs-decision' } });
  expect(fixture.service.jobs).toHaveLength(0);
});

test('a run whose process died after the intent is reconciled, not sent again', async () => {
  const fixture = createFixture();
  let run = await acceptRun(fixture.store, toMemoryPlan(), at);
  run = await advance(fixture.submitter, run);
  run = await appendEvents(fixture.store, run.key, {
    events: [{ type: 'submission-intended', attempt: 1, wire: {}, hash: '' }],
    at,
    fence: null,
  });
  fixture.service.jobs.push({ provider: 'memory', id: 'theirs', location: '', attempt: 1, createdAt: at, url: null });
  run = await submit(fixture, run);
  expect(run.record.job?.id).toBe('theirs');
  expect(fixture.service.calls).not.toContain('create 1');
});

test('a definite refusal ends the run with the service’s reason', async () => {
  const fixture = createFixture();
  fixture.service.failNext('refused');
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record).toMatchObject({ state: 'rejected', failure: { message: 'planned: refused' } });
});

test.each([null, new Failure('service-unreachable', 'no route')])(
  'prepared data is deleted once after a definite refusal; a failure to do so is a note and hides no refusal (%s)',
  async (trouble) => {
    const fixture = createFixture();
    const discarded: unknown[] = [];
    const discard = async (prepared: unknown): Promise<void> => {
      discarded.push(prepared);
      if (trouble !== null) throw trouble;
      await Promise.resolve();
    };
    const provider = { ...fixture.service.provider, training: { ...fixture.service.provider.training, discard } };
    fixture.service.failNext('refused');
    const accepted = await acceptRun(fixture.store, toMemoryPlan(), at);
    const run = await submit({ ...fixture, submitter: { ...fixture.submitter, provider: () => provider } }, accepted);
    expect(discarded).toEqual([{ upload: 'upload-1' }]);
    expect(run.record).toMatchObject({ state: 'rejected', failure: { message: 'planned: refused' } });
    const message = 'prepared data could not be deleted at the service: no route';
    expect(run.record.notes).toEqual(trouble === null ? [] : [{ type: 'warning', message }]);
    expect(await findRun(fixture.store, run.key)).toEqual(run);
  },
);

test('prepared data is kept if the answer is unknown or the job was made', async () => {
  for (const fault of ['unknown', 'no', null] as const) {
    const fixture = createFixture();
    if (fault !== null) fixture.service.failNext(fault, true);
    const discard = async (): Promise<void> => await Promise.reject(new Error('must not be called'));
    const provider = { ...fixture.service.provider, training: { ...fixture.service.provider.training, discard } };
    const run = await acceptRun(fixture.store, toMemoryPlan(), at);
    const submitted = await submit({ ...fixture, submitter: { ...fixture.submitter, provider: () => provider } }, run);
    expect(submitted.record).toMatchObject({ state: 'submitted', notes: [] });
  }
});

test('the cost of the job is an event when it appears and when it changes', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  let cost: ActualCost | null = null;
  const { provider } = fixture.service;
  const observe: typeof provider.training.observe = async (...args) => ({ ...(await provider.training.observe(...args)), cost });
  const waiter = { ...fixture.waiter, provider: () => ({ ...provider, training: { ...provider.training, observe } }) };
  for (const usd of [null, 1, 1, 1.5, null]) {
    cost = usd === null ? null : { usd, source: 'tokens' };
    fixture.waits.push(10);
    run = await advance(waiter, run);
  }
  fixture.service.status = { phase: 'succeeded', raw: 'done' };
  fixture.waits.push(10);
  run = await advance(waiter, run);
  expect(run.record).toMatchObject({ state: 'succeeded', cost: { usd: 1.5, source: 'tokens' } });
  const events = await fixture.store.selectFrom('event').select('body').where('type', '=', 'cost-known').execute();
  expect(events.map(({ body }) => (JSON.parse(body) as { cost: ActualCost }).cost.usd)).toEqual([1, 1.5]);
  expect(await readSpending(fixture.store, 'job', null)).toEqual({ spentUsd: 1.5, reservedUsd: 0, unknown: 0 });
});

test('a job that is found after the state was lost is adopted even above its budget, with a note', async () => {
  const fixture = createFixture();
  const plan = toMemoryPlan();
  const quote = { currency: 'USD', low: 1, high: 3, source: 'list', asOf: null } as const;
  const priced = { ...plan, quote, spec: { ...plan.spec, budget: { usd: 2, hours: null } } };
  await expect(acceptRun(fixture.store, priced, at)).rejects.toMatchObject({ code: 'budget-exceeded' });
  expect(await adoptByKey(fixture.waiter, [priced])).toEqual([]);
  fixture.service.jobs.push({ provider: 'memory', id: 'theirs', location: '', attempt: 1, createdAt: at, url: null });
  const [run] = await adoptByKey(fixture.waiter, [priced]);
  expect(run!.record).toMatchObject({ state: 'submitted', job: { id: 'theirs' } });
  expect(run!.record.notes).toEqual([
    { type: 'warning', message: expect.stringMatching(/is paid for, although the budget has no room for it: .*up to \$3\.00$/) as string },
  ]);
  expect(await readSpending(fixture.store, 'job', null)).toMatchObject({ reservedUsd: 3 });
});

test('a submission that was certainly not sent may be sent again', async () => {
  const fixture = createFixture();
  fixture.service.failNext('no');
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record.state).toBe('submitted');
  expect(fixture.service.calls).toEqual(['find', 'prepare 1', 'find', 'create 1', 'find', 'create 1']);
});

test('a run that was cancelled before it was sent is never sent', async () => {
  const fixture = createFixture();
  let run = await acceptRun(fixture.store, toMemoryPlan(), at);
  run = await appendEvents(fixture.store, run.key, { events: [{ type: 'cancel-requested' }], at, fence: null });
  run = await advance(fixture.submitter, run);
  expect(run.record.state).toBe('cancelled');
  expect(fixture.service.calls).toEqual([]);
});

test('a cancelled job is asked to stop and counts as cancelled only when the service says so', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  run = await appendEvents(fixture.store, run.key, { events: [{ type: 'cancel-requested' }], at, fence: null });
  run = await advance(fixture.waiter, run);
  expect(run.record.state).toBe('running');
  expect(fixture.service.calls).toContain('cancel job-1');
  fixture.service.status = { phase: 'succeeded', raw: 'done' };
  expect((await advance(fixture.waiter, run)).record.state).toBe('succeeded');
});

test('a run on which another process works is returned unchanged', async () => {
  const fixture = createFixture();
  const run = await acceptRun(fixture.store, toMemoryPlan(), at);
  const lease = await takeLease(fixture.waiter, run.key);
  expect(await takeLease(fixture.submitter, run.key)).toBeNull();
  expect(await advance(fixture.submitter, run)).toEqual(run);
  expect(fixture.service.calls).toEqual([]);
  await lease!.release();
  expect((await advance(fixture.submitter, run)).record.state).toBe('preparing');
});

test('a lease is renewed in time, so that nobody else takes it while its holder works', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const fixture = createFixture();
  const { key } = await acceptRun(fixture.store, toMemoryPlan(), at);
  const lease = await takeLease(fixture.waiter, key);
  for (let minutes = 0; minutes < 3; minutes += 0.5) {
    fixture.waits.push(30_000); // the clock that the leases are compared with
    vi.advanceTimersByTime(30_000);
    expect(await takeLease(fixture.submitter, key)).toBeNull();
  }
  await lease!.release();
  expect(await takeLease(fixture.submitter, key)).toMatchObject({ fence: 2 });
});

test('a lease that is not renewed goes to the next process, and writes of the first holder are refused', async () => {
  const fixture = createFixture();
  const run = await acceptRun(fixture.store, toMemoryPlan(), at);
  const lease = await takeLease(fixture.waiter, run.key);
  fixture.waits.push(60_001);
  expect((await advance(fixture.submitter, run)).record.state).toBe('preparing');
  const late = appendEvents(fixture.store, run.key, { events: [{ type: 'cancel-requested' }], at, fence: lease!.fence });
  await expect(late).rejects.toThrow(LostLease);
  expect((await findRun(fixture.store, run.key))!.record.cancelRequested).toBe(false);
});

test('a request of a person is stored while a process works on the run, and the outcome of that process after it', async () => {
  const fixture = createFixture();
  const { provider } = fixture.service;
  const slow = {
    ...provider,
    training: {
      ...provider.training,
      create: async (...args: Parameters<typeof provider.training.create>) => {
        await appendEvents(fixture.store, run.key, { events: [{ type: 'cancel-requested' }], at, fence: null });
        return await provider.training.create(...args);
      },
    },
  };
  const run = await acceptRun(fixture.store, toMemoryPlan(), at);
  const submitted = await submit({ ...fixture, submitter: { ...fixture.submitter, provider: () => slow } }, run);
  expect(submitted.record).toMatchObject({ state: 'submitted', cancelRequested: true, job: { id: 'job-1' } });
});

test('of several jobs with one key the oldest stays, the others are cancelled, and a warning reports it', async () => {
  const fixture = createFixture();
  for (const [id, createdAt] of [
    ['young', '2026-01-01T00:00:02.000Z'],
    ['old', '2026-01-01T00:00:01.000Z'],
  ] as const) {
    fixture.service.jobs.push({ provider: 'memory', id, location: '', attempt: 1, createdAt, url: null });
  }
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  expect(run.record.job?.id).toBe('old');
  expect(fixture.service.calls).toContain('cancel young');
  expect(run.record.notes).toContainEqual(
    expect.objectContaining({ message: expect.stringMatching(/cancelled: young; their cost until then is unknown/) as string }),
  );
});

test('of the settings that the service reports only those that differ from the sent ones are noted', async () => {
  const fixture = createFixture();
  const plan = toMemoryPlan();
  const sent = [
    { type: 'sent', field: 'training.epochs', value: 3 },
    { type: 'sent', field: 'training.learningRate', value: { multiplier: 2 } },
    { type: 'converted', field: 'training.batchSize', from: 5, value: 4, why: 'a power of two' },
  ] as const;
  const used = [
    { type: 'defaulted', field: 'training.epochs', value: 2 },
    { type: 'defaulted', field: 'training.learningRate', value: { multiplier: 2 } },
    { type: 'defaulted', field: 'training.batchSize', value: 4 },
    { type: 'defaulted', field: 'training.seed', value: 7 },
  ] as const;
  const { provider } = fixture.service;
  const observe: typeof provider.training.observe = async (...args) => ({ ...(await provider.training.observe(...args)), notes: used });
  const run = await submit(fixture, await acceptRun(fixture.store, { ...plan, notes: sent }, at));
  const seen = await advance({ ...fixture.waiter, provider: () => ({ ...provider, training: { ...provider.training, observe } }) }, run);
  expect(seen.record.notes.slice(sent.length)).toEqual([
    { type: 'warning', message: 'training.epochs: 3 was sent, but the service reports that it used 2' },
    used[3],
  ]);
});

test('a second job is searched for once after the submission', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  fixture.service.jobs.push({
    provider: 'memory',
    id: 'elder',
    location: '',
    attempt: 1,
    createdAt: '2025-12-31T00:00:00.000Z',
    url: null,
  });
  run = await advance(fixture.waiter, run);
  expect(run.record).toMatchObject({ isChecked: false, job: { id: 'job-1' } });
  fixture.waits.push(100);
  run = await advance(fixture.waiter, run);
  expect(run.record).toMatchObject({ isChecked: true, job: { id: 'elder' } });
  expect(fixture.service.calls).toContain('cancel job-1');
});

test('a job that was cancelled without a request is replaced by the older job of the same key', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  fixture.service.jobs.push({
    provider: 'memory',
    id: 'elder',
    location: '',
    attempt: 1,
    createdAt: '2025-12-31T00:00:00.000Z',
    url: null,
  });
  fixture.service.status = { phase: 'cancelled', raw: 'cancelled' };
  run = await advance(fixture.waiter, run);
  expect(run.record).toMatchObject({ state: 'submitted', job: { id: 'elder' } });
});

test('an interrupted job is resumed, and stopped after three times without a new checkpoint, until a person lets it go on', async () => {
  const fixture = createFixture();
  let resumes = 0;
  let checkpoint: number | null = null;
  const { provider } = fixture.service;
  const withResume: typeof provider = {
    ...provider,
    training: {
      ...provider.training,
      observe: async (...args) => ({ ...(await provider.training.observe(...args)), checkpoint }),
      resume: async (job) => {
        resumes++;
        return await Promise.resolve(job);
      },
    },
  };
  const waiter = { ...fixture.waiter, provider: () => withResume };
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  fixture.service.status = { phase: 'interrupted', raw: 'lost' };
  const look = async (): Promise<void> => {
    fixture.waits.push(1000);
    run = await advance(waiter, run);
  };
  await look();
  await look();
  expect(resumes).toBe(2);
  checkpoint = 40;
  for (let i = 0; i < 3; i++) await look();
  expect(run.record).toMatchObject({ state: 'submitted', checkpoint: { step: 40, resumes: 3 } });
  await look();
  expect(resumes).toBe(5);
  const stopped = { state: 'paused', failure: { code: 'trainer-died' } };
  expect(run.record).toMatchObject(stopped);
  await look(); // only a look, such as that of a list
  expect(run.record).toMatchObject(stopped);
  expect(resumes).toBe(5);
  fixture.service.status = { phase: 'running', raw: 'running' };
  for await (const [seen] of followRuns(waiter, [run])) {
    run = seen!;
    fixture.service.status = { phase: 'succeeded', raw: 'done' };
  }
  expect(resumes).toBe(6);
  expect(run.record).toMatchObject({ state: 'succeeded', failure: null, checkpoint: { step: 40, resumes: 0 } });
});

test('an interrupted job that cannot be resumed is abandoned', async () => {
  const fixture = createFixture();
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  fixture.service.status = { phase: 'interrupted', raw: 'lost' };
  expect((await advance(fixture.waiter, run)).record).toMatchObject({ state: 'failed', failure: { code: 'trainer-died' } });
});

test('a run that a failure has stopped, and that cannot go on yet, stays stopped, and goes on with the next command', async () => {
  const fixture = createFixture();
  const { provider } = fixture.service;
  const full = toFailureData(new Failure('disk-full', 'no space left'));
  let problem: Failure | null = new Failure('trainer-died', 'no space left for its first word');
  let failure: typeof full | null = full;
  const stoppable: typeof provider = {
    ...provider,
    training: {
      ...provider.training,
      observe: async (...args) => ({ ...(await provider.training.observe(...args)), failure }),
      resume: async (job) => await (problem === null ? Promise.resolve(job) : Promise.reject(problem)),
    },
  };
  const driver = { ...fixture.submitter, provider: () => stoppable };
  const plan = toMemoryPlan();
  const submitAgain = async (): Promise<StoredRun> => {
    const { runs, failure: refusal } = await driveSubmissions(driver, [await acceptRun(fixture.store, plan, at)], () => {});
    if (refusal !== null) throw refusal;
    return runs[0]!;
  };
  await submitAgain();
  fixture.service.status = { phase: 'paused', raw: 'stopped' };
  const stopped = await advance(driver, (await findRun(fixture.store, plan.key))!);
  expect(stopped.record).toMatchObject({ state: 'paused', failure: { code: 'disk-full' } });
  await expect(submitAgain()).rejects.toThrow('no space left for its first word');
  expect((await findRun(fixture.store, plan.key))!.record).toMatchObject({ state: 'paused', failure: { code: 'trainer-died' } });
  [problem, failure] = [null, null];
  expect((await submitAgain()).record).toMatchObject({ state: 'submitted', failure: null });
});

test('a run that a person has paused does not go on by itself', async () => {
  const fixture = createFixture();
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  fixture.service.status = { phase: 'paused', raw: 'paused' };
  const paused = await advance(fixture.waiter, run);
  expect(await driveSubmissions(fixture.submitter, [paused], () => {})).toEqual({ runs: [paused], failure: null });
});

test('failed polls leave the run as it is, are counted, and become less frequent', async () => {
  const fixture = createFixture();
  const { provider } = fixture.service;
  const failing = {
    ...provider,
    training: { ...provider.training, observe: () => Promise.reject(new Failure('service-unavailable', 'no route')) },
  };
  const waiter = { ...fixture.waiter, provider: () => failing };
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  run = await advance(fixture.waiter, run);
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    fixture.waits.push(Date.parse(run.lastPoll!.nextPollAt!) - fixture.waiter.context.now().getTime());
    run = await advance(waiter, run);
    pauses.push(Date.parse(run.lastPoll!.nextPollAt!) - fixture.waiter.context.now().getTime());
  }
  expect(run.record.state).toBe('running');
  expect(run.lastPoll).toMatchObject({ error: { message: 'no route' }, failedPolls: { times: 10 } });
  expect(pauses.slice(0, 4)).toEqual([3750, 7500, 15_000, 30_000]);
  expect(pauses.at(-1)).toBe(675_000);
  fixture.waits.push(675_000);
  run = await advance(fixture.waiter, run);
  expect(run.lastPoll).toMatchObject({ error: null, failedPolls: null });
});

test('a job is not polled before the planned time', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  for (let i = 0; i < 5; i++) run = await advance(fixture.waiter, run);
  expect(fixture.service.calls.filter((call) => call === 'observe')).toHaveLength(1);
  fixture.waits.push(10);
  await advance(fixture.waiter, run);
  expect(fixture.service.calls.filter((call) => call === 'observe')).toHaveLength(2);
});

test('onUncertain ask waits for a person although there is a fence; after the decision the run continues', async () => {
  const fixture = createFixture();
  const plan = toMemoryPlan();
  const asking = { ...plan, spec: { ...plan.spec, onUncertain: 'ask' as const } };
  fixture.service.failNext('unknown', true);
  let run = await submit(fixture, await acceptRun(fixture.store, asking, at));
  expect(run.record.state).toBe('attention');
  expect(fixture.service.calls.some((call) => call.startsWith('fence'))).toBe(false);
  run = await resolveRun(fixture.waiter, run, { kind: 'absent' });
  expect(run.record).toMatchObject({ state: 'preparing', attempt: 2, failure: null });
  run = await submit(fixture, run);
  expect(run.record).toMatchObject({ state: 'submitted', job: { attempt: 2 } });
  await expect(resolveRun(fixture.waiter, run, { kind: 'cancel' })).rejects.toMatchObject({ code: 'usage' });
});

test.each([
  [{ kind: 'adopt', id: 'found-by-hand' }, 'submitted', 'found-by-hand'],
  [{ kind: 'cancel' }, 'cancelled', null],
] as const)('the decision %j makes the run %s', async (decision, state, id) => {
  const fixture = createFixture(createMemoryService({ fences: false }));
  fixture.service.failNext('unknown', true);
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  const decided = await resolveRun(fixture.waiter, run, decision);
  expect(decided.record.state).toBe(state);
  expect(decided.record.job?.id ?? null).toBe(id);
});

test('an older copy of the state that is restored before the paid call does not pay again', async () => {
  const fixture = createFixture();
  const prepared = await advance(fixture.submitter, await acceptRun(fixture.store, toMemoryPlan(), at));
  await submit(fixture, prepared);
  const older = createFixture(fixture.service);
  const run = await acceptRun(older.store, toMemoryPlan(), at);
  const events = [{ type: 'submission-prepared', attempt: 1, prepared: prepared.record.prepared[0] } as const];
  const restored = await submit(older, await appendEvents(older.store, run.key, { events, at, fence: null }));
  expect(restored.record.job?.id).toBe('job-1');
  expect(fixture.service.jobs).toHaveLength(1);
});

test.each(['absent', 'cancel'] as const)(
  'the decision %s about a submission whose call arrives late adopts the job, and does not lose it',
  async (kind) => {
    const fixture = createFixture();
    const plan = toMemoryPlan();
    fixture.service.failNext('unknown', true);
    let run = await submit(fixture, await acceptRun(fixture.store, { ...plan, spec: { ...plan.spec, onUncertain: 'ask' } }, at));
    fixture.service.jobs.push({ provider: 'memory', id: 'late', location: '', attempt: 1, createdAt: at, url: null });
    const before = fixture.waits.length;
    run = await resolveRun(fixture.waiter, run, { kind });
    expect(fixture.waits.slice(before)).toEqual([1000]); // what was made before the fence is listed by then
    expect(fixture.service.calls).toContain('fence upload-1');
    expect(run.record).toMatchObject({ state: 'submitted', job: { id: 'late' }, cancelRequested: kind === 'cancel' });
  },
);

test('the proof of absence waits in full after the fence, however late it is by the clock', async () => {
  const fixture = createFixture();
  fixture.service.failNext('unknown', true);
  let run = await acceptRun(fixture.store, toMemoryPlan(), at);
  for (let i = 0; i < 2; i++) run = await advance(fixture.submitter, run);
  expect(run.record.state).toBe('uncertain');
  const now = (): Date => new Date(Date.parse(at) + 86_400_000);
  await advance({ ...fixture.submitter, context: { ...fixture.submitter.context, now } }, run);
  expect(fixture.waits).toEqual([1000, 100]);
});

test('a clock that is set back blocks no run and no poll', async () => {
  const fixture = createFixture();
  let run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  run = await advance(fixture.waiter, run);
  await takeLease(fixture.submitter, run.key);
  const now = (): Date => new Date(Date.parse(at) - 86_400_000);
  const earlier = { ...fixture.waiter, context: { ...fixture.waiter.context, now } };
  fixture.service.status = { phase: 'succeeded', raw: 'done' };
  expect((await advance(earlier, run)).record.state).toBe('succeeded');
});

test.each(['cancel-requested', 'pause-requested'] as const)('a request after the end of the run is only recorded: %s', async (type) => {
  const fixture = createFixture();
  let run = await acceptRun(fixture.store, toMemoryPlan(), at);
  for (const request of ['cancel-requested', type] as const) {
    run = await appendEvents(fixture.store, run.key, { events: [{ type: request }], at, fence: null });
    run = await advance(fixture.submitter, run);
    expect(run.record.state).toBe('cancelled');
  }
});

test('a decision is not stored when another process has taken the run meanwhile', async () => {
  const fixture = createFixture(createMemoryService({ fences: false }));
  const { provider } = fixture.service;
  fixture.service.failNext('unknown', true);
  const run = await submit(fixture, await acceptRun(fixture.store, toMemoryPlan(), at));
  const find: typeof provider.training.find = async (...args) => {
    fixture.waits.push(60_001);
    await takeLease(fixture.submitter, run.key);
    return await provider.training.find(...args);
  };
  const slow = { ...fixture.waiter, provider: () => ({ ...provider, training: { ...provider.training, find } }) };
  await expect(resolveRun(slow, run, { kind: 'cancel' })).rejects.toMatchObject({ code: 'store-locked' });
  expect((await findRun(fixture.store, run.key))!.record.state).toBe('attention');
});
