import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { local } from '../../../providers/local/index.ts';
import { explainKill, type LocalCursor } from '../../../providers/local/observe.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Observation } from '../../../src/provider/job.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { isFailure } from '../../../src/errors.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { countMemoryKills } from '../../../src/lib/memory-kills.ts';
import { takeRunLock } from '../../../src/lib/run-lock.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { createScratchFolder } from '../../scratch.ts';

const plan = toMemoryPlan('local');
const rows = Array.from({ length: 8 }, (_, i) => ({ text: `row number ${i}`, label: i % 2 === 0 ? 'no' : 'yes' }));

interface Prepared {
  readonly context: Attempt;
  readonly request: unknown;
  readonly model: string;
}

function prepareAttempt(attempt = 1, workDir = createScratchFolder()): Prepared {
  const model = join(createScratchFolder(), 'model');
  cpSync('fixtures/models/tiny-bert', model, { recursive: true });
  const { revision, maxPositions } = readModelFolder(model);
  const context: Attempt = {
    signal: new AbortController().signal,
    now: () => new Date(),
    wait: async (ms) => {
      await new Promise((resolve) => void setTimeout(resolve, ms));
    },
    setting: () => null,
    credential: () => null,
    key: plan.key,
    attempt,
    workDir,
    facts: plan.facts,
    async *readRows() {
      yield* await Promise.resolve(rows);
    },
  };
  const { request } = local.training.translate({
    spec: { ...plan.spec, model: { kind: 'folder', path: model }, training: { steps: 2, batchSize: 4 } },
    facts: plan.facts,
    model: { base: model, revision, maxLength: maxPositions },
    key: plan.key,
  });
  return { context, request, model };
}

async function observeUntilEnd(job: Parameters<typeof local.training.observe>[0], context: Attempt): Promise<Observation<unknown>[]> {
  const seen: Observation<unknown>[] = [];
  for (let i = 0; i < 500; i++) {
    const next = await local.training.observe(job, seen.at(-1)?.cursor ?? null, context);
    seen.push(next);
    if (['succeeded', 'failed', 'cancelled'].includes(next.status.phase)) return seen;
    await context.wait(20);
  }
  throw new Error('the training does not end');
}

