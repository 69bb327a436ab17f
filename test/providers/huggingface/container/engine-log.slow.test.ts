import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import expected from '../../../../fixtures/huggingface/expected.json' with { type: 'json' };
import { foldEvents, type TrainingReport } from '../../../../src/provider-kit/trainer-events.ts';
import { anyText } from '../any-text.ts';
import { startReplayer, type FoundFailure, type Replay, type Replayed } from './replay.ts';

const replayer = startReplayer();
afterAll(async () => await replayer[Symbol.asyncDispose]());

const folder = resolve('fixtures/huggingface');

async function read(request: Replay): Promise<Replayed & TrainingReport> {
  const replayed = await replayer.replay(request);
  const at = '2026-11-23T00:00:00.000Z';
  return { ...replayed, ...foldEvents(replayed.events.map((event) => ({ ...event, at }))) };
}

function format({ metrics }: TrainingReport): string[] {
  return metrics.map((one) => `${one.split}/${one.name} ${one.step}@${one.epoch} ${one.value} ${one.coverage} ${one.source}`);
}

interface Expected {
  readonly epochs: number | null;
  readonly progress: object | null;
  readonly failure: { readonly code: string; readonly cause: string; readonly said: string } | null;
  readonly metrics: readonly string[];
}

/** Without our own words before those of the program. */
function getSaid(failure: FoundFailure | null): Expected['failure'] {
  if (failure === null) return null;
  const { code, cause, message } = foldEvents([{ type: 'training-failed', at: '', ...failure }]).failure!;
  return { code, cause, said: message.slice(message.indexOf(': ') + 2) };
}

/* What an earlier reader, written in TypeScript, found in the same logs of real trainings. */
const logs = Object.entries(expected).filter(([name]) => !name.endsWith('.json')) as [string, Expected][];

test.each(logs)('%s says what it said to the reader before', async (name, { epochs, progress, failure, metrics }) => {
  for (const chunk of [1_000_000, 61]) {
    const found = await read({ path: join(folder, name), epochs, chunk });
    expect(format(found)).toEqual(metrics);
    expect(found.progress).toEqual(progress === null ? null : { ...progress, rowsPerSecond: null });
    expect(getSaid(found.hidden)).toEqual(failure);
    expect(found.failed).toEqual(found.hidden);
  }
});

test.each(['trainer-state-classification.json', 'trainer-state-sft.json'] as const)(
  '%s gives the measures that no line gave',
  async (name) => {
    const state = readFileSync(join(folder, name), 'utf8');
    expect(format(await read({ lines: [], state }))).toEqual(expected[name].metrics);
    const log = { path: join(folder, name.includes('sft') ? 'trl-sft.out' : 'autotrain-classification.out'), epochs: 1 };
    expect((await read({ ...log, state })).metrics).toEqual((await read(log)).metrics);
  },
);

test('a state with bare NaN is read, and the evaluation after the end belongs to no step', async () => {
  const rows = [
    '{"loss": NaN, "grad_norm": -Infinity, "step": 1}',
    '{"loss": 2, "step": 2}',
    '{"eval_loss": 1, "step": 2}, {"eval_loss": 1, "step": 2}',
    '{"train_runtime": 3, "step": 2}, {"eval_loss": 0.5, "step": 2}',
  ];
  const found = await read({ lines: [], state: `{"best_metric": NaN, "log_history": [${rows.join(', ')}]}` });
  expect(found.metrics.map(({ split, name, step, value }) => [split, name, step, value])).toEqual([
    ['train', 'loss', 2, 2],
    ['validation', 'loss', 2, 1],
    ['train', 'x/train_runtime', 2, 3],
    ['validation', 'loss', null, 0.5],
  ]);
  expect(found.notes).toHaveLength(2);
});

test.each([
  '',
  '[]',
  '{}',
  '{"log_history": {}}',
  '{"log_history": [3]}',
  '{"log_history": [[]]}',
  'null',
  'NaN',
  '{"log_history": [{"step": "x", "loss": 1}]}',
])('a broken state (%s) is left out', async (state) => {
  expect((await read({ lines: [], state })).metrics.every(({ step }) => step === null)).toBe(true);
});

const bar = (step: number, steps: number): string => `\r ${Math.floor((100 * step) / steps)}%|█| ${step}/${steps} [00:01<00:09,  4.50it/s]`;
const steps = ({ metrics }: TrainingReport, name = 'loss'): (number | null)[] =>
  metrics.filter((one) => one.split === 'train' && one.name === name).map(({ step }) => step);

