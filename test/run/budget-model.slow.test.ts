import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { readSpending, releaseCharge, reserve, settleCharge } from '../../src/run/budget.ts';
import type { RunEvent } from '../../src/run/event.ts';
import { acceptRuns } from '../../src/run/accept.ts';
import { appendEvents, deleteRun, findRun } from '../../src/run/run-store.ts';
import { isEnded } from '../../src/run/transitions.ts';
import { openEmptyStore, type Store } from '../../src/store/open-store.ts';
import { toMemoryPlan } from './memory-provider.ts';

/*
 * Any sequence of submissions, costs, ends and predictions, beside a model of one map. Amounts are whole cents up to the price: then the
 * budget must hold to the cent. MODEL_RUNS=20000 MODEL_SEED=7 for more, or others.
 */
const runs = Number(process.env['MODEL_RUNS'] ?? 300);
const seed = Number(process.env['MODEL_SEED'] ?? 1);
const budgetCents = 100;
const at = '2026-01-01T00:00:00.000Z';
const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

const name = fc.constantFrom(...names);
const cents = fc.integer({ min: 0, max: 60 });
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('submit' as const), of: fc.uniqueArray(name, { minLength: 1 }), cents }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('predict' as const), of: name, cents }) },
  // A part of what was set aside, in hundredths.
  { weight: 3, arbitrary: fc.record({ type: fc.constant('cost' as const), of: name, part: fc.integer({ min: 0, max: 100 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('end', 'reject', 'withdraw', 'forget', 'settle', 'release'), of: name }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Entry {
  state: 'reserved' | 'spent' | 'released';
  cents: number;
  /** The price, and the cost as far as it is known. */
  readonly most: number;
  cost: number | null;
  isStored: boolean;
}

const job = { provider: 'memory', id: '1', location: '', attempt: 1, createdAt: at, url: null };
const failure = { code: 'request-refused', cause: 'user', message: 'no', hint: null, retryable: false } as const;
const toSubmission = (end: RunEvent): RunEvent[] => [
  { type: 'submission-prepared', attempt: 1, prepared: {} },
  { type: 'submission-intended', attempt: 1, wire: {}, hash: '' },
  end,
];

/** Performs a command on the store and on the model. A key of the model is a run's, or `predictions` and a name. */
async function perform(store: Store, model: Map<string, Entry>, one: Command): Promise<void> {
  const taken = (): number => [...model.values()].reduce((sum, { state, cents: held }) => sum + (state === 'released' ? 0 : held), 0);
  const toRunPlan = (of: string, most: number): ReturnType<typeof toMemoryPlan> => {
    const plan = toMemoryPlan(of);
    const quote = { currency: 'USD', low: 0, high: most / 100, source: '', asOf: null } as const;
    return { ...plan, quote, spec: { ...plan.spec, budget: { usd: budgetCents / 100, hours: null } } };
  };
  const isPassing = async (act: Promise<unknown>): Promise<boolean> => {
    return await act.then(
      () => true,
      (error: unknown) => {
        if (!isFailure(error, 'budget-exceeded')) throw error;
        return false;
      },
    );
  };
  const expectFit = (passes: boolean, needed: number): void => {
    if (passes !== (needed === 0 || taken() + needed <= budgetCents)) throw new Error(`${needed} beside ${taken()}: passes is ${passes}`);
  };
  const isFresh = (id: string): boolean => (model.get(id)?.state ?? 'released') === 'released';
  const add = (id: string, most: number): void => {
    model.set(id, { state: 'reserved', cents: most, most, cost: null, isStored: true });
  };
  if (one.type === 'submit') {
    const plans = one.of.map((of) => toRunPlan(of, one.cents));
    const fresh = plans.filter(({ key }) => model.get(key)?.isStored !== true);
    const needed = fresh.filter(({ key }) => isFresh(key)).length * one.cents;
    const passes = await isPassing(acceptRuns(store, plans, at));
    expectFit(passes, needed);
    if (!passes) return;
    for (const { key } of fresh) {
      if (isFresh(key)) add(key, one.cents);
      else model.get(key)!.isStored = true;
    }
    return;
  }
  if (one.type === 'predict' || one.type === 'settle' || one.type === 'release') {
    const id = `predictions ${one.of}`;
    const entry = model.get(id);
    if (one.type === 'predict') {
      const needed = isFresh(id) ? one.cents : 0;
      const charge = { id, job: 'job', workspace: null, purpose: 'evaluation', usd: one.cents / 100, at } as const;
      const passes = await isPassing(reserve(store, { ...charge, budgetUsd: budgetCents / 100 }));
      expectFit(passes, needed);
      if (passes && isFresh(id)) add(id, one.cents);
    } else if (entry?.state === 'reserved' && one.type === 'settle') {
      await settleCharge(store, id, entry.most / 200);
      Object.assign(entry, { state: 'spent', cents: entry.most / 2 });
    } else {
      await releaseCharge(store, id);
      if (entry?.state === 'reserved') entry.state = 'released';
    }
    return;
  }
  const { key } = toMemoryPlan(one.of);
  const run = await findRun(store, key);
  const entry = model.get(key);
  if (run === null || entry === undefined) return;
  const { state } = run.record;
  const append = async (events: readonly RunEvent[]): Promise<void> => void (await appendEvents(store, key, { events, at, fence: null }));
  switch (one.type) {
    case 'cost':
      if (state === 'rejected' || (state === 'cancelled' && run.record.job === null) || run.record.plan.quote?.high !== entry.most / 100)
        return;
      if (state === 'accepted') await append(toSubmission({ type: 'job-submitted', job }));
      entry.cost = (entry.most * one.part) / 100;
      await append([{ type: 'cost-known', cost: { usd: entry.cost / 100, source: 'tokens' } }]);
      if (isEnded(state)) Object.assign(entry, { state: 'spent', cents: entry.cost });
      return;
    case 'end':
      if (isEnded(state)) return;
      if (state === 'accepted') await append(toSubmission({ type: 'job-submitted', job }));
      await append([{ type: 'status-changed', status: { phase: 'failed', raw: 'failed' }, startedAt: null, finishedAt: null }]);
      if (run.record.cost !== null) Object.assign(entry, { state: 'spent', cents: run.record.cost.usd * 100 });
      else if (run.record.plan.quote?.high === 0) Object.assign(entry, { state: 'spent', cents: 0 });
      return;
    case 'reject':
    case 'withdraw':
      if (state !== 'accepted') return;
      await append(
        one.type === 'withdraw' ? [{ type: 'run-withdrawn' }] : toSubmission({ type: 'submission-rejected', attempt: 1, failure }),
      );
      entry.state = 'released';
      return;
    case 'forget':
      if (!isEnded(state)) return;
      await deleteRun(store, key);
      entry.isStored = false;
      return;
    default:
      return;
  }
}

test(`no sequence of submissions, costs and ends exceeds the budget or loses a charge (seed ${seed})`, async () => {
  const reached = new Set<string>();
  const property = fc.asyncProperty(fc.array(command, { maxLength: 40, size: 'max' }), async (commands) => {
    const store = openEmptyStore();
    const model = new Map<string, Entry>();
    for (const one of commands) {
      await perform(store, model, one);
      const { spentUsd, reservedUsd } = await readSpending(store, 'job', null);
      expect(spentUsd + reservedUsd).toBeLessThanOrEqual(budgetCents / 100 + 1e-9);
      const sum = (state: Entry['state']): number => {
        return [...model.values()].reduce((cents_, entry) => cents_ + (entry.state === state ? entry.cents : 0), 0);
      };
      expect(spentUsd).toBeCloseTo(sum('spent') / 100, 5);
      expect(reservedUsd).toBeCloseTo(sum('reserved') / 100, 5);
      for (const { state } of model.values()) reached.add(state);
    }
    await store.destroy();
  });
  await fc.assert(property, { numRuns: runs, seed });
  expect([...reached].sort()).toEqual(['released', 'reserved', 'spent']);
}, 120_000);