test('rows and settings are written, the trainer is started and found again, and polls bring only what is new', async () => {
  const { context, request } = prepareAttempt();
  expect(await local.training.find(request, [], context)).toEqual([]);
  const prepared = await local.training.prepare(request, context);
  expect(
    readFileSync(join(context.workDir, 'rows/train.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(rows);
  const job = await local.training.create(local.training.bind(request, prepared, plan.key, 1), context);
  expect(await local.training.find(request, [prepared], context)).toEqual([job]);
  const seen = await observeUntilEnd(job, context);
  expect(seen.at(-1)!.status).toEqual({ phase: 'succeeded', raw: 'finished' });
  const losses = seen.flatMap(({ metrics }) => metrics).filter(({ name }) => name === 'loss');
  expect(losses.map(({ step }) => step)).toEqual([1, 2]);
  expect(seen.flatMap(({ artifacts }) => artifacts)).toHaveLength(1);
  const mark = expect.stringMatching(/^[0-9a-f]{16}$/) as string;
  const cursor = { place: { offset: expect.any(Number) as number, mark }, word: 'finished', isLost: false, startedAt: job.createdAt };
  const { memoryKills: _, ...stored } = seen.at(-1)!.cursor as LocalCursor; // not every system counts them
  expect(stored).toEqual(cursor); // it is stored: its form must stay
  const all = await local.training.observe(job, null, context);
  expect(all.metrics).toEqual(seen.flatMap(({ metrics }) => metrics));
});

test('a model that changed after the plan is refused before anything starts', async () => {
  const { context, request, model } = prepareAttempt();
  writeFileSync(join(model, 'vocab.txt'), 'changed');
  await expect(local.training.prepare(request, context)).rejects.toSatisfy((error) => isFailure(error, 'model-invalid'));
});

test('after a fence a trainer of that attempt does not start', async () => {
  const { context, request } = prepareAttempt();
  const prepared = await local.training.prepare(request, context);
  await local.training.fence!(prepared, context);
  await expect(local.training.create(local.training.bind(request, prepared, plan.key, 1), context)).rejects.toThrow(SubmitFailure);
  expect(await local.training.find(request, [prepared], context)).toEqual([]);
  const next = { ...context, attempt: 2 };
  const job = await local.training.create(local.training.bind(request, prepared, plan.key, 2), next);
  await observeUntilEnd(job, next);
});

test('a fence leaves a trainer alone that has started, and waits for one that has not written its first event', async () => {
  const { context, request } = prepareAttempt();
  const lock = takeRunLock(join(context.workDir, 'run.lock.db'), 0);
  onTestFinished(() => lock!.release());
  let waits = 0;
  const wait = async (): Promise<void> => {
    if (++waits === 3) writeFileSync(join(context.workDir, 'events.jsonl'), `${started}\n`);
    await Promise.resolve();
  };
  await local.training.fence!({ train: '', validation: null }, { ...context, wait });
  expect(waits).toBe(3);
  expect(existsSync(join(context.workDir, 'fence.json'))).toBe(false);
  expect(await local.training.find(request, [], context)).toHaveLength(1);
});

test('a fence that cannot be put up says so', async () => {
  const { context } = prepareAttempt();
  const lock = takeRunLock(join(context.workDir, 'run.lock.db'), 0);
  onTestFinished(() => lock!.release());
  const fenced = local.training.fence!({ train: '', validation: null }, { ...context, wait: async () => await Promise.resolve() });
  await expect(fenced).rejects.toSatisfy((error) => isFailure(error, 'timeout'));
});

const started = '{"type":"trainer-started","at":"2026-01-01T00:00:00.000Z","nonce":"n","attempt":1,"pid":1,"backend":"wasm"}';

test('a trainer that is gone without an event is interrupted, and its last output is reported once', async () => {
  const { context } = prepareAttempt();
  writeFileSync(join(context.workDir, 'events.jsonl'), `${started}\n{"type":"data-re`);
  writeFileSync(join(context.workDir, 'trainer.log'), 'out of memory\n');
  const [job] = await local.training.find({}, [], context);
  const lock = takeRunLock(join(context.workDir, 'run.lock.db'), 0)!;
  const living = await local.training.observe(job!, null, context);
  expect(living.status).toEqual({ phase: 'queued', raw: 'starting' });
  lock.release();
  const lost = await local.training.observe(job!, living.cursor, context);
  expect(lost).toMatchObject({ status: { phase: 'interrupted', raw: 'lost' }, failure: null, startedAt: '2026-01-01T00:00:00.000Z' });
  expect(lost.logs.map(({ text }) => text)).toEqual([expect.stringContaining('out of memory')]);
  expect((await local.training.observe(job!, lost.cursor, context)).logs).toEqual([]);
});

test('a trainer that was killed without a word: the plan says what it needed', async () => {
  const { context, request } = prepareAttempt();
  writeFileSync(join(context.workDir, 'events.jsonl'), `${started}\n`);
  const prepared = { train: 'rows/train.jsonl', validation: null, memoryBytes: 1_200_000_000 };
  writeFileSync(join(context.workDir, 'train.json'), JSON.stringify(local.training.bind(request, prepared, context.key, 1)));
  const [job] = await local.training.find({}, [], context);
  const { logs } = await local.training.observe(job!, null, context);
  expect(logs.slice(1).map(({ text }) => text)).toEqual([
    expect.stringMatching(/^the trainer was killed, perhaps by .* \(the plan needed about 1\.2 GB of the \d[\d.]* \wB of this machine\)/),
  ]);
});

test('who has killed a trainer, by the count of processes that the system has ended for lack of memory', () => {
  const needs = { memoryBytes: 1.2e9, machineBytes: 4e9 };
  const plan = '(the plan needed about 1.2 GB of the 4.0 GB of this machine)';
  expect(explainKill({ before: 0, after: 0 }, needs)).toBe(
    `the trainer was killed; the system counts no end for lack of memory since it began ${plan}`,
  );
  expect(explainKill({ before: 1, after: 3 }, needs)).toContain(`it has ended 2 of its processes for that reason`);
  for (const unknown of [
    { before: null, after: 1 },
    { before: 1, after: null },
    { before: 3, after: 0 },
  ])
    expect(explainKill(unknown, null)).toMatch(/^the trainer was killed, perhaps by the system for lack of memory; a smaller/);
});

test('the system counts the processes that it has ended for lack of memory, or says nothing', () => {
  const path = join(createScratchFolder(), 'vmstat');
  expect(countMemoryKills(path)).toBeNull();
  writeFileSync(path, 'nr_free_pages 12\noom_kill 3\noom_kill_other 9\n');
  expect(countMemoryKills(path)).toBe(3);
  writeFileSync(path, 'nr_free_pages 12\n');
  expect(countMemoryKills(path)).toBeNull();
});
