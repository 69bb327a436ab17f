import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { failureKinds } from '../../src/errors.ts';
import {
  formatUsd,
  readSpending,
  releaseCharge,
  reserve,
  settleCharge,
  toBudgetMicroDollars,
  toMicroDollars,
  toUsd,
  type Charge,
} from '../../src/run/budget.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { runProgram } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';

function createStore(folder = createScratchFolder()): Store {
  const store = openStore(folder);
  onTestFinished(async () => await store.destroy());
  return store;
}

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

test('to reserve the same again changes nothing, to reserve what was released asks again', async () => {
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

test('what was spent is not released, and not reserved again', async () => {
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

test('a price that nobody knows is refused under a budget, and recorded without one', async () => {
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

test('what costs nothing has room in any budget', async () => {
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
  expect(toMicroDollars(usd)).toBe(microDollars);
});

test('a budget is rounded down, a cost up', () => {
  expect(toBudgetMicroDollars(0.0000019)).toBe(1);
  expect(toMicroDollars(0.0000019)).toBe(2);
  expect(toBudgetMicroDollars(0.1 + 0.2)).toBe(300_000);
});

test.each([-1, NaN])('%d is no amount', (usd) => {
  expect(() => toMicroDollars(usd)).toThrow('expected an amount of 0 dollars or more');
});

test('amounts are written so that no digit that matters is lost', () => {
  expect([0, 5, 1234.5, 0.000001, 0.0042].map(formatUsd)).toEqual(['$0.00', '$5.00', '$1,234.50', '$0.000001', '$0.0042']);
  expect(toUsd(1_234_567)).toBe(1.234567);
});