test('TRL: a bar and the epochs of the job give the steps', async () => {
  const lines = ['trl-sft.err', 'trl-sft.out'].map((name) => readFileSync(join(folder, name), 'utf8'));
  const found = await read({ lines, epochs: 1 });
  expect(steps(found)).toEqual([2, 4, 6, 8, 10, 12]);
  expect(found.metrics.filter(({ split, name }) => split === 'validation' && name === 'loss').map(({ step }) => step)).toEqual([4, 8, 12]);
  expect(found.progress).toMatchObject({ step: 12, steps: 12 });
});

test('an epoch with too few digits, or with steps of unequal length, leaves the step open', async () => {
  const find = async (length: number, epoch: string): Promise<unknown> =>
    steps(await read({ lines: [bar(0, length), `{'loss': '1', 'epoch': '${epoch}'}`], epochs: 1 }))[0];
  expect(await find(100, '0.1234')).toBeNull(); // 12.34 steps
  expect(await find(100, '0.12')).toBe(12);
  expect(await find(100_000, '0.1234')).toBeNull(); // any of eleven steps
  expect(await find(3, '0.4444')).toBeNull(); // 4 of 9 batches: 1.33
  expect(await find(10, '1.2')).toBeNull(); // more than there are
  // transformers 4 prints two decimals, without quotes.
  const lines = (length: number): string[] => [bar(0, length), "{'loss': 1.0, 'epoch': 0.33}"];
  expect(steps(await read({ lines: lines(15), epochs: 1 }))).toEqual([5]); // 4.95
  expect(steps(await read({ lines: lines(150), epochs: 1 }))).toEqual([null]); // 48.8 to 50.2
});

test('a training that begins anew with smaller batches is counted by its own bar, a long evaluation is not', async () => {
  const anew = await read({ lines: [bar(3, 10), bar(0, 20), `${bar(10, 20)}{'loss': 1.5, 'epoch': 0.5}`], epochs: 1 });
  expect(steps(anew)).toEqual([10]);
  expect(anew.progress).toMatchObject({ step: 10, steps: 20 });
  const evaluated = await read({ lines: [bar(5, 10), bar(7, 80), bar(80, 80), "{'loss': 1.5, 'epoch': 0.6}"], epochs: 1 });
  expect(evaluated.progress).toMatchObject({ step: 6, steps: 10 });
});

test.each([
  [' 33%|███▎      | 1/3 [00:06<01:02:12,  6.40s/it]INFO     | x', { step: 1, steps: 3, etaSeconds: 3732 }],
  ['\u001B[A\u001B[A 40%|█| 2/5 [00:00<00:01,  7.03it/s]', { step: 2, steps: 5, etaSeconds: 1 }],
  ['  0%|          | 0/45 [00:00<?, ?it/s]', { step: 0, steps: 45, etaSeconds: null }],
  ['Loading weights:   0%|          | 0/47 [00:00<?, ?it/s]', null],
  ['100%|██████████| 64/64 [00:00<00:00, 3994.46 examples/s]', null],
  ['12% of 6/50', null],
])('%s is a bar of %j', async (line, progress) => {
  const found = await read({ lines: [line] });
  expect(found.progress).toEqual(progress === null ? null : { epoch: null, loss: null, rowsPerSecond: null, ...progress });
});

test('bars are not passed on, all else is', async () => {
  const { printed } = await read({ path: join(folder, 'autotrain-classification-merged.log') });
  expect(printed.join('\n')).not.toMatch(/it\/s|\r|\u001B/);
  expect(printed.filter((line) => line.includes('on_log:367 - {'))).toHaveLength(14);
  expect(printed.filter((line) => line.startsWith("{'"))).toHaveLength(13);
  const lines = [
    '  a line {} [x]',
    `Map: 100%|██████████| 64/64 [00:00<00:00, 3994.46 examples/s]`,
    bar(1, 2),
    '\u001B[31mred\u001B[0m',
    'naïve 🤗',
  ];
  expect((await read({ lines, chunk: 1 })).printed).toEqual(['  a line {} [x]', 'red', 'naïve 🤗']);
});

