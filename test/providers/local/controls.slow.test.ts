import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { local } from '../../../providers/local/index.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { isFailure } from '../../../src/errors.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { takeRunLock } from '../../../src/lib/run-lock.ts';
import type { TrainerEvent } from '../../../src/trainer/protocol.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { createScratchFolder } from '../../scratch.ts';

const plan = toMemoryPlan('local');
const model = resolve('fixtures/models/tiny-bert');
const { revision, maxPositions } = readModelFolder(model);
const rows = Array.from({ length: 8 }, (_, i) => ({ text: `row number ${i}`, label: i % 2 === 0 ? 'no' : 'yes' }));

interface Job {
  readonly context: Attempt;
  readonly job: JobRef;
}

/** A training on this machine; it is stopped when the test ends. */
async function startJob(steps: number): Promise<Job> {
  const workDir = createScratchFolder();
  const context: Attempt = {
    signal: new AbortController().signal,
    now: () => new Date(),
    wait: async (ms) => await sleep(Math.min(ms, 20)),
    setting: () => null,
    credential: () => null,
    key: plan.key,
    attempt: 1,
    workDir,
    facts: plan.facts,
    async *readRows() {
      yield* await Promise.resolve(rows);
    },
  };
  onTestFinished(() => {
    writeFileSync(join(workDir, 'control.json'), '{"command":"cancel"}');
    takeRunLock(join(workDir, 'run.lock.db'), 10_000)?.release();
  });
  const { request } = local.training.translate({
    spec: { ...plan.spec, model: { kind: 'folder', path: model }, training: { steps, batchSize: 4 }, options: { checkpointSteps: 10 } },
    facts: plan.facts,
    model: { base: model, revision, maxLength: maxPositions },
    key: plan.key,
  });
  const prepared = await local.training.prepare(request, context);
  return { context, job: await local.training.create(local.training.bind(request, prepared, plan.key, 1), context) };
}

/** Polls from cursor to cursor until a poll has what is waited for. */
async function pollUntil(
  { context, job }: Job,
  isIt: (seen: Observation<unknown>) => boolean,
  cursor: unknown = null,
): Promise<Observation<unknown>[]> {
  const polls: Observation<unknown>[] = [];
  for (let i = 0; i < 1500; i++) {
    polls.push(await local.training.observe(job, polls.at(-1)?.cursor ?? cursor, context));
    if (isIt(polls.at(-1)!)) return polls;
    await context.wait(20);
  }
  throw new Error(`expected another poll than ${JSON.stringify(polls.at(-1)?.status)}`);
}

const isPhase =
  (phase: string) =>
  ({ status }: Observation<unknown>): boolean =>
    status.phase === phase;
const hasCheckpoint = ({ checkpoint }: Observation<unknown>): boolean => checkpoint !== null;

function readEvents({ context }: Job): TrainerEvent[] {
  const lines = readFileSync(join(context.workDir, 'events.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as TrainerEvent);
}

/** As a crash ends it: without an event. */
async function kill(started: Job): Promise<void> {
  const { pid } = readEvents(started).findLast((event) => event.type === 'trainer-started')!;
  process.kill(pid, 'SIGKILL');
  takeRunLock(join(started.context.workDir, 'run.lock.db'), 10_000)!.release();
  await Promise.resolve();
}

test('a paused job rests with a checkpoint of its last step, and goes on from there', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  const running = await pollUntil(started, ({ progress }) => (progress?.step ?? 0) >= 3);
  await local.training.pause!(job, context);
  await pollUntil(started, isPhase('paused'), running.at(-1)!.cursor);
  const paused = await local.training.observe(job, null, context);
  const last = readEvents(started).at(-1)!;
  expect(last).toMatchObject({ type: 'training-paused', step: paused.checkpoint });
  expect(readEvents(started).findLast((event) => event.type === 'step-finished')!.step).toBe(paused.checkpoint);

  expect(await local.training.resume!(job, context)).toEqual(job);
  expect(await local.training.resume!(job, context)).toEqual(job);
  const polls = await pollUntil(started, ({ progress }) => progress !== null, paused.cursor);
  const steps = polls.flatMap(({ metrics }) => metrics).filter(({ name }) => name === 'loss');
  expect(steps[0]!.step).toBe(paused.checkpoint! + 1);
  expect(polls.flatMap(({ logs }) => logs.map(({ text }) => text))).toContain(`goes on after step ${paused.checkpoint}`);
  expect(polls.at(-1)!.startedAt).toBe(running.at(-1)!.startedAt);
  expect(await local.training.find({}, [], context)).toEqual([job]);
});

test('a killed trainer is interrupted, not failed, and resume starts one that goes on from its checkpoint', async () => {
  const started = await startJob(100);
  const { context, job } = started;
  const running = await pollUntil(started, hasCheckpoint);
  await kill(started);
  const lost = (await pollUntil(started, isPhase('interrupted'), running.at(-1)!.cursor)).at(-1)!;
  expect(lost.failure).toBeNull();
  expect(await local.training.resume!(job, context)).toEqual(job);
  const polls = await pollUntil(started, isPhase('succeeded'), lost.cursor);
  const resumed = readEvents(started).filter((event) => event.type === 'training-resumed');
  expect(resumed).toHaveLength(1);
  expect(resumed[0]!.step % 10).toBe(0);
  expect(resumed[0]!.step).toBeGreaterThan(0);
  const all = (await local.training.observe(job, null, context)).metrics.filter(({ name }) => name === 'loss');
  expect(all.map(({ step }) => step)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1)); // each once
  expect(polls.flatMap(({ artifacts }) => artifacts)).toHaveLength(1);
  takeRunLock(join(context.workDir, 'run.lock.db'), 10_000)!.release();
  expect(readdirSync(context.workDir)).not.toContain('checkpoints');
  expect(await local.training.resume!(job, context)).toEqual(job); // there is nothing to go on with, and nothing begins
  expect(readEvents(started).at(-1)!.type).toBe('training-finished');
});

