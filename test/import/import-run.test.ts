import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createOrchestrator, type Orchestrator } from '../../src/orchestrator.ts';
import { readSpending } from '../../src/run/budget.ts';
import { acceptRuns } from '../../src/run/accept.ts';
import { startSandbox, type RequestKind, type Sandbox, type SandboxOptions } from '../../src/sandbox/main.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { createJob, deleteFile, toChatText, toPreferenceText, uploadText, type Asking } from './service-jobs.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const paying: readonly RequestKind[] = ['upload', 'create', 'delete', 'cancel', 'pause', 'resume', 'chat', 'deploy'];

interface Fixture {
  readonly sandbox: Sandbox;
  readonly folder: string;
  readonly asking: Asking;
  open(): Promise<Orchestrator>;
  /** Requests that change something, since the last time. */
  takeWrites(): RequestKind[];
}

async function createFixture(dialect: 'openai' | 'azure' = 'openai', options: SandboxOptions = {}): Promise<Fixture> {
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date('2026-11-25T12:00:00Z'), seed: 5, ...options });
  onTestFinished(async () => await sandbox.close());
  const folder = createScratchFolder();
  let from = 0;
  return {
    sandbox,
    folder,
    asking: { sandbox, apiKey: sandbox.env.OPENAI_API_KEY, dialect },
    open: async () =>
      await createOrchestrator({ dir: join(folder, 'state'), from: folder, environment: { ...sandbox.env, ...sandbox.azureEnv } }),
    takeWrites() {
      const { requests } = sandbox.account();
      const writes = requests.slice(from).filter(({ kind }) => paying.includes(kind));
      from = requests.length;
      return writes.map(({ kind }) => kind);
    },
  };
}

async function createEndedJob({ asking, sandbox }: Fixture, text = toChatText(20), more: object = {}): Promise<string> {
  const train = await uploadText(asking, text);
  sandbox.step(1000);
  const id = await createJob(asking, { model: base, training_file: train, suffix: 'mine', ...more });
  sandbox.step(10_000);
  return id;
}

test.each([
  ['openai', expect.any(Number) as number, expect.stringContaining(base) as string],
  ['azure', null, null], // its price is not known, and its model is not deployed
] as const)('a job of %s becomes a run, once, with its measures, log and model', async (dialect, actual, callAs) => {
  const fixture = await createFixture(dialect);
  const id = await createEndedJob(fixture);
  fixture.takeWrites();
  await using orchestrator = await fixture.open();
  const { run, problem } = await orchestrator.importJob(dialect, id, id);
  expect(problem).toBeNull();
  expect(run).toMatchObject({
    id: `mine/${dialect}`,
    ok: true,
    status: { phase: 'succeeded', raw: 'succeeded' },
    remote: { id },
    data: { train: { rows: 20 } },
    outputs: [{ kind: 'endpoint', callAs }],
    cost: { high: null, actual },
  });
  expect((await orchestrator.run(run!.id).metrics()).length).toBeGreaterThan(10);
  expect((await orchestrator.run(run!.id).logs()).length).toBeGreaterThan(10);
  const again = await orchestrator.importJob(dialect, id, id);
  expect(again.run).toMatchObject({ id: run!.id, key: run!.key });
  rmSync(join(fixture.folder, id), { recursive: true });
  expect((await orchestrator.importJob(dialect, id, 'elsewhere')).run).toMatchObject({ id: run!.id, key: run!.key });
  expect(await orchestrator.list()).toHaveLength(1);
  expect(fixture.takeWrites()).toEqual([]);
});

test('two jobs that are equal in everything are two runs', async () => {
  const fixture = await createFixture();
  const ids = [await createEndedJob(fixture, undefined, { seed: 1 }), await createEndedJob(fixture, undefined, { seed: 1 })];
  await using orchestrator = await fixture.open();
  for (const id of [...ids, ...ids]) await orchestrator.importJob('openai', id, id);
  const runs = await orchestrator.list();
  expect(runs.map(({ id, remote }) => [id, remote?.id])).toEqual([
    ['mine/openai#2', ids[1]],
    ['mine/openai', ids[0]],
  ]);
});

test('a preference job becomes a run too, and a running one is followed to its end', async () => {
  const fixture = await createFixture('openai', { settings: { jobMs: 20_000 } });
  const id = await createEndedJob(fixture, toPreferenceText(12), { method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.3 } } } });
  await using orchestrator = await fixture.open();
  expect((await orchestrator.importJob('openai', id, id)).run).toMatchObject({ terminal: false, status: { phase: 'running' } });
  fixture.sandbox.step(20_000);
  expect(await orchestrator.list('mine', { look: 'now' })).toMatchObject([{ ok: true }]);
  expect((await orchestrator.importJob('openai', id, id)).record).toMatchObject({ complete: true, status: 'succeeded' });
  expect(await orchestrator.list()).toHaveLength(1);
});

