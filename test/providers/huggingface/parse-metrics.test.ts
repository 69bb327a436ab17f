import { expect, test } from 'vitest';
import { parseMetrics } from '../../../providers/huggingface/parse-metrics.ts';

const nowhere = { step: null, epoch: null, file: null };

test('names, splits and coverages', () => {
  const row = [
    ['loss', 0.5],
    ['rewards/chosen', 0.7],
    ['eval_loss', 0.6],
    ['eval_f1_macro', 0.8],
    ['eval_runtime', 2],
    ['eval_samples_per_second', 10],
    ['train_runtime', 9],
    ['train_loss', 0.55],
    ['epoch', 3],
    ['step', 45],
  ] as const;
  const { metrics, nonFinite } = parseMetrics(row, { step: 45, epoch: 3, file: null });
  expect(nonFinite).toEqual([]);
  expect(metrics.map(({ name, split, coverage, source, value }) => `${split} ${name} ${coverage} ${source} ${value}`)).toEqual([
    'train loss batch loss 0.5',
    'train rewards/chosen batch rewards/chosen 0.7',
    'validation loss full eval_loss 0.6',
    'validation f1_macro full eval_f1_macro 0.8',
    'validation x/eval_runtime unreported eval_runtime 2',
    'validation x/eval_samples_per_second unreported eval_samples_per_second 10',
    'train x/train_runtime unreported train_runtime 9',
    'train x/train_loss unreported train_loss 0.55',
  ]);
  expect(metrics.every(({ step, epoch }) => step === 45 && epoch === 3)).toBe(true);
});

test('a source names its file', () => {
  expect(parseMetrics([['loss', 1]], { ...nowhere, file: 'trainer_state.json' }).metrics[0]?.source).toBe('trainer_state.json: loss');
});

test('what is no finite number is named and left out, what is no number or no name is left out', () => {
  const { metrics, nonFinite } = parseMetrics(
    [
      ['loss', Number.NaN],
      ['grad_norm', Infinity],
      ['x', null],
      ['', 1],
      ['eval_', 1],
      ['a b', 1],
      ['\u001B[2J', 1],
    ],
    nowhere,
  );
  expect(metrics).toEqual([]);
  expect(nonFinite).toEqual(['loss', 'grad_norm']);
});

test('a field that stands twice counts once', () => {
  expect(
    parseMetrics(
      [
        ['loss', 1],
        ['loss', 2],
      ],
      nowhere,
    ).metrics.map(({ value }) => value),
  ).toEqual([1]);
});