test('a paused or an interrupted job without a trainer is cancelled at once, for good', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, hasCheckpoint);
  await kill(started);
  appendFileSync(join(context.workDir, 'events.jsonl'), `{"type":"${'x'.repeat(300)}`); // what a crash may leave
  await local.training.pause!(job, context);
  await local.training.pause!(job, context);
  const paused = await local.training.observe(job, null, context);
  expect(paused.status).toEqual({ phase: 'paused', raw: 'paused' });
  expect(readEvents(started).at(-1)).toMatchObject({ type: 'training-paused', step: paused.checkpoint });
  await local.training.cancel!(job, context);
  await local.training.cancel!(job, context);
  const cancelled = await local.training.observe(job, paused.cursor, context);
  expect(cancelled).toMatchObject({ status: { phase: 'cancelled' }, finishedAt: expect.any(String) as string });
  expect(readEvents(started).filter((event) => event.type === 'training-cancelled')).toHaveLength(1);
  await local.training.pause!(job, context); // a cancelled job stays so
  expect(await local.training.resume!(job, context)).toEqual(job);
  expect(readFileSync(join(context.workDir, 'control.json'), 'utf8')).toContain('cancel');
  expect((await local.training.observe(job, null, context)).status.phase).toBe('cancelled');
});

test('a pause that is taken back at once does not stop the job', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, ({ progress }) => progress !== null);
  for (let i = 0; i < 5; i++) {
    await local.training.pause!(job, context);
    await sleep(i); // before, while and after the trainer reads it
    await local.training.resume!(job, context);
    expect(existsSync(join(context.workDir, 'control.json'))).toBe(false);
    const { cursor, progress } = await local.training.observe(job, null, context);
    await pollUntil(started, (seen) => (seen.progress?.step ?? 0) > (progress?.step ?? 0), cursor);
  }
});

test.each([
  ['stops after all', true, 2],
  ['takes another step', false, 1],
])('resume waits for a trainer that may be about to stop, and leaves it or follows it: one that %s', async (_what, stops, starts) => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, hasCheckpoint);
  await local.training.pause!(job, context);
  await pollUntil(started, isPhase('paused'));
  // From here on this test is the trainer: it lives, and has a request to read.
  const lock = takeRunLock(join(context.workDir, 'run.lock.db'), 10_000)!;
  onTestFinished(() => (stops ? undefined : lock.release()));
  const step = readEvents(started).findLast((event) => event.type === 'step-finished');
  let waits = 0;
  const wait = async (ms: number): Promise<void> => {
    if (++waits === 3 && stops) lock.release();
    if (waits === 3 && !stops) appendFileSync(join(context.workDir, 'events.jsonl'), `${JSON.stringify(step)}\n`);
    await context.wait(ms);
  };
  expect(await local.training.resume!(job, { ...context, wait })).toEqual(job);
  expect(waits).toBeGreaterThan(2);
  expect(readEvents(started).filter((event) => event.type === 'trainer-started')).toHaveLength(starts);
});

test('only the lock says that a trainer is alive: neither a file nor a process with its number does', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, hasCheckpoint);
  await kill(started);
  const foreign = spawn('sleep', ['60']);
  onTestFinished(() => void foreign.kill());
  await once(foreign, 'spawn');
  const path = join(context.workDir, 'events.jsonl');
  const [first, ...rest] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [first!.replace(/"pid":\d+/, `"pid":${foreign.pid}`), ...rest].join('\n'));
  expect(existsSync(join(context.workDir, 'run.lock.db'))).toBe(true);
  expect((await local.training.observe(job, null, context)).status).toEqual({ phase: 'interrupted', raw: 'lost' });
  expect(await local.training.resume!(job, context)).toEqual(job);
  expect((await local.training.observe(job, null, context)).status.phase).not.toBe('interrupted');
  expect(foreign.exitCode).toBeNull();
});

test('lines that were read and that a power cut took away again are not taken for others', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, hasCheckpoint);
  await kill(started);
  const before = await local.training.observe(job, null, context);
  const path = join(context.workDir, 'events.jsonl');
  const text = readFileSync(path, 'utf8');
  const kept = text.slice(0, text.indexOf('"step":8,'));
  writeFileSync(path, kept); // with half a line at its end
  rmSync(join(context.workDir, 'checkpoints'), { recursive: true });
  mkdirSync(join(context.workDir, 'checkpoints'));
  await local.training.resume!(job, context);
  const polls = await pollUntil(started, hasCheckpoint, before.cursor);
  const steps = polls.flatMap(({ metrics }) => metrics).filter(({ name }) => name === 'loss');
  expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1));
  expect(steps.length).toBeGreaterThan(9);
});

test('a trainer that ends before it goes on is a failure', async () => {
  const started = await startJob(100_000);
  const { context, job } = started;
  await pollUntil(started, hasCheckpoint);
  await kill(started);
  writeFileSync(join(context.workDir, 'fence.json'), '{"attempt":9}');
  await expect(local.training.resume!(job, context)).rejects.toSatisfy((error) => isFailure(error, 'trainer-died'));
});
