import type { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { Kysely, type KyselyPlugin } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { Failure, failureKinds } from '../../src/errors.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { advance } from '../../src/run/advance.ts';
import { driveSubmissions } from '../../src/run/drive.ts';
import type { Driver } from '../../src/run/workspace.ts';
import type { ActualCost } from '../../src/provider/job.ts';
import type { Quote } from '../../src/provider/provider.ts';
import {
  formatUsd,
  readSpending,
  releaseCharge,
  reserve,
  roundDownMicroDollars,
  roundUpMicroDollars,
  settleCharge,
  toUsd,
  type Charge,
} from '../../src/run/budget.ts';
import { cleanRuns } from '../../src/run/clean.ts';
import type { RunEvent, RunPlan } from '../../src/run/event.ts';
import { readBudget } from '../../src/run/plan.ts';
import { acceptFoundRun, acceptRuns } from '../../src/run/accept.ts';
import { appendEvents, findRun, listRuns } from '../../src/run/run-store.ts';
import { NodeSqliteDialect, openDatabase } from '../../src/store/sqlite.ts';
import { openEmptyStore, openStore, type Store } from '../../src/store/open-store.ts';
import type { Tables } from '../../src/store/tables.ts';
import { runProgram } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan, type MemoryService } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';
const job = { provider: 'memory', id: '1', location: '', attempt: 1, createdAt: at, url: null };
const failure = { code: 'request-refused', cause: 'user', message: 'no', hint: null, retryable: false } as const;

const prepared: RunEvent = { type: 'submission-prepared', attempt: 1, prepared: {} };
const intended: RunEvent = { type: 'submission-intended', attempt: 1, wire: {}, hash: '' };
const submitted: RunEvent = { type: 'job-submitted', job };
const unanswered: RunEvent = { type: 'submission-unanswered', attempt: 1, failure };
const toEnd = (phase: 'succeeded' | 'failed' | 'cancelled' | 'running'): RunEvent => {
  return { type: 'status-changed', status: { phase, raw: phase }, startedAt: null, finishedAt: null };
};
const toKnown = (usd: number): RunEvent => ({ type: 'cost-known', cost: { usd, source: 'tokens' } satisfies ActualCost });

function createStore(folder?: string): Store {
  const store = folder === undefined ? openEmptyStore() : openStore(folder);
  onTestFinished(async () => await store.destroy());
  return store;
}

function toQuote(high: number): Quote {
  return { currency: 'USD', low: high / 2, high, source: 'list prices', asOf: '2026-01-01' };
}

/** A plan whose run costs up to `high` dollars. */
function toPlan(name: string, high: number | null, usd: number | null = 5): RunPlan {
  const plan = toMemoryPlan(name);
  return { ...plan, spec: { ...plan.spec, budget: { usd, hours: null } }, quote: high === null ? null : toQuote(high) };
}

async function append(store: Store, key: string, ...events: readonly RunEvent[]): Promise<void> {
  await appendEvents(store, key, { events, at, fence: null });
}

const spend = async (store: Store): Promise<string> => {
  const { spentUsd, reservedUsd, unknown } = await readSpending(store, 'job', null);
  return `${spentUsd} spent, ${reservedUsd} reserved${unknown === 0 ? '' : `, ${unknown} unknown`}`;
};

test('the targets of a submission are accepted together, or none', async () => {
  const store = createStore();
  const plans = [toPlan('a', 2), toPlan('b', 2), toPlan('c', 2)];
  await expect(acceptRuns(store, plans, at)).rejects.toMatchObject({
    code: 'budget-exceeded',
    message:
      'the job "job" has a budget of $5.00: $0.00 spent and $0.00 reserved, target "a", target "b" and target "c" would need up to $6.00',
  });
  for (const table of ['run', 'event', 'charge'] as const) expect(await store.selectFrom(table).selectAll().execute()).toEqual([]);
  expect(await acceptRuns(store, plans.slice(0, 2), at)).toHaveLength(2);
  expect(await spend(store)).toBe('0 spent, 4 reserved');
});

test('an existing run is found and not counted again, whatever is left of the budget', async () => {
  const store = createStore();
  const [first] = await acceptRuns(store, [toPlan('a', 5)], at);
  expect((await acceptRuns(store, [toPlan('a', 5, 1)], at)).map(({ key }) => key)).toEqual([first!.key]);
  expect(await spend(store)).toBe('0 spent, 5 reserved');
  await append(store, first!.key, { type: 'run-withdrawn' });
  await acceptRuns(store, [toPlan('b', 5)], at);
  expect((await acceptRuns(store, [toPlan('a', 5)], at))[0]!.record.state).toBe('cancelled');
});

