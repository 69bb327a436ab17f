import { join } from 'node:path';
import { expect, test } from 'vitest';
import { storeAnswers } from '../../src/evaluate/answers.ts';
import { listLeasedCharges, readSpending, renewChargeLease, reserve, type Spending } from '../../src/run/budget.ts';
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
  [
    'nothing says how much',
    {},
    {},
    /^24 answers would cost \$0\.024 to \$0\.27 \(prices of 2026-01-01\), and no spending limit is set; nothing was sent$/,
  ],
  ['the flag allows less', {}, { maxUsd: 0.26 }, /--max-usd allows \$0\.26; nothing was sent$/],
  ['the budget has less left', { budget: { usd: 1.26 } }, {}, /^the job "small" has a budget of \$1\.26: \$1\.00 spent/],
  ['the budget has less left than the flag', { budget: { usd: 1.26 } }, { maxUsd: 9 }, /has a budget of \$1\.26/],
  ['the flag allows less than the budget', { budget: { usd: 9 } }, { maxUsd: 0.26 }, /--max-usd allows \$0\.26/],
])('refused before anything is sent: %s', async (_, job, options, message) => {
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

test('the limit that a refusal suggests is enough', async () => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator } = await runSmallJob([provider]);
  const { hint } = (await orchestrator.evaluate('small').catch((error: unknown) => error)) as { hint: string };
  const [, named] = /--max-usd (\S+),/.exec(hint)!;
  await orchestrator.evaluate('small', { maxUsd: Number(named) });
  expect(asked).toHaveLength(24);
});

test('an unknown price is refused under any limit', async () => {
  const { provider, asked } = createAnsweringService({ price: null, say });
  const { orchestrator } = await runSmallJob([provider]);
  for (const options of [{}, { maxUsd: 100 }]) {
    await expect(orchestrator.evaluate('small', options)).rejects.toMatchObject({
      code: 'budget-exceeded',
      message: 'no price is known for answers of base-paid, base, so that no spending limit holds; nothing was sent',
      hint: expect.stringContaining('{"base-paid": {"input": …, "output": …}, "base": {') as string,
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

test('the estimate of both models is reserved while they answer; then the actual cost is settled', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider], { budget: { usd: 1.264 } });
  expect(await orchestrator.estimate('small')).toMatchObject({ low: 0.024, high: expect.closeTo(0.264, 9) as number });
  const seen: Promise<Spending>[] = [];
  service.beforeAnswer = () => void seen.push(readMoney(folder));
  await orchestrator.evaluate('small');
  expect(new Set((await Promise.all(seen)).map(({ reservedUsd }) => reservedUsd))).toEqual(new Set([0.264]));
  expect(await readMoney(folder)).toEqual({ spentUsd: 1 + 0.0288, reservedUsd: 0, unknown: 0 });
});

test('answers without a count of tokens have the highest possible price', async () => {
  const { provider } = createAnsweringService({ outputTokens: null, say });
  const { orchestrator, folder } = await runSmallJob([provider], { evaluation: { generation: { maxTokens: 10 } } });
  await orchestrator.evaluate('small', { maxUsd: 1 });
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 24 * 0.002, 9);
});

/** An answer of 50,000 tokens costs 0.001 + 50,000 * 0.0001. */
const dearUsd = 5.001;

test.each([
  ['the flag', {}, { maxUsd: 0.3 }],
  ['the budget', { budget: { usd: 1.3 } }, {}],
])(
  'a service that knows no limit of tokens: its first answer shows it, %s stops the others, and what was billed is booked',
  async (_, job, options) => {
    const service = createAnsweringService({ say, outputTokens: 50_000 });
    const { orchestrator, folder } = await runSmallJob([service.provider], job);
    const stopped = orchestrator.evaluate('small', options);
    await expect(stopped).rejects.toMatchObject({
      code: 'budget-exceeded',
      message: 'one answer has cost $5.001, where all together were to cost $0.264 at most; no more were asked',
    });
    expect(service.asked).toHaveLength(1);
    expect(await readMoney(folder)).toEqual({ spentUsd: 1 + dearUsd, reservedUsd: 0, unknown: 0 });
    await expect(orchestrator.evaluate('small', { maxUsd: 0.3 })).rejects.toMatchObject({ code: 'budget-exceeded' });
  },
);

test('answers that cost more than was quoted, and no more than may be spent, are asked to the end: so much is reserved meanwhile', async () => {
  const service = createAnsweringService({ say, outputTokens: 150 });
  const { orchestrator, folder } = await runSmallJob([service.provider], { budget: { usd: 1.5 } });
  const seen: Promise<Spending>[] = [];
  service.beforeAnswer = () => void seen.push(readMoney(folder));
  await orchestrator.evaluate('small');
  const reserved = (await Promise.all(seen)).map(({ reservedUsd }) => reservedUsd);
  expect(reserved[0]).toBeCloseTo(0.264, 9);
  expect(reserved.at(-1)).toBeCloseTo(24 * 0.016, 4);
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 24 * 0.016, 9);
});

