import type { DatabaseSync } from 'node:sqlite';
import { Kysely, type KyselyPlugin } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import type { ActualCost } from '../../src/provider/job.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { cleanRuns } from '../../src/run/clean.ts';
import { readSpending } from '../../src/run/budget.ts';
import type { RunEvent, RunPlan } from '../../src/run/event.ts';
import { readBudget } from '../../src/run/plan.ts';
import { acceptFoundRun, acceptRuns, appendEvents, findRun, listRuns } from '../../src/run/run-store.ts';
import { NodeSqliteDialect, openDatabase } from '../../src/store/sqlite.ts';
import { openEmptyStore, type Store } from '../../src/store/open-store.ts';
import type { Tables } from '../../src/store/tables.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan } from './memory-provider.ts';

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

function createStore(): Store {
  const store = openEmptyStore();
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

test('a run that exists is found again and not counted again, whatever is left', async () => {
  const store = createStore();
  const [first] = await acceptRuns(store, [toPlan('a', 5)], at);
  expect(await acceptRuns(store, [toPlan('a', 5, 1)], at)).toEqual([first]);
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

test('a price that nobody knows is refused under a budget, and named', async () => {
  const store = createStore();
  const plans = [toPlan('a', 1), toPlan('b', null), toPlan('c', null)];
  await expect(acceptRuns(store, plans, at)).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: 'the job "job" has a budget of $5.00, but the prices of target "b" and target "c" are unknown',
  });
  expect(await listRuns(store)).toEqual([]);
  await acceptRun(store, toPlan('b', null, null), at);
  expect(await spend(store)).toBe('0 spent, 0 reserved, 1 unknown');
});

test('what costs nothing needs no budget', async () => {
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
    'is given up by a person',
    [prepared, intended, unanswered, { type: 'attention-needed', failure }, { type: 'decision-made', decision: 'cancel' }],
    '0 spent, 0 reserved',
  ],
  ['waits for a person', [prepared, intended, unanswered, { type: 'attention-needed', failure }], '0 spent, 2 reserved'],
  ['succeeds at a known cost', [prepared, intended, submitted, toKnown(1.25), toEnd('succeeded')], '1.25 spent, 0 reserved'],
  ['tells its cost after its end', [prepared, intended, submitted, toEnd('succeeded'), toKnown(1.25)], '1.25 spent, 0 reserved'],
  ['changes its cost', [prepared, intended, submitted, toKnown(1), toKnown(1.5), toEnd('failed')], '1.5 spent, 0 reserved'],
  ['costs more than was thought', [prepared, intended, submitted, toKnown(7), toEnd('succeeded')], '7 spent, 0 reserved'],
  ['has cost something so far', [prepared, intended, submitted, toKnown(0.5), toEnd('running')], '0 spent, 2 reserved'],
  ['has cost more so far than was thought', [prepared, intended, submitted, toKnown(3), toEnd('running')], '0 spent, 3 reserved'],
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

test('a job that was found at its provider is taken in although the budget has no room, and that is said', async () => {
  const store = createStore();
  await acceptRun(store, toPlan('a', 4), at);
  const { run, overrun } = await acceptFoundRun(store, toPlan('b', 2), at);
  expect(run.record.state).toBe('accepted');
  expect(overrun?.message).toContain('$4.00 reserved, target "b" would need up to $2.00');
  expect(await spend(store)).toBe('0 spent, 6 reserved');
  expect((await acceptFoundRun(store, toPlan('c', 0), at)).overrun).toBeNull();
  expect(await acceptFoundRun(store, toPlan('b', 2), at)).toEqual({ run, overrun: null });
});

test('a run that is forgotten has cost what it has cost, and a refused one can be submitted again', async () => {
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

test('the budget as it stands before a submission', async () => {
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
