import { expect, onTestFinished, test } from 'vitest';
import { advance } from '../../src/run/advance.ts';
import { readSpending } from '../../src/run/budget.ts';
import type { Driver } from '../../src/run/workspace.ts';
import type { RunPlan } from '../../src/run/event.ts';
import { findRun, type StoredRun } from '../../src/run/run-store.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan } from './memory-provider.ts';

const at = '2026-01-01T00:00:00.000Z';

interface Fixture {
  readonly store: Store;
  readonly driver: Driver;
  readonly calls: string[];
}

/** A service that names this price once it has the data; null: none. */
function createFixture(getPrice: () => number | null): Fixture {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const { provider, calls } = createMemoryService();
  const quotePrepared = async (): Promise<Quote | null> => {
    calls.push('quote');
    const usd = getPrice();
    return await Promise.resolve(usd === null ? null : { currency: 'USD', low: usd, high: usd, source: 'the service', asOf: null });
  };
  const discard = async (): Promise<void> => await Promise.resolve(void calls.push('discard'));
  const late = { ...provider, training: { ...provider.training, quotePrepared, discard } };
  const wait = async (): Promise<void> => await Promise.resolve();
  return { store, calls, driver: createMemoryDriver(store, late, { now: () => new Date(at), wait, mayCreate: true, owner: 'worker' }) };
}

function toPlan(budgetUsd: number | null): RunPlan {
  const plan = toMemoryPlan();
  return { ...plan, quote: null, isPricedLate: true, spec: { ...plan.spec, budget: { ...plan.spec.budget, usd: budgetUsd } } };
}

async function submit({ driver }: Fixture, run: StoredRun): Promise<StoredRun> {
  for (let steps = 0; steps < 20 && ['accepted', 'preparing', 'submitting'].includes(run.record.state); steps++)
    run = await advance(driver, run);
  return run;
}

test('the price is asked for after the upload and reserved before the call that may cost', async () => {
  const fixture = createFixture(() => 2);
  const accepted = await acceptRun(fixture.store, toPlan(5), at);
  const { job, workspace } = accepted.record.plan.spec;
  expect(await readSpending(fixture.store, job, workspace)).toEqual({ spentUsd: 0, reservedUsd: 0, unknown: 0 });
  const run = await submit(fixture, accepted);
  expect(run.record.state).toBe('submitted');
  expect(fixture.calls).toEqual(['find', 'prepare 1', 'find', 'quote', 'create 1']);
  expect(run.record.plan).toMatchObject({ quote: { high: 2 } });
  expect(run.record.plan.isPricedLate).toBeUndefined();
  expect(await readSpending(fixture.store, job, workspace)).toEqual({ spentUsd: 0, reservedUsd: 2, unknown: 0 });
});

test.each<[string, number | null, RegExp]>([
  ['a price above the budget', 6, /budget of \$5\.00: \$0\.00 spent and \$0\.00 reserved, target .* up to \$6\.00/],
  ['a price that stays unknown', null, /budget of \$5\.00, but the price of target .* is unknown/],
])('%s is refused with what was uploaded deleted, and submitted again the run begins anew', async (_, price, message) => {
  let usd = price;
  const fixture = createFixture(() => usd);
  const accepted = await acceptRun(fixture.store, toPlan(5), at);
  await expect(submit(fixture, accepted)).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: expect.stringMatching(message) as string,
  });
  expect(fixture.calls).toEqual(['find', 'prepare 1', 'find', 'quote', 'discard']);
  const refused = (await findRun(fixture.store, accepted.key))!;
  expect(refused.record).toMatchObject({ state: 'accepted', prepared: [], wire: null });
  usd = 1;
  expect((await submit(fixture, refused)).record.state).toBe('submitted');
  expect(fixture.calls.slice(5)).toEqual(['find', 'prepare 1', 'find', 'quote', 'create 1']);
});

test('without a budget an unknown price starts the job, and stays unknown', async () => {
  const fixture = createFixture(() => null);
  const run = await submit(fixture, await acceptRun(fixture.store, toPlan(null), at));
  expect(run.record.state).toBe('submitted');
  const { job, workspace } = run.record.plan.spec;
  expect(await readSpending(fixture.store, job, workspace)).toEqual({ spentUsd: 0, reservedUsd: 0, unknown: 1 });
});