test('a number that is not finite is noted once for each name', async () => {
  const { metrics, notes } = await read({
    lines: ["{'loss': nan, 'grad_norm': inf, 'epoch': 0.5}", "{'loss': nan, 'grad_norm': 1.0, 'epoch': 1.0}"],
  });
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([['grad_norm', 1]]);
  expect(notes.map((note) => (note.type === 'warning' ? note.message : ''))).toEqual([
    'the training reports a loss that is not finite at epoch 0.5; the metrics leave it out',
    'the training reports a grad_norm that is not finite at epoch 0.5; the metrics leave it out',
  ]);
});

test('AutoTrain repeats a record with a rounded epoch; each measure is reported once for its epoch', async () => {
  const record = 'INFO     | t | autotrain.trainers.common:on_log:367 - ';
  const dict = (epoch: string): string => `{'loss': nan, 'grad_norm': 2.0, 'epoch': ${epoch}}`;
  const count = async (...lines: string[]): Promise<number> => (await read({ lines })).metrics.length;
  expect(await count(`${record}${dict('0.125')}`, dict('0.12'))).toBe(1);
  expect(await count(`${record}${dict('0.125')}`, dict('0.12'), dict('0.12'))).toBe(2);
  expect(await count(`${record}${dict('0.125')}`, dict('0.5'))).toBe(2);
  expect(await count(dict('0.12'), dict('0.12'))).toBe(1);
});

test.each([
  "a row: {'text': 'loss', 'label': 1}",
  "{'epoch': 1, 'rows': 3}",
  "{'loss': 1.2}",
  "{'loss': None, 'epoch': 1}",
  '{"loss": [1], "epoch": 1}',
  "{'loss': 1, 'epoch': 1",
  "{'loss' 1, 'epoch': 1}",
  "{'loss': True, 'epoch': 1}",
  "{'a b': 1, 'eval_': 2, 'train_x': None, 'epoch': 1}",
])('%s is no measure', async (line) => {
  expect((await read({ lines: [line] })).metrics).toEqual([]);
});

test('quotes and braces in a text do not end a dict', async () => {
  const found = await read({ lines: [`{'name': 'it\\'s } {', "loss": 1.5, 'learning_rate': 1e-05, 'eval_runtime': '2'} and more`] });
  expect(found.metrics.map(({ name, value }) => [name, value])).toEqual([
    ['loss', 1.5],
    ['learning_rate', 1e-5],
    ['x/eval_runtime', 2],
  ]);
});

test('rows of our own script have their steps, and no engine can pass for one', async () => {
  const row = { step: 3, steps: 9, epoch: 0.333, etaSeconds: 12, values: { loss: 0.5, 'a b': 1 } };
  const line = `orchestrate-event ${JSON.stringify(row)}`;
  const own = await read({
    lines: [line, `orchestrate-event ${JSON.stringify({ ...row, step: 9, values: { train_runtime: 1 } })}`],
    speaksEvents: true,
  });
  expect(format(own)).toEqual(['train/loss 3@0.333 0.5 batch loss', 'train/x/train_runtime 9@0.333 1 unreported train_runtime']);
  expect(own.progress).toMatchObject({ step: 9, steps: 9, epoch: 0.333, loss: 0.5, etaSeconds: 0 });
  expect(await read({ lines: [line] })).toMatchObject({ events: [], printed: [` ${line}`] });
});

test('any lines give finite measures or none', async () => {
  const word = fc.constantFrom(
    "{'loss': ",
    "'epoch': ",
    '1e999',
    'nan',
    "'",
    ', ',
    '}',
    '0',
    '-1',
    bar(1, 2),
    bar(0, 0),
    'x',
    '\r',
    '\u001B[A',
    '\\',
  );
  const line = fc.oneof(
    anyText,
    fc.array(word, { maxLength: 12 }).map((all) => all.join('')),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      for (const { value, step } of (await read({ lines, epochs: 1 })).metrics)
        expect(Number.isFinite(value) && (step === null || Number.isSafeInteger(step))).toBe(true);
    }),
  );
});

// A reader that goes over a line again and again would not end before the test's time is up.
test.each(["{'", '{"\'', "{'a': 1, ", "{'\\'", '%|', '\r 1%|', '{', ' ', "{'a':'{\"", '1', '\r1%|| 1/1 [1<1, 1', 'a% '])(
  'a megabyte of %j is read',
  { timeout: 15_000 },
  async (part) => {
    expect((await read({ lines: [part.repeat(Math.ceil(1e6 / part.length))] })).metrics).toEqual([]);
  },
);
