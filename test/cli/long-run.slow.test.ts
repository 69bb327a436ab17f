import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunView } from '../../src/run/run-view.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli, startCli } from './run-cli.ts';

const job = 'fixtures/sentiment/job.json';
/** Long enough to be stopped in the middle; small batches, so that it is stopped soon. */
const long = ['--set', 'training.epochs=100', 'training.batchSize=2'];
const short = ['--set', 'training.epochs=0.03'];

async function readRun(dir: string): Promise<RunView> {
  const { stdout } = await runCli('status', '--json', '--dir', dir);
  return (JSON.parse(stdout) as { runs: RunView[] }).runs[0]!;
}

/** Follows the run until `holds` of a line that `watch --json` prints. */
async function watchUntil(dir: string, holds: (run: RunView) => boolean): Promise<void> {
  const { child, ended } = startCli(['watch', 'sentiment', '--json', '--dir', dir]);
  let rest = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    if (lines.some((line) => holds(JSON.parse(line) as RunView))) child.kill('SIGKILL');
  });
  await ended;
}

const isTraining = (run: RunView): boolean => (run.progress.step ?? 0) >= 2;

test('closing the terminal does not stop the training, and wait finds it again', async () => {
  const dir = createScratchFolder();
  const { child, ended } = startCli(['submit', job, ...short, '--wait', '--dir', dir]);
  child.stderr!.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('submitted')) child.kill('SIGHUP');
  });
  expect((await ended).status).toBeNull();
  const waited = await runCli('wait', 'sentiment', '--json', '--dir', dir);
  expect(waited.status).toBe(0);
  expect((JSON.parse(waited.stdout) as { runs: RunView[] }).runs[0]).toMatchObject({ ok: true, number: 1 });
});

test('a run is cancelled: the trainer stops, keeps its weights, and wait exits with 103', async () => {
  const dir = createScratchFolder();
  expect((await runCli('submit', job, ...long, '--dir', dir)).status).toBe(0);
  await watchUntil(dir, isTraining);
  expect((await runCli('cancel', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(103);
  const run = await readRun(dir);
  expect(run).toMatchObject({ terminal: true, ok: false, status: { phase: 'cancelled' } });
  expect(existsSync(join(dir, 'runs', run.key, 'unfinished', 'model.safetensors'))).toBe(true);
  expect(existsSync(join(dir, 'runs', run.key, 'model'))).toBe(false);
});

test('the first Ctrl-C ends the waiting, says how to go on, and leaves the training alone', async () => {
  const dir = createScratchFolder();
  const { child, ended } = startCli(['submit', job, ...long, '--wait', '--dir', dir]);
  let interrupted = false;
  child.stderr!.on('data', (chunk: Buffer) => {
    if (!interrupted && chunk.toString().includes('step ')) interrupted = child.kill('SIGINT');
  });
  const { status, stderr } = await ended;
  expect(status).toBe(130);
  expect(stderr).toContain(`the training goes on; \`npx orchestrate wait sentiment/laptop --dir ${dir}\` follows it again`);
  expect((await runCli('cancel', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(103);
});

test('a trainer that was killed goes on with the next wait, and ends with the same weights', async () => {
  const settings = ['--set', 'training.epochs=1.5', 'targets.laptop.options={"checkpointSteps":3}'];
  const [dir, whole] = [createScratchFolder(), createScratchFolder()];
  await runCli('submit', job, ...settings, '--dir', dir);
  await watchUntil(dir, (run) => (run.progress.step ?? 0) >= 5);
  const { key } = await readRun(dir);
  const events = readFileSync(join(dir, 'runs', key, 'events.jsonl'), 'utf8').split('\n');
  const { pid } = JSON.parse(events[0]!) as { pid: number };
  process.kill(pid, 'SIGKILL');
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('logs', 'sentiment', '--dir', dir)).stdout).toMatch(/goes on (from|after|at) step/);
  await runCli('submit', job, ...settings, '--wait', '-q', '--dir', whole);
  expect((await readRun(dir)).outputs[0]!.sha256).toBe((await readRun(whole)).outputs[0]!.sha256);
});

test('a run is paused, and goes on when it is told to', async () => {
  const dir = createScratchFolder();
  await runCli('submit', job, '--set', 'training.epochs=3', '--dir', dir);
  await watchUntil(dir, isTraining);
  expect((await runCli('pause', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(101);
  expect((await readRun(dir)).status.phase).toBe('paused');
  expect((await runCli('resume', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(0);
  expect((await runCli('resume', 'sentiment', '--dir', dir)).status).toBe(2);
});

test('a training that diverges stops and says so', async () => {
  const dir = createScratchFolder();
  const { status, stdout } = await runCli(
    'submit',
    job,
    '--set',
    'training.epochs=0.1',
    'training.learningRate=1e38',
    '--wait',
    '--json',
    '--dir',
    dir,
  );
  expect(status).toBe(100);
  const [run] = (JSON.parse(stdout) as { runs: RunView[] }).runs;
  expect(run).toMatchObject({ status: { phase: 'failed' }, failure: { code: 'training-diverged' } });
  expect(run!.notes).toContainEqual(expect.objectContaining({ type: 'warning', message: expect.stringContaining('unfinished') as string }));
});

test('the same file submitted twice at once is one run, and both succeed', async () => {
  const dir = createScratchFolder();
  const both = await Promise.all([1, 2].map(async () => await runCli('submit', job, ...short, '--dir', dir, '-q')));
  expect(both).toEqual([1, 2].map(() => expect.objectContaining({ status: 0, stdout: 'sentiment/laptop\n' }) as unknown));
  expect((await runCli('wait', 'sentiment', '--dir', dir)).status).toBe(0);
  const { stdout } = await runCli('status', '--json', '--dir', dir);
  const { runs } = JSON.parse(stdout) as { runs: RunView[] };
  expect(runs).toHaveLength(1);
  const events = readFileSync(join(dir, 'runs', runs[0]!.key, 'events.jsonl'), 'utf8');
  expect(events.split('\n').filter((line) => line.includes('"trainer-started"'))).toHaveLength(1);
});
