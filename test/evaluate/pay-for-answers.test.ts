import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keepAnswers } from '../../src/evaluate/stored-answers.ts';
import { readSpending, renewChargeLease, reserve, type Spending } from '../../src/run/budget.ts';
import { startRenewing } from '../../src/run/lease.ts';
import { openStore } from '../../src/store/open-store.ts';
import { runProgram } from '../cli/run-cli.ts';
import { createAnsweringService } from './answering-service.ts';
import { openSmallJob, runSmallJob } from './small-job.ts';

/** The training costs 1 dollar, an answer 0.0012, 24 of them at most 24 * (0.001 + 100 * 0.0001) = 0.264. */
const say = (): string => 'yes';
const answerUsd = 0.0012;
/** Eight of twelve questions at the most that an answer may cost: of work that breaks off nobody knows whether they were answered. */
const underWayUsd = (8 / 12) * 0.132;

async function readMoney(folder: string): Promise<Spending> {
  const store = openStore(join(folder, 'state'));
  const spending = await readSpending(store, 'small', null);
  await store.destroy();
  return spending;
}

test.each([
  ['nothing says how much', {}, {}, /^24 answers would cost \$0\.024 to \$0\.27, by prices of 2026-01-01, and nothing says how much/],
  ['the flag allows less', {}, { maxUsd: 0.26 }, /--max-usd allows \$0\.26; nothing was asked$/],
  ['the budget has less left', { budget: { usd: 1.26 } }, {}, /^the job "small" has a budget of \$1\.26: \$1\.00 spent/],
  ['the budget has less left than the flag', { budget: { usd: 1.26 } }, { maxUsd: 9 }, /has a budget of \$1\.26/],
  ['the flag allows less than the budget', { budget: { usd: 9 } }, { maxUsd: 0.26 }, /--max-usd allows \$0\.26/],
])('refused before anything is asked: %s', async (_, job, options, message) => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider], job);
  await expect(orchestrator.evaluate('small', options)).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: expect.stringMatching(message) as string,
  });
  await expect(
    orchestrator.run('small').predict(
      Array.from({ length: 24 }, (__, i) => ({ text: `${i}` })),
      options,
    ),
  ).rejects.toMatchObject({ code: 'budget-exceeded' });
  expect(asked).toEqual([]);
  expect(await readMoney(folder)).toEqual({ spentUsd: 1, reservedUsd: 0, unknown: 0 });
});

test('the limit that a refusal names is enough', async () => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator } = await runSmallJob([provider]);
  const { hint } = (await orchestrator.evaluate('small').catch((error: unknown) => error)) as { hint: string };
  const [, named] = /--max-usd (\S+),/.exec(hint)!;
  await orchestrator.evaluate('small', { maxUsd: Number(named) });
  expect(asked).toHaveLength(24);
});

test('a price that nobody knows is refused under any limit', async () => {
  const { provider, asked } = createAnsweringService({ price: null, say });
  const { orchestrator } = await runSmallJob([provider]);
  for (const options of [{}, { maxUsd: 100 }]) {
    await expect(orchestrator.evaluate('small', options)).rejects.toMatchObject({
      code: 'budget-exceeded',
      message: 'nobody knows the price of answers of base-paid, base, so that no limit can be kept; nothing was asked',
    });
  }
  expect(await orchestrator.estimate('small')).toBe(null);
  expect(asked).toEqual([]);
});

test('answers that cost nothing need no limit', async () => {
  const { provider, asked } = createAnsweringService({ price: { row: 0, token: 0 }, say });
  const { orchestrator, folder } = await runSmallJob([provider]);
  expect(await orchestrator.estimate('small')).toMatchObject({ low: 0, high: 0 });
  const [comparison] = await orchestrator.evaluate('small');
  expect(asked).toHaveLength(24);
  expect(comparison!.candidates.map(({ cost }) => cost)).toEqual([null, 0, 1]);
  expect(await readMoney(folder)).toMatchObject({ spentUsd: 1, reservedUsd: 0 });
});

test('the estimate of both models is reserved while they are asked; what they cost is settled', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider], { budget: { usd: 1.264 } });
  expect(await orchestrator.estimate('small')).toMatchObject({ low: 0.024, high: expect.closeTo(0.264, 9) as number });
  const seen: Promise<Spending>[] = [];
  service.beforeAnswer = () => void seen.push(readMoney(folder));
  await orchestrator.evaluate('small');
  expect(new Set((await Promise.all(seen)).map(({ reservedUsd }) => reservedUsd))).toEqual(new Set([0.264]));
  expect(await readMoney(folder)).toEqual({ spentUsd: 1 + 0.0288, reservedUsd: 0, unknown: 0 });
});

test('answers whose tokens were not counted cost the most that they can', async () => {
  const { provider } = createAnsweringService({ outputTokens: null, say });
  const { orchestrator, folder } = await runSmallJob([provider], { evaluation: { generation: { maxTokens: 10 } } });
  await orchestrator.evaluate('small', { maxUsd: 1 });
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 24 * 0.002, 9);
});