test('the last answer that costs too much is said too', async () => {
  let answers = 0;
  const service = createAnsweringService({ say: () => (++answers < 24 ? 'yes' : 'x'.repeat(80_000)), outputTokens: null });
  const { orchestrator, folder } = await runSmallJob([service.provider], { evaluation: { generation: { maxTokens: 10 } } });
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toThrow(/^24 answers have cost/);
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 23 * 0.002 + 1.001, 9);
});

test('a request that was lost may be billed: it is booked with the answer that came later', async () => {
  const service = createAnsweringService({ say, lostRequests: 2 });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  await orchestrator.evaluate('small', { maxUsd: 9 });
  expect((await readMoney(folder)).spentUsd).toBeCloseTo(1 + 24 * (answerUsd + 2 * 0.011), 9);
});

test('a service that fails half-way: its answers are stored and paid, with those under way, and the others are fetched the next time', async () => {
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

test('an interrupted evaluation keeps and settles its answers', async () => {
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

test('a process that was killed: its answers are stored, and the next one settles its reservation', async () => {
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

test('a container that is gone: its reservation is settled once its lease has ended; a charge without a lease stays reserved', async () => {
  const { provider } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider]);
  const store = openStore(join(folder, 'state'));
  const lease = { owner: 'process 1 on a/container', until: Date.now() - 1, inFlightUsd: 0.1 };
  await reserve(store, { ...elsewhere, purpose: 'evaluation', id: 'gone', lease });
  await reserve(store, { ...elsewhere, purpose: 'training', id: 'a-run' });
  await storeAnswers(store, [
    { id: 'k', answer: 'yes', probabilities: null, truncated: false, paid: { usd: 0.02, charge: 'gone' } },
    { id: 'l', answer: 'yes', probabilities: null, truncated: false, paid: { usd: 0.03, charge: 'another' } },
  ]);
  await store.destroy();
  await orchestrator.evaluate('small', { maxUsd: 1 });
  const { spentUsd, reservedUsd } = await readMoney(folder);
  expect(reservedUsd).toBe(0.5);
  expect(spentUsd).toBeCloseTo(1 + 0.12 + 24 * answerUsd, 9);
});

test('an evaluation that runs on another machine is not disturbed', async () => {
  const { provider, asked } = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([provider]);
  const store = openStore(join(folder, 'state'));
  const terms = { leaseMs: 1000, now: () => new Date() };
  const lease = { owner: 'process 1 on elsewhere', until: Date.now() + terms.leaseMs, inFlightUsd: 0.1 };
  await reserve(store, { ...elsewhere, purpose: 'evaluation', id: 'lives', lease });
  const stop = startRenewing(terms, async (until) => await renewChargeLease(store, 'lives', until));
  await expect(orchestrator.evaluate('small', { maxUsd: 1 })).rejects.toMatchObject({
    code: 'store-locked',
    message: 'another evaluation of the job "small" is running (process 1 on elsewhere); nothing was sent',
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

test('two evaluations that begin in the same moment: one is refused, the other goes on', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  await using other = await openSmallJob(folder, [service.provider]);
  const refused = Promise.withResolvers<unknown>();
  service.beforeAnswer = async () => void (await refused.promise);
  const both = [orchestrator, other].map(async (one) => await one.evaluate('small', { maxUsd: 1 }));
  for (const evaluation of both) evaluation.catch(refused.resolve);
  expect(await refused.promise).toMatchObject({ code: 'store-locked' });
  expect((await Promise.allSettled(both)).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(service.asked).toHaveLength(24);
  expect(await readMoney(folder)).toEqual({ spentUsd: 1 + 0.0288, reservedUsd: 0, unknown: 0 });
});

test('an evaluation renews its lease while it runs', async () => {
  const service = createAnsweringService({ say });
  const { orchestrator, folder } = await runSmallJob([service.provider]);
  const store = openStore(join(folder, 'state'));
  const readLease = async (): Promise<number> => (await listLeasedCharges(store, { job: 'small', workspace: null }))[0]!.until;
  service.beforeAnswer = async (answered) => {
    if (answered > 0) return;
    const first = await readLease();
    await expect.poll(readLease, { timeout: 5000 }).toBeGreaterThan(first);
  };
  await orchestrator.evaluate('small', { maxUsd: 1 });
  await store.destroy();
  expect(service.asked).toHaveLength(24);
});

test('a text may be answered while an evaluation runs', async () => {
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
