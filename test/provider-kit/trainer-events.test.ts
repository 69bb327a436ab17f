import { expect, test } from 'vitest';
import { EngineEvent, foldEvents } from '../../src/provider-kit/trainer-events.ts';
import type { TrainerEvent } from '../../src/trainer/protocol.ts';

const at = '2026-11-30T12:00:00.000Z';

test("names, splits and coverages of transformers' measures", () => {
  const values = {
    loss: 0.5,
    'rewards/chosen': 0.7,
    eval_loss: 0.6,
    eval_f1_macro: 0.8,
    eval_runtime: 2,
    train_runtime: 9,
    train_loss: 0.55,
  };
  const { metrics } = foldEvents([{ type: 'values-measured', at, step: 45, epoch: 3, values, file: 'trainer_state.json' }]);
  expect(metrics.map(({ name, split, coverage, source, value }) => `${split} ${name} ${coverage} ${source} ${value}`)).toEqual([
    'train loss batch trainer_state.json: loss 0.5',
    'train rewards/chosen batch trainer_state.json: rewards/chosen 0.7',
    'validation loss full trainer_state.json: eval_loss 0.6',
    'validation f1_macro full trainer_state.json: eval_f1_macro 0.8',
    'validation x/eval_runtime unreported trainer_state.json: eval_runtime 2',
    'train x/train_runtime unreported trainer_state.json: train_runtime 9',
    'train x/train_loss unreported trainer_state.json: train_loss 0.55',
  ]);
  for (const metric of metrics) expect(metric).toMatchObject({ step: 45, epoch: 3, at });
});

test('parameters that were drawn anew are noted beside cut rows', () => {
  const event: TrainerEvent = { type: 'data-read', at, rows: 8, validationRows: 2, truncated: 3, steps: 4, drawn: ['a.weight', 'a.bias'] };
  expect(foldEvents([event]).notes.map((note) => (note.type === 'warning' ? note.message : ''))).toEqual([
    '3 rows were longer than the model reads and were cut',
    expect.stringContaining('has no a.weight, a.bias'),
  ]);
});

test('the log of a language model says how much it learns, and its notes what is wrong with that', () => {
  const learning = { rows: 2, tokens: 90, learned: 12, warnings: ['answers do not end'] };
  const event: TrainerEvent = { type: 'data-read', at, rows: 8, validationRows: 2, truncated: 0, steps: 4, learning };
  const { logs, notes } = foldEvents([event]);
  expect(logs.map(({ text }) => text)).toEqual([
    '8 training rows, 2 validation rows, 0 cut; 4 steps',
    '12 of 90 tokens are learned in the first 2 texts',
  ]);
  expect(notes).toEqual([{ type: 'warning', message: 'answers do not end' }]);
});

test('an early end says in the log and in the notes why it is one', () => {
  const end = (patience: number, by: 'loss' | 'measure'): TrainerEvent => ({
    type: 'training-ended-early',
    at,
    step: 40,
    steps: 120,
    best: 20,
    patience,
    by,
  });
  const { logs, notes } = foldEvents([end(2, 'loss'), end(1, 'measure')]);
  const texts = [
    'stopped early after step 40 of 120: the validation loss was best at step 20, and no better in the 2 validations after that',
    'stopped early after step 40 of 120: the measure of the validation rows was best at step 20, and no better in the validation after that',
  ];
  expect(logs.map(({ text }) => text)).toEqual(texts);
  expect(notes).toEqual(texts.map((message) => ({ type: 'warning', message })));
});

