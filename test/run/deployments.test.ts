import { expect, onTestFinished, test } from 'vitest';
import type { EndpointModel } from '../../src/provider/model.ts';
import { defineProvider, type Quote } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure } from '../../src/errors.ts';
import { readSpending } from '../../src/run/budget.ts';
import { cleanRuns } from '../../src/run/clean.ts';
import { deployRun, findDeployable, undeployRun } from '../../src/run/deployments.ts';
import type { Driver } from '../../src/run/workspace.ts';
import { appendEvents, findRun, type StoredRun } from '../../src/run/run-store.ts';
import { toRunView } from '../../src/run/run-view.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan } from './memory-provider.ts';

const startMs = Date.parse('2026-01-01T00:00:00.000Z');
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const tuned: EndpointModel = { kind: 'endpoint', identity: 'memory tuned', location: 'memory', name: 'tuned', base: 'base' };

interface Settings {
  readonly usdPerHour?: number | null;
  readonly budgetUsd?: number | null;
  readonly name?: string;
}

interface Fixture {
  readonly store: Store;
  readonly driver: Driver;
  /** What the service was asked, and what is deployed at it. */
  readonly calls: string[];
  readonly deployed: Set<string>;
  /** Runs with each `deploy`, before the service has done it; may throw. */
  onDeploy: (() => Promise<void>) | null;
  onUndeploy: (() => Promise<void>) | null;
  nowMs: number;
  run(): Promise<StoredRun>;
  spending(): Promise<string>;
}

/** A run that has ended well, at a service in memory that deploys its models. */
async function createFixture({ usdPerHour = 2, budgetUsd = 10, name = 'a' }: Settings = {}): Promise<Fixture> {
  const store = openStore(createScratchFolder());
  onTestFinished(async () => await store.destroy());
  const provider = defineProvider({
    ...createMemoryService().provider,
    deployments: {
      ...createMemoryService().provider.deployments,
      async deploy(model: EndpointModel, called: string) {
        fixture.calls.push(`deploy ${called}`);
        await fixture.onDeploy?.();
        fixture.deployed.add(called);
        return { ...model, name: called };
      },
      async undeploy(_model: EndpointModel, called: string) {
        fixture.calls.push(`undeploy ${called}`);
        await fixture.onUndeploy?.();
        fixture.deployed.delete(called);
      },
      async quote(): Promise<Quote | null> {
        const price = { currency: 'USD', low: 0, high: usdPerHour ?? 0, source: 'a price list', asOf: null } as const;
        return await Promise.resolve(usdPerHour === null ? null : price);
      },
    },
  });
  const now = (): Date => new Date(fixture.nowMs);
  const plan = toMemoryPlan(name);
  const { key } = await acceptRun(
    store,
    { ...plan, spec: { ...plan.spec, budget: { usd: budgetUsd, hours: null } }, quote: toFree() },
    now0,
  );
  const job = { provider: 'memory', id: '1', location: '', attempt: 1, createdAt: now0, url: null };
  await appendEvents(store, key, {
    events: [
      { type: 'job-adopted', job },
      { type: 'status-changed', status: { phase: 'succeeded', raw: 'done' }, startedAt: null, finishedAt: null },
      { type: 'artifact-found', artifact: { kind: 'endpoint', uri: 'memory:tuned', sha256: null, model: tuned } },
    ],
    at: now0,
    fence: null,
  });
  const driver = createMemoryDriver(store, provider, { now, leaseMs: minuteMs });
  const fixture: Fixture = {
    store,
    driver,
    calls: [],
    deployed: new Set(),
    onDeploy: null,
    onUndeploy: null,
    nowMs: startMs,
    run: async () => (await findRun(store, key))!,
    async spending() {
      const { spentUsd, reservedUsd } = await readSpending(store, 'job', null);
      return `${spentUsd} spent, ${reservedUsd} reserved`;
    },
  };
  return fixture;
}

const now0 = new Date(startMs).toISOString();
const toFree = (): Quote => ({ currency: 'USD', low: 0, high: 0, source: 'free', asOf: null });
const name = `orchestrate-${'a'.repeat(16)}`;