test('an edited file and a further generation are runs of the same budget', async () => {
  const store = createStore();
  await acceptRun(store, toPlan('a', 2), at);
  const edited = { ...toPlan('a', 2), key: 'b'.repeat(32) };
  const again = { ...toPlan('a', 2), key: 'c'.repeat(32), generation: 2 };
  await acceptRun(store, edited, at);
  await expect(acceptRun(store, again, at)).rejects.toMatchObject({ code: 'budget-exceeded' });
  const raised = { ...again, spec: { ...again.spec, budget: { usd: 6, hours: null } } };
  expect((await acceptRun(store, raised, at)).record.number).toBe(3);
  expect(await spend(store)).toBe('0 spent, 6 reserved');
});

test('an unknown price is refused under a budget, and named', async () => {
  const store = createStore();
  const plans = [toPlan('a', 1), toPlan('b', null), toPlan('c', null)];
  await expect(acceptRuns(store, plans, at)).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: 'the job "job" has a budget of $5.00, but the prices of target "b" and target "c" are unknown',
    hint: `set ORCHESTRATE_PRICES='{"model": {"training": …}}', in US dollars per 1M tokens, or remove \`budget.usd\` from the job file; nothing was started`,
  });
  expect(await listRuns(store)).toEqual([]);
  await acceptRun(store, toPlan('b', null, null), at);
  expect(await spend(store)).toBe('0 spent, 0 reserved, 1 unknown');
});

test('a run that costs nothing needs no budget', async () => {
  const store = createStore();
  const run = await acceptRun(store, toPlan('a', 0, 0), at);
  await append(store, run.key, prepared, intended, submitted, toEnd('succeeded'));
  expect(await store.selectFrom('charge').select(['state', 'micro_dollars']).execute()).toEqual([{ state: 'spent', micro_dollars: 0 }]);
});

test.each<[string, readonly RunEvent[], string]>([
  ['goes on', [prepared, intended, submitted, toEnd('running')], '0 spent, 2 reserved'],
  ['is refused', [prepared, intended, { type: 'submission-rejected', attempt: 1, failure }], '0 spent, 0 reserved'],
  ['is withdrawn', [{ type: 'run-withdrawn' }], '0 spent, 0 reserved'],
  ['is withdrawn after its preparation', [prepared, { type: 'run-withdrawn' }], '0 spent, 0 reserved'],
  ['had no answer', [prepared, intended, unanswered], '0 spent, 2 reserved'],
  ['is tried again after a proof', [prepared, intended, unanswered, { type: 'submission-disproved', attempt: 1 }], '0 spent, 2 reserved'],
  [
    'is cancelled by a person',
    [prepared, intended, unanswered, { type: 'attention-needed', failure }, { type: 'decision-made', decision: 'cancel' }],
    '0 spent, 0 reserved',
  ],
  ['waits for a person', [prepared, intended, unanswered, { type: 'attention-needed', failure }], '0 spent, 2 reserved'],
  ['succeeds at a known cost', [prepared, intended, submitted, toKnown(1.25), toEnd('succeeded')], '1.25 spent, 0 reserved'],
  ['reports its cost after its end', [prepared, intended, submitted, toEnd('succeeded'), toKnown(1.25)], '1.25 spent, 0 reserved'],
  ['changes its cost', [prepared, intended, submitted, toKnown(1), toKnown(1.5), toEnd('failed')], '1.5 spent, 0 reserved'],
  ['costs more than planned', [prepared, intended, submitted, toKnown(7), toEnd('succeeded')], '7 spent, 0 reserved'],
  ['has cost something so far', [prepared, intended, submitted, toKnown(0.5), toEnd('running')], '0 spent, 2 reserved'],
  ['has cost more so far than planned', [prepared, intended, submitted, toKnown(3), toEnd('running')], '0 spent, 3 reserved'],
  ['succeeds at an unknown cost', [prepared, intended, submitted, toEnd('succeeded')], '0 spent, 2 reserved'],
  ['fails at an unknown cost', [prepared, intended, submitted, toEnd('failed')], '0 spent, 2 reserved'],
  ['is cancelled at an unknown cost', [prepared, intended, submitted, toEnd('cancelled')], '0 spent, 2 reserved'],
  ['is cancelled for nothing', [prepared, intended, submitted, toKnown(0), toEnd('cancelled')], '0 spent, 0 reserved'],
])('a run that %s', async (_, events, spending) => {
  const store = createStore();
  const { key } = await acceptRun(store, toPlan('a', 2), at);
  for (const event of events) await append(store, key, event);
  expect(await spend(store)).toBe(spending);
  const run = (await findRun(store, key))!;
  const cost = events.findLast((event) => event.type === 'cost-known')?.cost ?? null;
  expect(run.record.cost).toEqual(cost);
});