test("the trainer's own events", () => {
  const events: TrainerEvent[] = [
    { type: 'data-read', at, rows: 8, validationRows: 2, truncated: 3, steps: 4 },
    {
      type: 'step-finished',
      at,
      step: 1,
      steps: 4,
      epoch: 0.5,
      loss: 0.7,
      learningRate: 0.1,
      gradNorm: 2,
      rowsPerSecond: 9,
      etaSeconds: 3,
    },
    { type: 'epoch-evaluated', at, step: 2, epoch: 1, rows: 2, loss: 0.6, accuracy: 0.5 },
    { type: 'checkpoint-written', at, step: 2, milliseconds: 5 },
    { type: 'checkpoint-written', at, step: 1, milliseconds: 5 },
    { type: 'model-written', at, folder: 'unfinished', step: 2, sha256: 'x' },
  ];
  const report = foldEvents(events, '/runs/a');
  expect(report.progress).toEqual({ step: 1, steps: 4, epoch: 0.5, etaSeconds: 3, rowsPerSecond: 9, loss: 0.7 });
  expect(report.metrics.map(({ split, name, value, source }) => [split, name, value, source])).toEqual([
    ['train', 'loss', 0.7, 'loss'],
    ['train', 'learning_rate', 0.1, 'learningRate'],
    ['train', 'grad_norm', 2, 'gradNorm'],
    ['validation', 'loss', 0.6, 'loss'],
    ['validation', 'accuracy', 0.5, 'accuracy'],
  ]);
  expect(report.logs.map(({ text }) => text)).toEqual([
    '8 training rows, 2 validation rows, 3 cut; 4 steps',
    'epoch 1: validation loss 0.6000, accuracy 0.5000 (2 rows)',
    'weights of step 2 written to unfinished/',
  ]);
  expect(report.notes).toEqual([
    { type: 'warning', message: '3 rows were longer than the model reads and were cut' },
    { type: 'warning', message: 'the weights of step 2 are in /runs/a/unfinished; the training did not end' },
  ]);
  expect(report.checkpoint).toBe(2);
  expect(foldEvents([])).toEqual({ progress: null, metrics: [], logs: [], notes: [], failure: null, checkpoint: null });
});

test('the first failure counts; its cause is that of its code where the event says none', () => {
  const fail = (code: string, cause?: 'user'): EngineEvent => ({
    type: 'training-failed',
    at,
    code,
    ...(cause ? { cause } : {}),
    message: code,
    hint: null,
  });
  expect(foldEvents([fail('data-invalid'), fail('timeout')]).failure).toEqual({
    code: 'data-invalid',
    cause: 'data',
    message: 'data-invalid',
    hint: null,
    retryable: false,
  });
  expect(foldEvents([fail('model-invalid', 'user')]).failure).toMatchObject({ code: 'model-invalid', cause: 'user' });
  expect(foldEvents([fail('toString')]).failure).toMatchObject({ code: 'unexpected', cause: 'program' });
});

test.each([
  { type: 'values-measured', at, step: 1.5, epoch: null, values: {} },
  { type: 'values-measured', at, step: 1, epoch: null, values: { loss: 'x' } },
  { type: 'values-measured', at: 'yesterday', step: 1, epoch: null, values: {} },
  { type: 'progress-made', at, step: null },
  { type: 'coffee-made', at },
])('%j is no event', (json) => {
  expect(EngineEvent.safeParse(json).success).toBe(false);
});

test('a validation loss that is not a number is no metric', () => {
  const { metrics, logs } = foldEvents([{ type: 'epoch-evaluated', at, step: 3, epoch: 1.5, rows: 2, loss: NaN, accuracy: 0.5 }]);
  expect(metrics.map(({ name }) => name)).toEqual(['accuracy']);
  expect(logs.map(({ text }) => text)).toEqual(['epoch 1.5: validation loss NaN, accuracy 0.5000 (2 rows)']);
});

test('a validation says what it measured: of pairs the reward accuracy, of chats the loss alone', () => {
  const shared = { type: 'epoch-evaluated', at, step: 3, epoch: 1, rows: 2, loss: 0.5 } as const;
  const { metrics, logs } = foldEvents([{ ...shared, rewardAccuracy: 0.75 }, shared]);
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([
    ['loss', 0.5],
    ['reward_accuracy', 0.75],
    ['loss', 0.5],
  ]);
  expect(logs.map(({ text }) => text)).toEqual([
    'epoch 1: validation loss 0.5000, reward accuracy 0.7500 (2 rows)',
    'epoch 1: validation loss 0.5000 (2 rows)',
  ]);
});
