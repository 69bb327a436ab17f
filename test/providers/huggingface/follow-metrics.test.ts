import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addLogLine, toProgress, toTrainingLog, type TrainingLog } from '../../../providers/huggingface/follow-metrics.ts';
import type { Measurement } from '../../../providers/huggingface/parse-metrics.ts';
import type { Note } from '../../../src/provider/note.ts';
import { anyText } from './any-text.ts';
import { readFixtureLines } from './read-fixture.ts';

function readAll(lines: readonly string[], epochs: number | null = null): { log: TrainingLog; metrics: Measurement[]; notes: Note[] } {
  let log = toTrainingLog(epochs);
  const metrics: Measurement[] = [];
  const notes: Note[] = [];
  for (const line of lines) {
    const read = addLogLine(log, line);
    log = JSON.parse(JSON.stringify(read.log)) as TrainingLog; // as in a cursor
    metrics.push(...read.metrics);
    notes.push(...read.notes);
  }
  return { log, metrics, notes };
}

function pick(metrics: readonly Measurement[], split: string, name: string): string[] {
  return metrics.filter((one) => one.split === split && one.name === name).map(({ step, epoch, value }) => `${step}@${epoch} ${value}`);
}

// Nine records of training with 3 measures, three evaluations with 9, the end with 4, and the last evaluation with 9.
test('AutoTrain on standard output alone: each event once, with its full epoch, and no step', () => {
  const { metrics, notes, log } = readAll(readFixtureLines('autotrain-classification.out'));
  expect(metrics).toHaveLength(9 * 3 + 3 * 9 + 4 + 9);
  expect(notes).toEqual([]);
  expect(pick(metrics, 'train', 'loss')).toEqual([
    'null@0.3333333333333333 0.7026',
    'null@0.6666666666666666 0.6841',
    'null@1 0.6534',
    'null@1.3333333333333333 0.6082',
    'null@1.6666666666666665 0.5882',
    'null@2 0.5236',
    'null@2.3333333333333335 0.4367',
    'null@2.6666666666666665 0.4362',
    'null@3 0.3829',
  ]);
  expect(pick(metrics, 'validation', 'accuracy')).toEqual(['null@1 0.6', 'null@2 0.6375', 'null@3 0.675', 'null@null 0.675']);
  expect(pick(metrics, 'train', 'x/train_loss')).toEqual(['null@3 0.5573122448391384']);
  expect(toProgress(log)).toBeNull();
});

test('AutoTrain with both streams in one: bars and epochs give each event its step', () => {
  const { metrics, log } = readAll(readFixtureLines('autotrain-classification-merged.log'));
  expect(metrics).toHaveLength(9 * 3 + 3 * 9 + 4 + 9);
  expect(pick(metrics, 'train', 'loss')).toEqual([
    '5@0.3333333333333333 0.687',
    '10@0.6666666666666666 0.6749',
    '15@1 0.6566',
    '20@1.3333333333333333 0.5962',
    '25@1.6666666666666665 0.5737',
    '30@2 0.5002',
    '35@2.3333333333333335 0.3992',
    '40@2.6666666666666665 0.4254',
    '45@3 0.3545',
  ]);
  expect(pick(metrics, 'validation', 'auc')).toEqual([
    '15@1 0.6681332495285983',
    '30@2 0.742928975487115',
    '45@3 0.7705845380263985',
    'null@null 0.7705845380263985',
  ]);
  expect(pick(metrics, 'train', 'x/train_runtime')).toEqual(['45@3 3.803']);
  expect(toProgress(log)).toEqual({ step: 45, steps: 45, epoch: 3, etaSeconds: 0, rowsPerSecond: null, loss: 0.3545 });
});

test('AutoTrain in a Space', () => {
  const { metrics } = readAll(readFixtureLines('autotrain-space.log'));
  expect(metrics).toHaveLength(12 * 3 + 2 * 9 + 4 + 9);
  expect(pick(metrics, 'train', 'loss').at(-1)).toMatch(/^60@2 /);
  expect(pick(metrics, 'validation', 'accuracy').at(-1)).toMatch(/^null@null /);
});

test('AutoTrain tuning a language model, and AutoTrain with a parameter that it does not know', () => {
  const sft = readAll(readFixtureLines('autotrain-sft.out')).metrics;
  expect(sft).toHaveLength(7 * 3 + 4);
  expect(pick(sft, 'train', 'loss')[0]).toBe('null@0.14285714285714285 6.5658');
  expect(readAll(readFixtureLines('autotrain-unknown-parameter.out')).metrics).toHaveLength(3 * 3 + 9 + 4 + 9);
});

