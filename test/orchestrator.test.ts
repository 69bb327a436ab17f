import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Failure, isFailure } from '../src/errors.ts';
import type { Context } from '../src/provider/context.ts';
import { createOrchestrator, type Orchestrator } from '../src/index.ts';
import { createMemoryService } from './run/memory-provider.ts';
import { createScratchFolder } from './scratch.ts';

test('the nearest state folder above is used', async () => {
  const folder = createScratchFolder();
  mkdirSync(join(folder, '.orchestrate'));
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  await using orchestrator = await createOrchestrator({ from: join(folder, 'a/b') });
  expect(orchestrator.dir).toBe(join(folder, '.orchestrate'));
  expect(await orchestrator.list()).toEqual([]);
});

test('a custom provider takes a run to its end', async () => {
  const service = createMemoryService();
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [service.provider] });
  const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=anything']);
  const [submitted] = await orchestrator.submit(job);
  expect(submitted).toMatchObject({
    id: 'sentiment/laptop',
    status: { phase: 'submitted' },
    remote: { id: 'job-1' },
    cost: { actual: null },
  });
  const phases: string[] = [];
  for await (const [run] of orchestrator.watch(['sentiment'])) {
    phases.push(run!.status.phase);
    if (phases.length === 2) service.status = { phase: 'succeeded', raw: 'done' };
  }
  const [ended] = await orchestrator.wait(['sentiment']);
  expect(phases).toEqual(['running', 'running', 'succeeded']);
  expect(ended).toMatchObject({ ok: true, terminal: true });
  expect(service.jobs).toHaveLength(1);
});

/** Hangs until its caller gives it up. */
const hang = async ({ signal }: Context): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error));
  return await promise;
};

test.each(['prepare', 'find', 'create'] as const)(
  'a time limit ends a submission whose service hangs at %s; once it answers the run goes on',
  async (step) => {
    const service = createMemoryService();
    const { training } = service.provider;
    let isHanging = true;
    const call = (...args: unknown[]): unknown =>
      isHanging ? hang(args.at(-1) as Context) : (training[step] as (...given: unknown[]) => unknown)(...args);
    const provider = { ...service.provider, training: { ...training, [step]: call } };
    await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [provider] });
    const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=anything']);
    const [stopped] = await orchestrator.submit(job, { timeoutMs: 10 });
    expect(stopped!.status.phase).toBe({ prepare: 'accepted', find: 'accepted', create: 'uncertain' }[step]);
    isHanging = false;
    expect((await orchestrator.submit(job))[0]!.status.phase).toBe('submitted');
    expect(service.jobs).toHaveLength(1);
  },
);

test('a time limit ends a wait while a service hangs, for all runs, and leaves no lease behind', async () => {
  const service = createMemoryService();
  let isHanging = false;
  const { training } = service.provider;
  const observe: typeof training.observe = async (...args) => (isHanging ? await hang(args[2]) : await training.observe(...args));
  const provider = { ...service.provider, training: { ...training, observe } };
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [provider] });
  const targets = ['laptop', 'other'].flatMap((name) => [`targets.${name}.provider=memory`, `targets.${name}.model=anything`]);
  await orchestrator.submit(await orchestrator.load('fixtures/sentiment/job.json', targets));
  isHanging = true;
  const seen = await orchestrator.wait(['sentiment'], { timeoutMs: 10 });
  expect(seen.map(({ status }) => status.phase)).toEqual(['submitted', 'submitted']);
  isHanging = false;
  service.status = { phase: 'succeeded', raw: 'done' };
  expect((await orchestrator.wait(['sentiment'])).map(({ ok }) => ok)).toEqual([true, true]);
});

test('after a lost answer the submission reports that it searches before it does', async () => {
  const service = createMemoryService();
  service.failNext('unknown');
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [service.provider] });
  const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=anything']);
  const told: string[] = [];
  await orchestrator.submit(job, { onChange: ({ status }) => told.push(status.phase) });
  expect(told).toEqual(['preparing', 'uncertain', 'submitted']);
});

test('a target that fails does not stop the others, and both outcomes are reported', async () => {
  const service = createMemoryService();
  const prepare = (): never => {
    throw new Failure('credentials-invalid', 'TOKEN: expected a key, found none', { hint: 'set TOKEN' });
  };
  const closed = { ...createMemoryService().provider, id: 'closed', training: { ...createMemoryService().provider.training, prepare } };
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [service.provider, closed] });
  const targets = ['b.provider=closed', 'b.model=any', 'c.provider=memory', 'c.model=any'].map((set) => `targets.${set}`);
  const job = await orchestrator.load('fixtures/sentiment/job.json', targets);
  await expect(orchestrator.submit(job, { targets: ['b', 'c'] })).rejects.toMatchObject({
    code: 'credentials-invalid',
    message: 'sentiment/b: TOKEN: expected a key, found none',
    hint: 'set TOKEN\nthe other targets are not affected: sentiment/c is submitted',
  });
  await expect(orchestrator.submit(job, { targets: ['b'] })).rejects.toMatchObject({ hint: 'set TOKEN' });
  expect(service.jobs).toHaveLength(1);
});

/** A job of the memory service with the data of the fixtures. */
function writeMemoryJob(folder: string): string {
  const path = join(folder, 'job.json');
  const spec = JSON.parse(readFileSync('fixtures/sentiment/job.json', 'utf8')) as object;
  const data = { train: join(process.cwd(), 'fixtures/sentiment/train.jsonl') };
  writeFileSync(path, JSON.stringify({ ...spec, data, targets: { cloud: { provider: 'memory', model: 'any' } } }));
  return path;
}

test('an address names a job, a target, a number, a key or a job file', async () => {
  const service = createMemoryService();
  const folder = createScratchFolder();
  const path = writeMemoryJob(folder);
  await using orchestrator = await createOrchestrator({ dir: folder, providers: [service.provider] });
  const [run] = await orchestrator.submit(await orchestrator.load(path));
  for (const address of ['sentiment', 'sentiment/cloud', 'sentiment/cloud#1', run!.key, path]) {
    expect((await orchestrator.list(address)).map(({ id }) => id)).toEqual(['sentiment/cloud']);
  }
  for (const address of ['other', 'sentiment/other', 'sentiment/cloud#2']) {
    await expect(orchestrator.list(address)).rejects.toSatisfy((error) => isFailure(error, 'run-not-found'));
  }
});

test('after the state was lost the job is found by its key, adopted, and not submitted again', async () => {
  const service = createMemoryService();
  const folder = createScratchFolder();
  const path = writeMemoryJob(folder);
  const from = async (dir: string): Promise<Orchestrator> =>
    await createOrchestrator({ dir: join(folder, dir), providers: [service.provider] });

  await using empty = await from('a');
  await expect(empty.list(path)).rejects.toMatchObject({ code: 'run-not-found' });
  expect(await empty.list()).toEqual([]);

  await using first = await from('b');
  await first.submit(await first.load(path));
  await using second = await from('c');
  expect(await second.list(path)).toMatchObject([{ id: 'sentiment/cloud', remote: { id: 'job-1' }, status: { phase: 'running' } }]);
  expect(await second.submit(await second.load(path))).toMatchObject([{ remote: { id: 'job-1' } }]);
  await using third = await from('d');
  expect(await third.submit(await third.load(path))).toMatchObject([{ remote: { id: 'job-1' } }]);
  expect(service.jobs).toHaveLength(1);
});