test('intent and reservation are stored before the service is called; the cost is settled at the end', async () => {
  const fixture = await createFixture();
  const { driver } = fixture;
  fixture.onDeploy = async () => {
    expect((await fixture.run()).record.deployment).toMatchObject({ name, since: now0, usdPerHour: 2, model: null });
    expect(await fixture.spending()).toBe('0 spent, 4 reserved');
  };
  const run = await deployRun(driver, await fixture.run(), { hours: 2 });
  expect(run.record.deployment).toMatchObject({
    until: new Date(startMs + 2 * hourMs - minuteMs).toISOString(),
    model: { ...tuned, name },
  });
  expect(run.record.state).toBe('succeeded');
  fixture.nowMs += hourMs + 1;
  const ended = await undeployRun(driver, run);
  expect(ended).toMatchObject({ usd: 4, run: { record: { deployment: null, artifacts: [{ model: tuned }] } } });
  expect(await fixture.spending()).toBe('4 spent, 0 reserved');
  expect(await undeployRun(driver, ended.run)).toMatchObject({ usd: null });
  expect(fixture.calls).toEqual([`deploy ${name}`, `undeploy ${name}`]);
});

test.each([
  [0.01, 2, 36_000 * 0.95],
  [1, 2, hourMs - minuteMs],
  [1.5, 4, 1.5 * hourMs - minuteMs],
  [24, 48, 24 * hourMs - minuteMs],
])('%d hours reserve whole hours, %d dollars, and are over before another one begins', async (hours, usd, lifeMs) => {
  const fixture = await createFixture({ budgetUsd: usd });
  const { deployment } = (await deployRun(fixture.driver, await fixture.run(), { hours })).record;
  expect(await fixture.spending()).toBe(`0 spent, ${usd} reserved`);
  expect(Date.parse(deployment!.until) - startMs).toBe(lifeMs);
  fixture.nowMs = Date.parse(deployment!.until) + 30_000 * Math.min(1, hours);
  expect(await undeployRun(fixture.driver, await fixture.run())).toMatchObject({ usd });
});

test.each<[string, Settings, { maxUsd?: number }, RegExp]>([
  ['a budget that is too small', { budgetUsd: 3.9 }, {}, /has a budget of \$3\.90: .* the deployment would need up to \$4\.00/],
  ['no budget and no limit', { budgetUsd: null }, {}, /up to \$4\.00, and no limit is set; nothing was started/],
  ['a limit that is too low', {}, { maxUsd: 3 }, /up to \$4\.00, and --max-usd allows \$3\.00/],
  ['an unknown price', { usdPerHour: null }, { maxUsd: 100 }, /the price of an hour of tuned is unknown/],
])('%s: nothing is sent, reserved or written', async (_word, settings, limits, message) => {
  const fixture = await createFixture(settings);
  const before = await fixture.run();
  await expect(deployRun(fixture.driver, before, { hours: 2, ...limits })).rejects.toMatchObject({
    code: 'budget-exceeded',
    message: expect.stringMatching(message) as string,
  });
  expect(fixture.calls).toEqual([]);
  expect(await fixture.spending()).toBe('0 spent, 0 reserved');
  expect(await fixture.run()).toEqual(before);
});

test('a limit of the command replaces a missing budget, and a free deployment needs neither', async () => {
  const limited = await createFixture({ budgetUsd: null });
  await deployRun(limited.driver, await limited.run(), { hours: 2, maxUsd: 4 });
  expect(await limited.spending()).toBe('0 spent, 4 reserved');
  const free = await createFixture({ budgetUsd: null, usdPerHour: 0 });
  expect(await undeployRun(free.driver, await deployRun(free.driver, await free.run(), { hours: 2 }))).toMatchObject({ usd: 0 });
  expect(await free.spending()).toBe('0 spent, 0 reserved');
});

test('a definite refusal leaves nothing; a deployment that may exist keeps its intent and reservation, and continues', async () => {
  const fixture = await createFixture();
  const { driver } = fixture;
  fixture.onDeploy = async () =>
    await Promise.reject(new SubmitFailure('refused', new Failure('request-refused', 'no quota', { hint: 'ask for more' })));
  await expect(deployRun(driver, await fixture.run(), { hours: 1 })).rejects.toMatchObject({
    name: 'Failure',
    code: 'request-refused',
    message: 'no quota',
    hint: 'ask for more',
  });
  expect((await fixture.run()).record.deployment).toBeNull();
  expect(await fixture.spending()).toBe('0 spent, 0 reserved');

  fixture.onDeploy = async () => await Promise.reject(new Failure('timeout', 'no answer'));
  await expect(deployRun(driver, await fixture.run(), { hours: 1 })).rejects.toMatchObject({ code: 'timeout' });
  expect(await fixture.spending()).toBe('0 spent, 2 reserved');
  // Refused now, but an earlier call may have made it.
  fixture.onDeploy = async () => await Promise.reject(new SubmitFailure('no', new Failure('service-unreachable', 'no network')));
  await expect(deployRun(driver, await fixture.run(), { hours: 1 })).rejects.toMatchObject({ code: 'service-unreachable' });
  const { deployment } = (await fixture.run()).record;
  expect(deployment).toMatchObject({ name, model: null });

  fixture.onDeploy = null;
  fixture.nowMs += 1000;
  const run = await deployRun(driver, await fixture.run(), { hours: 9 });
  expect(run.record.deployment).toEqual({ ...deployment, model: { ...tuned, name } });
  expect(await fixture.spending()).toBe('0 spent, 2 reserved');
  expect([...fixture.deployed]).toEqual([name]);
});