/** A service whose preparation fails until it is mended. */
function createBrokenService(): {
  readonly driver: Driver;
  readonly mend: () => void;
  readonly service: MemoryService;
  readonly store: Store;
} {
  const store = createStore();
  const service = createMemoryService();
  let isBroken = true;
  const prepare = async (): Promise<{ upload: string }> => {
    if (isBroken) throw new Failure('request-refused', 'bad file');
    return await Promise.resolve({ upload: 'upload-1' });
  };
  const provider = { ...service.provider, training: { ...service.provider.training, prepare } };
  return { store, service, driver: createMemoryDriver(store, provider, { now: () => new Date(at) }), mend: () => void (isBroken = false) };
}

const submit = async (driver: Driver, ...plans: RunPlan[]): Promise<void> => {
  const { failure } = await driveSubmissions(driver, await acceptRuns(driver.store, plans, at), () => {});
  if (failure !== null) throw failure;
};

test('a submission that failed before it was sent holds no money, and reserves it again when it goes on', async () => {
  const { store, driver, mend } = createBrokenService();
  await expect(submit(driver, toPlan('a', 4))).rejects.toThrow('bad file');
  expect(await spend(store)).toBe('0 spent, 0 reserved');
  expect(await readBudget(store, [toPlan('a', 4)])).toMatchObject({ neededUsd: 4, leftUsd: 5 });
  mend();
  await submit(driver, toPlan('b', 3));
  await expect(submit(driver, toPlan('a', 4))).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: expect.stringContaining('(job/b, submitted, holds $3.00)') as string,
  });
  await submit(driver, { ...toPlan('a', 4, 7) });
  expect(await spend(store)).toBe('0 spent, 7 reserved');
});

test('a submission that was certainly not sent holds no money either, and a job that is found holds its own', async () => {
  const { store, driver, mend, service } = createBrokenService();
  mend();
  const create = async (): Promise<never> =>
    await Promise.reject(new SubmitFailure('no', new Failure('service-unreachable', 'no network')));
  const offline = { ...driver.provider('memory', 'a'), training: { ...driver.provider('memory', 'a').training, create } };
  await expect(submit({ ...driver, provider: () => offline }, toPlan('a', 4))).rejects.toThrow('it could not be sent: no network');
  expect(await spend(store)).toBe('0 spent, 0 reserved');
  service.jobs.push({ ...job, id: 'job-9' });
  await advance({ ...driver, mayCreate: true }, (await findRun(store, toPlan('a', 4).key))!);
  expect(await spend(store)).toBe('0 spent, 4 reserved');
});

test('a refusal names the runs that hold the money, and how to give it back', async () => {
  const store = createStore();
  await acceptRuns(store, [toPlan('a', 1), toPlan('b', 3)], at);
  await expect(acceptRun(store, toPlan('c', 2), at)).rejects.toMatchObject({
    message: expect.stringContaining('$4.00 reserved (job/b, accepted, holds $3.00; job/a, accepted, holds $1.00)') as string,
    hint: expect.stringContaining('`orchestrate cancel job/b` or `orchestrate cancel job/a` gives back') as string,
  });
});

test('a job that was found at its provider is accepted although the budget has no room, and the overrun is reported', async () => {
  const store = createStore();
  await acceptRun(store, toPlan('a', 4), at);
  const { run, overrun } = await acceptFoundRun(store, toPlan('b', 2), at);
  expect(run.record.state).toBe('accepted');
  expect(overrun?.message).toContain('$4.00 reserved (job/a, accepted, holds $4.00), target "b" would need up to $2.00');
  expect(await spend(store)).toBe('0 spent, 6 reserved');
  expect((await acceptFoundRun(store, toPlan('c', 0), at)).overrun).toBeNull();
  expect(await acceptFoundRun(store, toPlan('b', 2), at)).toEqual({ run, overrun: null });
});

test('a deleted run keeps its cost, and a refused one can be submitted again', async () => {
  const store = createStore();
  const driver = createMemoryDriver(store, createMemoryService().provider, { now: () => new Date(at) });
  const paid = await acceptRun(store, toPlan('a', 2), at);
  await append(store, paid.key, prepared, intended, submitted, toKnown(1.5), toEnd('succeeded'));
  const refused = await acceptRun(store, toPlan('b', 3), at);
  await append(store, refused.key, prepared, intended, { type: 'submission-rejected', attempt: 1, failure });
  await cleanRuns({ ...driver, dir: createScratchFolder() }, { dryRun: false });
  expect(await listRuns(store)).toEqual([]);
  expect(await spend(store)).toBe('1.5 spent, 0 reserved');
  await expect(acceptRun(store, toPlan('b', 4), at)).rejects.toMatchObject({ code: 'budget-exceeded' });
  await acceptRun(store, toPlan('b', 3), at);
  expect(await spend(store)).toBe('1.5 spent, 3 reserved');
});