test('without its training data, or with data that cannot be used, there is no run, and that is said', async () => {
  const fixture = await createFixture();
  const id = await createEndedJob(fixture);
  await deleteFile(fixture.asking, fixture.sandbox.account().jobs[0]!.training_file);
  const silent = toChatText(20).replaceAll(/,\{"role":"assistant"[^}]*\}/g, '');
  const bad = await createEndedJob(fixture, `${toChatText(20)}${silent.split('\n')[0]!.replace('"user"', '"assistant","weight":0')}\n`);
  await using orchestrator = await fixture.open();
  expect(await orchestrator.importJob('openai', id, id)).toMatchObject({
    run: null,
    problem: 'the training data is no longer at the service: the job cannot become a run',
    record: { files: expect.arrayContaining([expect.objectContaining({ name: 'job.jsonc' })]) as unknown },
  });
  const { run, problem } = await orchestrator.importJob('openai', bad, bad);
  expect(run).toBeNull();
  expect(problem).toMatch(/^it cannot become a run: .*train\.jsonl:21/);
  expect(await orchestrator.list()).toEqual([]);
});

test('an imported run sets no money aside', async () => {
  const fixture = await createFixture('azure');
  const id = await createEndedJob(fixture);
  await using orchestrator = await fixture.open();
  await orchestrator.importJob('azure', id, id);
  const store = openStore(join(fixture.folder, 'state'));
  onTestFinished(async () => await store.destroy());
  expect(await readSpending(store, 'mine', null)).toMatchObject({ spentUsd: 0, reservedUsd: 0 });
});

test('a name that is no service, and one that keeps no jobs', async () => {
  const fixture = await createFixture();
  await using orchestrator = await fixture.open();
  for (const name of ['local', 'opnai']) {
    await expect(orchestrator.importJob(name, 'ftjob-1', 'there')).rejects.toMatchObject({ code: 'usage' });
    await expect(orchestrator.models(name)).rejects.toThrow(/one of openai, azure.*, found/);
  }
});

test('an import that ended before the job was stored with its run goes on with that run', async () => {
  const fixture = await createFixture();
  const ids = [await createEndedJob(fixture, undefined, { seed: 1 }), await createEndedJob(fixture, undefined, { seed: 1 })];
  await using orchestrator = await fixture.open();
  await orchestrator.importJob('openai', ids[0]!, ids[0]!);
  const job = await orchestrator.load(join(fixture.folder, ids[0]!, 'job.jsonc'));
  const [plan] = await orchestrator.plan(job, { again: true });
  const store = openStore(join(fixture.folder, 'state'));
  onTestFinished(async () => await store.destroy());
  await acceptRuns(store, [plan!], new Date().toISOString());
  expect(await orchestrator.list()).toMatchObject([{ id: 'mine/openai#2', status: { phase: 'accepted' } }, { id: 'mine/openai' }]);
  await orchestrator.importJob('openai', ids[1]!, ids[1]!);
  expect(await orchestrator.list()).toMatchObject([
    { id: 'mine/openai#2', ok: true, remote: { id: ids[1] } },
    { id: 'mine/openai', remote: { id: ids[0] } },
  ]);
});

test('an imported run stays with its job, also when its job file is submitted elsewhere', async () => {
  let nowMs = Date.parse('2026-11-25T12:00:00Z');
  const fixture = await createFixture('openai', { settings: { jobMs: 600_000 } });
  const id = await createEndedJob(fixture);
  const environment = { ...fixture.sandbox.env };
  const now = (): Date => new Date(nowMs);
  await using here = await createOrchestrator({ dir: join(fixture.folder, 'state'), from: fixture.folder, environment, now });
  await using there = await createOrchestrator({ dir: join(fixture.folder, 'there'), from: fixture.folder, environment, now });
  await here.importJob('openai', id, id);
  const job = await there.load(join(fixture.folder, id, 'job.jsonc'));
  const [submitted] = await there.submit(job);
  expect(submitted!.remote!.id).not.toBe(id);
  nowMs += 60_000;
  expect(await here.list('mine', { look: 'now' })).toMatchObject([{ terminal: false, status: { phase: 'validating' }, remote: { id } }]);
  expect(fixture.takeWrites()).not.toContain('cancel');
});