test('two at once make one deployment, which is paid for once', async () => {
  const fixture = await createFixture();
  const run = await fixture.run();
  const runs = await Promise.all([deployRun(fixture.driver, run, { hours: 1 }), deployRun(fixture.driver, run, { hours: 1 })]);
  expect(new Set(runs.map(({ record }) => record.deployment!.charge)).size).toBe(1);
  expect(await fixture.spending()).toBe('0 spent, 2 reserved');
  expect([...fixture.deployed]).toEqual([name]);
});

test('a deployment that another process ends while it starts does not stay', async () => {
  const fixture = await createFixture();
  fixture.onDeploy = async () => void (await undeployRun(fixture.driver, await fixture.run()));
  await expect(deployRun(fixture.driver, await fixture.run(), { hours: 1 })).rejects.toMatchObject({ code: 'store-locked' });
  expect([...fixture.deployed]).toEqual([]);
  expect((await fixture.run()).record.deployment).toBeNull();
});

test('an undeployment that fails changes nothing, and can be repeated', async () => {
  const fixture = await createFixture();
  const run = await deployRun(fixture.driver, await fixture.run(), { hours: 1 });
  fixture.onUndeploy = async () => await Promise.reject(new Failure('service-unavailable', 'no'));
  await expect(undeployRun(fixture.driver, run)).rejects.toMatchObject({ code: 'service-unavailable' });
  expect((await fixture.run()).record.deployment).toEqual(run.record.deployment);
  expect(await fixture.spending()).toBe('0 spent, 2 reserved');
  fixture.onUndeploy = null;
  fixture.nowMs += 3 * hourMs;
  expect(await undeployRun(fixture.driver, await fixture.run())).toMatchObject({ usd: 6 });
  expect(await fixture.spending()).toBe('6 spent, 0 reserved');
});

test('the view shows the deployment, its cost and when it is overdue; a deployed run is not deleted', async () => {
  const fixture = await createFixture();
  const run = await deployRun(fixture.driver, await fixture.run(), { hours: 1 });
  const toDeployment = (ms: number): unknown => toRunView(run, new Date(startMs + ms)).deployment;
  const until = new Date(startMs + hourMs - minuteMs).toISOString();
  const shown = { name, isUp: true, since: now0, until, usdPerHour: 2 };
  expect(toDeployment(hourMs - minuteMs)).toEqual({ ...shown, usd: 2, overdue: false });
  expect(toDeployment(hourMs + 1)).toEqual({ ...shown, usd: 4, overdue: true });
  expect(toRunView(run, new Date()).outputs).toMatchObject([{ callAs: name }]);
  expect(await cleanRuns({ ...fixture.driver, dir: createScratchFolder() }, { dryRun: false })).toEqual([]);
  const { run: ended } = await undeployRun(fixture.driver, run);
  expect(toRunView(ended, new Date())).toMatchObject({ deployment: null, outputs: [{ callAs: 'tuned' }] });
  expect(await cleanRuns({ ...fixture.driver, dir: createScratchFolder() }, { dryRun: false })).toHaveLength(1);
});

test('only a run whose model needs it is deployed, and one of several has to be named', async () => {
  const fixture = await createFixture();
  const run = await fixture.run();
  const plain: Driver = { ...fixture.driver, provider: () => createMemoryService().provider };
  await expect(deployRun(plain, run, { hours: 1 })).rejects.toMatchObject({ code: 'usage', message: /needs no deployment/ });
  expect(findDeployable(fixture.driver, [run])).toBe(run);
  expect(() => findDeployable(fixture.driver, [run, run])).toThrow('expected one run whose model has to be deployed, found job/a, job/a');
  const unended = await acceptRun(fixture.store, toMemoryPlan('b'), now0);
  await expect(deployRun(fixture.driver, unended, { hours: 1 })).rejects.toMatchObject({ code: 'run-not-found' });
  expect(fixture.calls).toEqual([]);
});