test('the view of the budget before a submission', async () => {
  const store = createStore();
  await acceptRuns(store, [toPlan('a', 2)], at);
  expect(await readBudget(store, [toPlan('a', 2), toPlan('b', 1), toPlan('c', 0.5)])).toEqual({
    budgetUsd: 5,
    leftUsd: 3,
    neededUsd: 1.5,
    spentUsd: 0,
    reservedUsd: 2,
    unknown: 0,
  });
  expect(await readBudget(store, [toPlan('b', null, null)])).toMatchObject({ budgetUsd: null, leftUsd: null, neededUsd: null });
});

/** A store whose queries fail from the `failsAt`-th on, from 1. */
function createFailingStore(database: DatabaseSync, failsAt: number): Store {
  let queries = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      if (++queries >= failsAt) throw new Error('planned');
      return await Promise.resolve(result);
    },
  };
  return new Kysely<Tables>({ dialect: new NodeSqliteDialect(database, ':memory:'), plugins: [plugin] });
}

test('a process that dies anywhere while it accepts runs, or stores what they cost, leaves all of it or nothing', async () => {
  const plans = [toPlan('a', 1), toPlan('b', 2)];
  const seen: Record<string, number> = {};
  for (let failsAt = 1; failsAt < 40; failsAt++) {
    const database = openDatabase(':memory:');
    onTestFinished(() => database.close());
    const failing = createFailingStore(database, failsAt);
    await acceptRuns(failing, plans, at)
      .then(async ([run]) => await append(failing, run!.key, prepared, intended, submitted, toKnown(0.25), toEnd('succeeded')))
      .catch((error: unknown) => {
        if (!(error instanceof Error) || error.message !== 'planned') throw error;
      });
    const store = createFailingStore(database, Infinity);
    const states = (await listRuns(store)).map(({ record }) => record.state).sort();
    const found = `${states.join(', ')}: ${await spend(store)}`;
    seen[found] = (seen[found] ?? 0) + 1;
  }
  expect(Object.keys(seen)).toEqual([
    ': 0 spent, 0 reserved',
    'accepted, accepted: 0 spent, 3 reserved',
    'accepted, succeeded: 0.25 spent, 2 reserved',
  ]);
  for (const times of Object.values(seen)) expect(times).toBeGreaterThan(5);
});

function toCharge(id: string, usd: number | null, budgetUsd: number | null = null): Charge & { budgetUsd: number | null } {
  return { id, job: 'job', workspace: null, purpose: 'evaluation', usd, at: '2026-01-01T00:00:00.000Z', budgetUsd };
}

test('what is reserved and spent counts against the budget, to the last micro-dollar', async () => {
  const store = createStore();
  await reserve(store, toCharge('a', 1.2, 5));
  await settleCharge(store, 'a', 1.3);
  await reserve(store, toCharge('b', 0.7, 5));
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 1.3, reservedUsd: 0.7, unknown: 0 });
  const refused = reserve(store, toCharge('c', 3.000001, 5));
  await expect(refused).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: 'the job "job" has a budget of $5.00: $1.30 spent and $0.70 reserved, the answers would need up to $3.000001',
    hint: expect.stringMatching(/budget\.usd/) as string,
  });
  expect(failureKinds['budget-exceeded'].exit).toBe(79);
  await reserve(store, toCharge('c', 3, 5));
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 1.3, reservedUsd: 3.7, unknown: 0 });
});

test('ten tenths of a dollar fit into a dollar', async () => {
  const store = createStore();
  for (let i = 0; i < 10; i++) await reserve(store, toCharge(`${i}`, 0.1, 1));
  await expect(reserve(store, toCharge('more', 0.0000001, 1))).rejects.toMatchObject({ code: 'budget-exceeded' });
});