test('a service that fails half-way: the answers are kept and paid, with those under way, and the rest is asked the next time', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  service.beforeAnswer = (answered) => {
    if (answered === 15) throw new Error('the service went away');
  };
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toThrow('the service went away');
  expect(await readMoney(folder)).toEqual({ spentUsd: expect.closeTo(1 + 0.018 + underWayUsd, 9) as number, reservedUsd: 0, unknown: 0 });
  service.beforeAnswer = () => {};
  expect(await orchestrator.estimate('small')).toMatchObject({ low: expect.closeTo(0.009, 9) as number });
  await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(service.asked).toHaveLength(24);
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 24 * answerUsd + underWayUsd, 9);
});

test('an interrupted evaluation keeps and settles what it has', async () => {
  const service = createAnsweringService({ say });
  const { folder } = await runSmallJob([service.provider]);
  const interrupt = new AbortController();
  await using orchestrator = await openSmallJob(folder, [service.provider], interrupt.signal);
  service.beforeAnswer = (answered) => {
    if (answered === 3) interrupt.abort(new Error('interrupted'));
  };
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toThrow('interrupted');
  expect(await readMoney(folder)).toEqual({
    spentUsd: expect.closeTo(1 + 4 * answerUsd + underWayUsd, 9) as number,
    reservedUsd: 0,
    unknown: 0,
  });
  await using later = await openSmallJob(folder, [service.provider]);
  await later.evaluate('small', { maxUsd: 1 });
  expect(service.asked).toHaveLength(24);
});

test('a process that was killed: its answers are kept, and the next one settles what it had reserved', async () => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider], { budget: { usd: 1.31 } });
  const { stderr } = await runProgram('test/evaluate/killed-evaluation.ts', [folder]);
  expect(stderr).toBe('');
  expect(await readMoney(folder)).toEqual({ spentUsd: 1, reservedUsd: 0.264, unknown: 0 });
  await orchestrator.evaluate('small'); // there is room for the rest only once that is settled
  expect(asked).toHaveLength(24 - 5);
  const { spentUsd, reservedUsd } = await readMoney(folder);
  expect(spentUsd).toBeCloseTo(1 + 24 * answerUsd + underWayUsd, 9);
  expect(reservedUsd).toBe(0);
});

const elsewhere = { job: 'small', workspace: null, usd: 0.5, at: '2026-01-01T00:00:00.000Z', budgetUsd: null } as const;

test('a container that is gone: its reservation is settled once its lease has ended; what has no lease stays reserved', async () => {
  const { provider } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider]);
  const store = openStore(join(folder, 'state'));
  const lease = { owner: 'process 1 on a/container', until: Date.now() - 1, inFlightUsd: 0.1 };
  await reserve(store, { ...elsewhere, purpose: 'evaluation', id: 'gone', lease });
  await reserve(store, { ...elsewhere, purpose: 'training', id: 'a-run' });
  await keepAnswers(store, [
    { id: 'k', answer: 'yes', probabilities: null, truncated: false, paid: { usd: 0.02, charge: 'gone' } },
    { id: 'l', answer: 'yes', probabilities: null, truncated: false, paid: { usd: 0.03, charge: 'another' } },
  ]);
  await store.destroy();
  await orchestrator.evaluate('small', { maxUsd: 1 });
  const { spentUsd, reservedUsd } = await readMoney(folder);
  expect(reservedUsd).toBe(0.5);
  expect(spentUsd).toBeCloseTo(1 + 0.12 + 24 * answerUsd, 9);
});

test('an evaluation on another machine that lives is not disturbed', async () => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider]);
  const store = openStore(join(folder, 'state'));
  const terms = { leaseMs: 1000, now: () => new Date() };
  const lease = { owner: 'process 1 on elsewhere', until: Date.now() + terms.leaseMs, inFlightUsd: 0.1 };
  await reserve(store, { ...elsewhere, purpose: 'evaluation', id: 'lives', lease });
  const stop = startRenewing(terms, async (until) => await renewChargeLease(store, 'lives', until));
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toMatchObject({
    code: 'store-locked',
    message: 'another evaluation of the job "small" is running (process 1 on elsewhere); nothing was asked',
  });
  expect(asked).toEqual([]);
  stop();
  await store.destroy();
  await orchestrator.evaluate('small', { maxUsd: 1 }); // waits until the lease has ended
  expect(asked).toHaveLength(24);
});

test('two evaluations at once do not pay for the same answers', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  await using other = await openSmallJob(folder, [service.provider]);
  const refused: unknown[] = [];
  service.beforeAnswer = async (answered) => {
    if (answered % 12 === 0) refused.push(await other.evaluate('small', { maxUsd: 1 }).catch((error: unknown) => error));
  };
  await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(refused).toMatchObject([{ code: 'store-locked' }, { code: 'store-locked' }]);
  expect(service.asked).toHaveLength(24);
  expect(await readMoney(folder)).toEqual({ spentUsd: 1 + 0.0288, reservedUsd: 0, unknown: 0 });
  await other.evaluate('small');
});

test('a text may be asked while an evaluation is under way', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  service.beforeAnswer = async () => {
    service.beforeAnswer = () => {}; // the text's own answer comes here too
    await orchestrator.run('small/paid').predict([{ text: 'another' }], { maxUsd: 1 });
  };
  await orchestrator.evaluate('small', { maxUsd: 1 });
  expect(service.asked).toHaveLength(25);
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 25 * answerUsd, 9);
});
