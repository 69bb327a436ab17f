import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readRevision } from '../../src/trainer/model-folder.ts';
import { takeRunLock } from '../../src/lib/run-lock.ts';
import type { PredictAnswer } from '../../src/trainer/predict-protocol.ts';
import type { TrainerEvent, TrainFile, TrainingSettings } from '../../src/trainer/protocol.ts';
import { createScratchFolder } from '../scratch.ts';
import { labels, settings, tinyBert } from './tiny-classifier.ts';

const main = join(import.meta.dirname, '../../src/trainer/main.ts');
const sentiment = join(import.meta.dirname, '../../fixtures/sentiment/train.jsonl');
const model = { folder: tinyBert, labels, seed: 1, maxLength: 16 };

interface Wanted {
  readonly training?: Partial<TrainingSettings>;
  readonly rows?: string;
  readonly file?: Partial<TrainFile>;
}

function createRunFolder({ training = {}, rows, file = {} }: Wanted = {}): string {
  const folder = createScratchFolder();
  mkdirSync(join(folder, 'rows'));
  const lines = readFileSync(sentiment, 'utf8').split('\n');
  writeFileSync(join(folder, 'rows/train.jsonl'), rows ?? lines.slice(0, 24).join('\n'));
  writeFileSync(join(folder, 'rows/validation.jsonl'), lines.slice(30, 40).join('\n'));
  const train: TrainFile = {
    version: 1,
    nonce: 'nonce-1',
    attempt: 2,
    backend: 'wasm',
    model,
    rows: { train: 'rows/train.jsonl', validation: 'rows/validation.jsonl' },
    training: { ...settings, ...training },
    card: { name: 'test', base: 'tiny-bert' },
    ...file,
  };
  writeFileSync(join(folder, 'train.json'), JSON.stringify(train));
  return folder;
}

function start(args: readonly string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stdout: string; stderr: string }>;
} {
  const child = spawn(process.execPath, [main, ...args], { stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return { child, ended: new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr }))) };
}

const run = (...args: string[]): ReturnType<typeof start>['ended'] => start(args).ended;

function readEvents(folder: string): TrainerEvent[] {
  const path = join(folder, 'events.jsonl');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TrainerEvent);
}

async function predict(lines: readonly unknown[]): Promise<{ status: number | null; stderr: string; answers: PredictAnswer[] }> {
  const { child, ended } = start(['predict']);
  child.stdin!.end(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const { status, stdout, stderr } = await ended;
  return {
    status,
    stderr,
    answers: stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as PredictAnswer),
  };
}

test('train: the events in order, the model, and its answers', async () => {
  const folder = createRunFolder();
  expect(await run('train', folder)).toEqual({ status: 0, stdout: '', stderr: '' });
  const events = readEvents(folder);
  const steps = ['step-finished', 'step-finished', 'step-finished'];
  expect(events.map((event) => event.type)).toEqual([
    'trainer-started',
    'data-read',
    ...steps,
    'epoch-evaluated',
    'checkpoint-written',
    ...steps.slice(0, 2),
    'epoch-evaluated',
    'model-written',
    'training-finished',
  ]);
  expect(events[0]).toMatchObject({ nonce: 'nonce-1', attempt: 2, backend: 'wasm', pid: expect.any(Number) as number });
  expect(events[1]).toMatchObject({ rows: 24, validationRows: 10, steps: 5 });
  expect(events.at(-2)).toMatchObject({ folder: 'model', step: 5, sha256: readRevision(join(folder, 'model')) });
  expect(events.every((event) => new Date(event.at).toISOString() === event.at)).toBe(true);

  const { status, answers } = await predict([
    { version: 1, backend: 'wasm', model: { ...model, folder: join(folder, 'model') } },
    ...['short', 'a '.repeat(100), 'left\u2028right'].map((text, i) => ({ id: `row-${i}`, text })),
  ]);
  expect(status).toBe(0);
  expect(Object.fromEntries(answers.map(({ id, truncated }) => [id, truncated]))).toEqual({
    'row-0': false,
    'row-1': true,
    'row-2': false,
  });
  for (const { probabilities } of answers) expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 12);
});

test('train: a folder that another process holds is left alone', async () => {
  const folder = createRunFolder();
  const lock = takeRunLock(join(folder, 'run.lock.db'), 0)!;
  expect((await run('train', folder)).status).toBe(75);
  lock.release();
  expect(readEvents(folder)).toEqual([]);
});

test('train: a fenced attempt does not start, the next one does', async () => {
  const folder = createRunFolder({ training: { steps: 1 } });
  writeFileSync(join(folder, 'fence.json'), JSON.stringify({ attempt: 2 }));
  expect((await run('train', folder)).status).toBe(75);
  expect(readEvents(folder)).toEqual([]);
  writeFileSync(join(folder, 'fence.json'), JSON.stringify({ attempt: 1 }));
  expect((await run('train', folder)).status).toBe(0);
});

test('train: cancelled from outside, it saves what it has and ends well', async () => {
  const folder = createRunFolder({ training: { steps: 100_000 } });
  writeFileSync(join(folder, 'events.jsonl'), '');
  const { ended } = start(['train', folder]);
  await new Promise<void>((resolve) => {
    const watcher = watch(join(folder, 'events.jsonl'), () => {
      if (!readFileSync(join(folder, 'events.jsonl'), 'utf8').includes('step-finished')) return;
      watcher.close();
      resolve();
    });
  });
  expect(takeRunLock(join(folder, 'run.lock.db'), 0)).toBeNull(); // it is alive
  writeFileSync(join(folder, 'control.json'), JSON.stringify({ command: 'cancel' }));
  expect((await ended).status).toBe(0);
  expect(
    readEvents(folder)
      .slice(-2)
      .map((event) => event.type),
  ).toEqual(['model-written', 'training-cancelled']);
  expect(existsSync(join(folder, 'unfinished/model.safetensors'))).toBe(true);
  expect(existsSync(join(folder, 'model'))).toBe(false);
});

