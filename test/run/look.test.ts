import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOrchestrator, type Orchestrator } from '../../src/index.ts';
import { Failure } from '../../src/errors.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { advance } from '../../src/run/advance.ts';
import { lookAtRuns } from '../../src/run/look.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { acceptRun, createMemoryDriver, createMemoryService, toMemoryPlan, type MemoryService } from './memory-provider.ts';

const startMs = Date.parse('2026-01-01T00:00:00.000Z');

interface Fixture {
  readonly orchestrator: Orchestrator;
  readonly service: MemoryService;
  passMs(ms: number): void;
  countPolls(): number;
}

/** A submitted run whose job is not seen yet; the service is asked again after 10 s at the earliest. */
async function submit(change: (provider: Provider) => Provider = (provider) => provider): Promise<Fixture> {
  const service = createMemoryService();
  const { training } = service.provider;
  const slow: Provider = {
    ...service.provider,
    training: { ...training, observe: async (...args) => ({ ...(await training.observe(...args)), nextInMs: 10_000 }) },
  };
  let nowMs = startMs;
  const options = { dir: join(createScratchFolder(), 'state'), providers: [change(slow)], now: () => new Date(nowMs) };
  const orchestrator = await createOrchestrator(options);
  await orchestrator.submit(
    await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=any']),
  );
  return {
    orchestrator,
    service,
    passMs: (ms) => void (nowMs += ms),
    countPolls: () => service.calls.filter((call) => call === 'observe').length,
  };
}

test('a list sees the end of a run without being told to look, and asks no earlier than it is due', async () => {
  const { orchestrator, service, passMs, countPolls } = await submit();
  expect(await orchestrator.list()).toMatchObject([{ status: { phase: 'running' }, terminal: false, observed: { stale: false } }]);
  service.status = { phase: 'succeeded', raw: 'done' };
  expect(await orchestrator.list()).toMatchObject([{ terminal: false }]);
  expect(countPolls()).toBe(1);
  passMs(10_001);
  expect(await orchestrator.list(undefined, { look: 'never' })).toMatchObject([
    { terminal: false, observed: { at: '2026-01-01T00:00:00.000Z' } },
  ]);
  expect(await orchestrator.list()).toMatchObject([{ terminal: true, ok: true }]);
  expect(countPolls()).toBe(2);
  await orchestrator.list();
  expect(countPolls()).toBe(2); // nothing happens to it any more
});

test('a forced look asks although it is too early', async () => {
  const { orchestrator, service } = await submit();
  await orchestrator.list();
  service.status = { phase: 'succeeded', raw: 'done' };
  expect(await orchestrator.list('sentiment', { look: 'now' })).toMatchObject([{ terminal: true }]);
});

test.each([
  ['view', async ({ orchestrator }: Fixture) => expect(await orchestrator.run('sentiment').view()).toMatchObject({ terminal: true })],
  ['logs', async ({ orchestrator }: Fixture) => expect(await orchestrator.run('sentiment').logs()).toEqual([])],
  ['metrics', async ({ orchestrator }: Fixture) => expect(await orchestrator.run('sentiment').metrics()).toEqual([])],
  ['compare', async ({ orchestrator }: Fixture) => await expect(orchestrator.compare('sentiment')).rejects.toThrow('has no tuned model')],
])('%s of a run that may have ended looks first', async (_, ask) => {
  const fixture = await submit();
  fixture.service.status = { phase: 'succeeded', raw: 'done' };
  await ask(fixture);
  expect(fixture.countPolls()).toBe(1);
  expect(await fixture.orchestrator.list(undefined, { look: 'never' })).toMatchObject([{ terminal: true }]);
});

test('where the rate limit leaves no request now, a list is what was seen last', async () => {
  const { orchestrator, passMs, countPolls } = await submit((provider) => ({ ...provider, rate: { perSecond: 0.001, burst: 1 } }));
  await orchestrator.list();
  passMs(20_000);
  const before = performance.now();
  expect(await orchestrator.list()).toMatchObject([{ status: { phase: 'running' } }]);
  expect(performance.now() - before).toBeLessThan(4000);
  expect(countPolls()).toBe(1);
  passMs(1_000_000); // the bucket has filled
  await orchestrator.list();
  expect(countPolls()).toBe(2);
});

test('a service that fails does not keep a list from being shown', async () => {
  const observe = async (): Promise<never> => await Promise.reject(new Failure('service-unreachable', 'no connection'));
  const { orchestrator } = await submit((provider) => ({ ...provider, training: { ...provider.training, observe } }));
  expect(await orchestrator.list()).toMatchObject([{ status: { phase: 'submitted' }, observed: { error: { message: 'no connection' } } }]);
});

test('a look that takes too long leaves the run as it was seen last; an interruption is none', async () => {
  const store = openStore(createScratchFolder());
  const [limit, user] = [new AbortController(), new AbortController()];
  const { provider } = createMemoryService();
  let onObserve = (): void => {};
  const deaf: Provider = {
    ...provider,
    training: {
      ...provider.training,
      observe: async (_job, _cursor, { signal }) =>
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
          onObserve();
        }),
    },
  };
  const driver = createMemoryDriver(store, deaf, { now: () => new Date(startMs), isPatient: false });
  let run = await acceptRun(store, toMemoryPlan(), new Date(startMs).toISOString());
  while (run.record.job === null) run = await advance(driver, run);
  const limited = { ...driver, context: { ...driver.context, signal: AbortSignal.any([limit.signal, user.signal]) } };
  onObserve = () => limit.abort(new Error('too long'));
  expect(await lookAtRuns(limited, [run], user.signal)).toMatchObject([{ key: run.key, record: { state: 'submitted' } }]);
  const other = { ...driver, context: { ...driver.context, signal: user.signal } };
  onObserve = () => user.abort(new Error('Ctrl-C'));
  await expect(lookAtRuns(other, [run], user.signal)).rejects.toThrow('Ctrl-C');
});