test('TRL: quoted numbers, once each', () => {
  const { metrics, notes } = readAll(readFixtureLines('trl-sft.out'));
  expect(metrics).toHaveLength(6 * 6 + 3 * 7 + 4);
  expect(notes).toEqual([]);
  expect(pick(metrics, 'train', 'loss')).toEqual(
    ['0.1667 6.343', '0.3333 4.032', '0.5 3.339', '0.6667 2.889', '0.8333 2.64', '1 2.601'].map((one) => `null@${one}`),
  );
  expect(pick(metrics, 'validation', 'mean_token_accuracy')).toEqual(['null@0.3333 0.4256', 'null@0.6667 0.497', 'null@1 0.5368']);
  const dpo = readAll(readFixtureLines('trl-dpo.out')).metrics;
  expect(dpo).toHaveLength(3 * 14 + 4);
  expect(pick(dpo, 'train', 'rewards/margins')).toEqual(['null@0.3333 0.6781', 'null@0.6667 0.2911', 'null@1 0.1337']);
});

test('TRL: a bar and the epochs that the job asked for give the steps', () => {
  const [bars, dicts] = [readFixtureLines('trl-sft.err'), readFixtureLines('trl-sft.out')];
  const { metrics, log } = readAll([...bars, ...dicts], 1);
  expect(pick(metrics, 'train', 'loss').map((one) => one.split('@')[0])).toEqual(['2', '4', '6', '8', '10', '12']);
  expect(pick(metrics, 'validation', 'loss').map((one) => one.split('@')[0])).toEqual(['4', '8', '12']);
  expect(toProgress(log)).toMatchObject({ step: 12, steps: 12 });
});

const bar = (step: number, steps: number): string => `\r ${Math.floor((100 * step) / steps)}%|█| ${step}/${steps} [00:01<00:09,  4.50it/s]`;

test('an epoch with too few digits, or of steps that are not equally long, leaves the step open', () => {
  const step = (steps: number, epoch: string): unknown =>
    readAll([bar(0, steps), `{'loss': '1', 'epoch': '${epoch}'}`], 1).metrics[0]?.step;
  expect(step(100, '0.1234')).toBeNull(); // 12.34 steps
  expect(step(100, '0.12')).toBe(12);
  expect(step(100_000, '0.1234')).toBeNull(); // any of eleven steps
  expect(step(3, '0.4444')).toBeNull(); // 4 of 9 batches: 1.33
  expect(step(10, '1.2')).toBeNull(); // more than there are
});

test('a training that begins anew with smaller batches is counted by its own bar', () => {
  const { metrics, log } = readAll([bar(3, 10), bar(0, 20), `${bar(10, 20)}{'loss': 1.5, 'epoch': 0.5}`], 1);
  expect(metrics[0]).toMatchObject({ step: 10, value: 1.5 });
  expect(toProgress(log)).toMatchObject({ step: 10, steps: 20 });
});

test('a long evaluation is no training', () => {
  const { log } = readAll([bar(5, 10), bar(7, 80), bar(80, 80), "{'loss': 1.5, 'epoch': 0.6}"], 1);
  expect(toProgress(log)).toMatchObject({ step: 6, steps: 10 });
});

test('a number that is none is noted once for each name', () => {
  const { metrics, notes } = readAll(["{'loss': nan, 'grad_norm': inf, 'epoch': 0.5}", "{'loss': nan, 'grad_norm': 1.0, 'epoch': 1.0}"]);
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([['grad_norm', 1]]);
  expect(notes.map((note) => (note.type === 'warning' ? note.message : ''))).toEqual([
    'the training reports a loss that is no finite number at epoch 0.5; it is left out of the metrics',
    'the training reports a grad_norm that is no finite number at epoch 0.5; it is left out of the metrics',
  ]);
});

test('AutoTrain repeats a record with nan; two records of transformers that look alike are two', () => {
  const record = 'INFO     | t | autotrain.trainers.common:on_log:367 - ';
  const dicts = (epoch: string): string[] => [`{'loss': nan, 'grad_norm': 2.0, 'epoch': ${epoch}}`];
  expect(readAll([`${record}${dicts('0.125')[0]}`, ...dicts('0.12')]).metrics).toHaveLength(1);
  expect(readAll([...dicts('0.12'), ...dicts('0.12')]).metrics).toHaveLength(2);
  expect(readAll([`${record}${dicts('0.125')[0]}`, ...dicts('0.12'), ...dicts('0.12')]).metrics).toHaveLength(2);
  expect(readAll([`${record}${dicts('0.125')[0]}`, ...dicts('0.5')]).metrics).toHaveLength(2);
});

test('any lines give metrics or nothing, and a finite number for each', () => {
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
    "'epochs': 3, 'batch_size': 1",
  );
  const line = fc.oneof(
    anyText,
    fc.array(word, { maxLength: 12 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      for (const { value, step } of readAll(lines).metrics)
        expect(Number.isFinite(value) && (step === null || Number.isSafeInteger(step))).toBe(true);
    }),
  );
});