test('train: a trainer whose folder was taken away ends', async () => {
  const folder = createRunFolder({ training: { steps: 1_000_000 } });
  const { ended } = start(['train', folder]);
  const watching = watch(folder, () => {
    if (readEvents(folder).some((event) => event.type === 'step-finished')) rmSync(folder, { recursive: true, force: true });
  });
  const { status } = await ended;
  watching.close();
  expect(status).toBe(1);
  expect(existsSync(folder)).toBe(false);
});

test('train: a divergence is an event, and the last finite weights are saved', async () => {
  const folder = createRunFolder({ training: { learningRate: 1e30, maxGradNorm: 0 } });
  expect((await run('train', folder)).status).toBe(1);
  const [written, failed] = readEvents(folder).slice(-2);
  expect(written).toMatchObject({ type: 'model-written', folder: 'unfinished' });
  expect(failed).toMatchObject({ type: 'training-failed', code: 'training-diverged' });
  expect(readFileSync(join(folder, 'unfinished/README.md'), 'utf8')).toContain('did not reach its end');
});

const broken = createBrokenModel;
function createBrokenModel(): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), 'no weights');
  return folder;
}

test.each<[string, () => Wanted, string, RegExp]>([
  [
    'a label that is not known',
    () => ({ rows: '{"text":"a","label":"odd"}\n' }),
    'data-invalid',
    /train\.jsonl:1: "label": expected one of \["negative","positive"\], found "odd"/,
  ],
  [
    'a row that is no JSON',
    () => ({ rows: '{"text":"a","label":"positive"}\n\n{oops\n' }),
    'data-invalid',
    /train\.jsonl:3: not valid JSON/,
  ],
  ['a row without text', () => ({ rows: '{"label":"positive"}' }), 'data-invalid', /train\.jsonl:1: "text": expected a string/],
  ['no rows', () => ({ rows: '\n' }), 'data-invalid', /at least one training row/],
  ['a missing model', () => ({ file: { model: { ...model, folder: '/no/such/model' } } }), 'file-missing', /model folder not found/],
  ['a broken model', () => ({ file: { model: { ...model, folder: broken() } } }), 'model-invalid', /not a valid safetensors file/],
  [
    'a wrong setting',
    () => ({ training: { learningRate: NaN } }),
    'configuration-invalid',
    /training\.learningRate: expected a number from 0/,
  ],
  [
    'best without validation rows',
    () => ({ training: { select: 'best' }, file: { rows: { train: 'rows/train.jsonl', validation: null } } }),
    'configuration-invalid',
    /needs validation rows/,
  ],
])('train: %s ends as an event', async (_what, toWanted, code, message) => {
  const folder = createRunFolder(toWanted());
  expect((await run('train', folder)).status).toBe(1);
  const last = readEvents(folder).at(-1);
  expect(last).toMatchObject({ type: 'training-failed', code });
  expect(last).toHaveProperty('message', expect.stringMatching(message));
});

test('predict: rows are answered while the input is still open', async () => {
  const { child, ended } = start(['predict']);
  child.stdin!.write(`${JSON.stringify({ version: 1, backend: 'wasm', model })}\n${JSON.stringify({ id: 'a', text: 'fine' })}\n`);
  const first = await new Promise<string>((resolve) => child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  expect(JSON.parse(first)).toMatchObject({ id: 'a', truncated: false });
  child.stdin!.end();
  expect((await ended).status).toBe(0);
});

test('predict: the order of rows does not change an answer', async () => {
  const head = { version: 1, backend: 'wasm', model };
  const rows = Array.from({ length: 130 }, (_, i) => ({ id: String(i), text: `word ${'and more '.repeat(i % 7)}` }));
  const [forth, back] = [await predict([head, ...rows]), await predict([head, ...rows.toReversed()])];
  const toAnswers = ({ answers }: typeof forth): Record<string, string> =>
    Object.fromEntries(answers.map(({ id, probabilities }) => [id, probabilities[0]!.toFixed(5)]));
  expect(Object.keys(toAnswers(forth))).toHaveLength(130);
  expect(toAnswers(back)).toEqual(toAnswers(forth));
});

test.each<[string, readonly unknown[], string, RegExp]>([
  ['nothing', [], 'data-invalid', /first line that names the model/],
  ['a first line that is none', ['{"version":1'], 'data-invalid', /line 1: not valid JSON/],
  [
    'an unknown backend',
    [{ version: 1, backend: 'gpu', model }],
    'data-invalid',
    /line 1: backend: expected one of wasm, wasm-portable, cpu/,
  ],
  ['a row without id', [{ version: 1, backend: 'wasm', model }, { text: 'a' }], 'data-invalid', /line 2: "id": expected a string/],
])('predict: %s is refused', async (_what, lines, code, message) => {
  const { status, stderr, answers } = await predict(lines);
  expect([status, answers]).toEqual([1, []]);
  const { failure } = JSON.parse(stderr) as { failure: { code: string; message: string } };
  expect(failure.code).toBe(code);
  expect(failure.message).toMatch(message);
});

test('anything else is a usage error', async () => {
  expect(await run()).toMatchObject({ status: 2, stderr: expect.stringContaining('usage:') as string });
});
