import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTrainerState } from '../../../providers/huggingface/parse-trainer-state.ts';
import { readFixture } from './read-fixture.ts';

test('a classifier: steps, both splits, the best evaluation', () => {
  const state = parseTrainerState(readFixture('trainer-state-classification.json'))!;
  expect(state).toMatchObject({ step: 45, steps: 45, epoch: 3, notes: [] });
  expect(state.best).toEqual({ value: 0.6009987592697144, step: 45, checkpoint: 'cli-tc-1/checkpoint-45' });
  expect(state.metrics).toHaveLength(9 * 3 + 3 * 9);
  const shown = state.metrics.filter(({ name }) => name === 'loss').map(({ split, step, value }) => `${split} ${step} ${value}`);
  expect(shown).toEqual([
    'train 5 0.7026',
    'train 10 0.6841',
    'train 15 0.6534',
    'validation 15 0.6696072816848755',
    'train 20 0.6082',
    'train 25 0.5882',
    'train 30 0.5236',
    'validation 30 0.6272748708724976',
    'train 35 0.4367',
    'train 40 0.4362',
    'train 45 0.3829',
    'validation 45 0.6009987592697144',
  ]);
  expect(state.metrics.find(({ split }) => split === 'validation')).toEqual({
    name: 'accuracy',
    split: 'validation',
    step: 15,
    epoch: 1,
    value: 0.6,
    coverage: 'full',
    source: 'trainer_state.json: eval_accuracy',
  });
});

test('a language model', () => {
  const state = parseTrainerState(readFixture('trainer-state-sft.json'))!;
  expect(state).toMatchObject({ step: 12, steps: 12, epoch: 1, best: null, notes: [] });
  expect(state.metrics).toHaveLength(6 * 6 + 3 * 7);
});

test('bare NaN is noted and kept out, also where a best value would stand', () => {
  const state = parseTrainerState(
    '{"best_metric": NaN, "log_history": [{"loss": NaN, "grad_norm": -Infinity, "step": 1}, {"loss": 2, "step": 2}]}',
  )!;
  expect(state.best).toBeNull();
  expect(state.metrics.map(({ name, step, value }) => [name, step, value])).toEqual([['loss', 2, 2]]);
  expect(state.notes).toHaveLength(2);
});

test('the evaluation after the end is of the model that was kept; one that was repeated counts once', () => {
  const rows = [
    { eval_loss: 1, step: 2 },
    { eval_loss: 1, step: 2 },
    { train_runtime: 3, step: 2 },
    { eval_loss: 0.5, step: 2 },
  ];
  const { metrics } = parseTrainerState(JSON.stringify({ log_history: rows }))!;
  expect(metrics.map(({ name, step, value }) => [name, step, value])).toEqual([
    ['loss', 2, 1],
    ['x/train_runtime', 2, 3],
    ['loss', null, 0.5],
  ]);
});

test('a best checkpoint is named by a newer field, or by its folder', () => {
  const best = (more: object): unknown => parseTrainerState(JSON.stringify({ log_history: [], best_metric: 1, ...more }))?.best?.step;
  expect(best({ best_global_step: 7, best_model_checkpoint: 'out/checkpoint-8' })).toBe(7);
  expect(best({ best_model_checkpoint: 'out/checkpoint-8/' })).toBe(8);
  expect(best({})).toBeNull();
});

test('what is none gives null, and any JSON gives finite metrics', () => {
  for (const text of ['', '[]', '{}', '{"log_history": {}}', 'null', 'NaN']) expect(parseTrainerState(text)).toBeNull();
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.constantFrom('loss', 'eval_loss', 'step', 'epoch', 'x y'), fc.jsonValue())), (rows) => {
      for (const { value } of parseTrainerState(JSON.stringify({ log_history: rows }))!.metrics) expect(Number.isFinite(value)).toBe(true);
    }),
  );
});