test('reserving the same charge again changes nothing, reserving a released one checks the budget again', async () => {
  const store = createStore();
  await reserve(store, toCharge('a', 1, 1));
  await reserve(store, toCharge('a', 1, 1));
  await reserve(store, toCharge('a', 9, 1));
  expect(await readSpending(store, 'job', null)).toMatchObject({ reservedUsd: 1 });
  await releaseCharge(store, 'a');
  expect(await readSpending(store, 'job', null)).toMatchObject({ reservedUsd: 0, spentUsd: 0 });
  await expect(reserve(store, toCharge('a', 2, 1))).rejects.toMatchObject({ code: 'budget-exceeded' });
  await reserve(store, toCharge('a', 0.5, 1));
  expect(await readSpending(store, 'job', null)).toMatchObject({ reservedUsd: 0.5 });
});

test('a spent charge is not released, and not reserved again', async () => {
  const store = createStore();
  await reserve(store, toCharge('a', 1));
  await settleCharge(store, 'a', 0.25);
  await releaseCharge(store, 'a');
  await reserve(store, toCharge('a', 1));
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 0.25, reservedUsd: 0, unknown: 0 });
});

test('each job of each workspace has a budget of its own', async () => {
  const store = createStore();
  for (const [i, account] of [
    { job: 'job', workspace: null },
    { job: 'job', workspace: 'a' },
    { job: 'job', workspace: 'b' },
    { job: 'other', workspace: 'a' },
  ].entries()) {
    await reserve(store, { ...toCharge(`${i}`, 1, 1), ...account });
    expect(await readSpending(store, account.job, account.workspace)).toMatchObject({ reservedUsd: 1 });
  }
});

test('an unknown price is refused under a budget, and recorded without one', async () => {
  const store = createStore();
  await expect(reserve(store, toCharge('a', null, 100))).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: 'the job "job" has a budget of $100.00, but the price of the answers is unknown',
    hint: expect.stringMatching(/ORCHESTRATE_PRICES.*budget\.usd/) as string,
  });
  await reserve(store, toCharge('a', null));
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 0, reservedUsd: 0, unknown: 1 });
  await settleCharge(store, 'a', 2);
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 2, reservedUsd: 0, unknown: 0 });
  await reserve(store, toCharge('b', null));
  await releaseCharge(store, 'b');
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 2, reservedUsd: 0, unknown: 0 });
});

test('a charge of nothing fits into any budget', async () => {
  const store = createStore();
  await reserve(store, toCharge('a', 3));
  await reserve(store, toCharge('b', 0, 0));
  await expect(reserve(store, toCharge('c', 0.000001, 0))).rejects.toMatchObject({ code: 'budget-exceeded' });
});

test('a reservation is part of the transaction that it is made in', async () => {
  const store = createStore();
  const failing = store.transaction().execute(async (tx) => {
    await reserve(tx, toCharge('a', 1, 1));
    throw new Error('planned');
  });
  await expect(failing).rejects.toThrow('planned');
  expect(await readSpending(store, 'job', null)).toMatchObject({ reservedUsd: 0 });
});

test('of 120 dollars that three processes want at once a budget of 50 gives 50', async () => {
  const folder = createScratchFolder();
  const store = createStore(folder);
  const program = fileURLToPath(new URL('reserve-program.ts', import.meta.url));
  const ended = await Promise.all(['a', 'b', 'c'].map(async (name) => await runProgram(program, [folder, name, '40', '50'])));
  expect(ended.map(({ stderr }) => stderr).join('')).toBe('');
  expect(ended.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBe(70);
  expect(await readSpending(store, 'job', null)).toEqual({ spentUsd: 0, reservedUsd: 50, unknown: 0 });
});

test.each([
  [0, 0],
  [5, 5_000_000],
  [0.1 + 0.2, 300_000], // 0.30000000000000004
  [0.1 * 3, 300_000],
  [1.000001, 1_000_001],
  [0.0000001, 1], // a cost of a tenth of a micro-dollar is counted as one
  [1e300, 1e15],
  [Infinity, 1e15],
])('a cost of %d dollars is %d micro-dollars', (usd, microDollars) => {
  expect(roundUpMicroDollars(usd)).toBe(microDollars);
});

test('a budget is rounded down, a cost up', () => {
  expect(roundDownMicroDollars(0.0000019)).toBe(1);
  expect(roundUpMicroDollars(0.0000019)).toBe(2);
  expect(roundDownMicroDollars(0.1 + 0.2)).toBe(300_000);
});

test.each([-1, NaN])('%d is no amount', (usd) => {
  expect(() => roundUpMicroDollars(usd)).toThrow('expected an amount of 0 dollars or more');
});

test('amounts are written so that no digit that matters is lost', () => {
  expect([0, 5, 1234.5, 0.000001, 0.0042].map(formatUsd)).toEqual(['$0.00', '$5.00', '$1,234.50', '$0.000001', '$0.0042']);
  expect(toUsd(1_234_567)).toBe(1.234567);
});
