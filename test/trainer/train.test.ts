import { expect, test } from 'vitest';
import { closeClassifier, type Classifier } from '../../src/trainer/classifier.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import type { EpochEvaluated, StepFinished, TrainingSettings } from '../../src/trainer/files.ts';
import { keepWeights } from '../../src/trainer/weights-snapshot.ts';
import { accumulateGradients, train, type TrainingEnd } from '../../src/trainer/train.ts';
import { createTrainingState } from '../../src/trainer/training-state.ts';
import { openTinyClassifier, readSentiment, settings } from './tiny-classifier.ts';

type Told = StepFinished | EpochEvaluated;
interface Run {
  readonly end: TrainingEnd;
  readonly told: Told[];
}

function run(
  classifier: Classifier,
  wanted: Partial<TrainingSettings>,
  { rows = 32, validation = 0, hear = (_event: Told): void => {}, readControlRequest = (): 'cancel' | 'pause' | null => null } = {},
): Run {
  const told: Told[] = [];
  let clock = 0;
  const data = { rows: readSentiment(classifier, rows), validation: readSentiment(classifier, validation, 1000) };
  const tell = (event: Told): void => {
    told.push(event);
    hear(event);
  };
  const all = { ...settings, ...wanted };
  const hooks = { state: createTrainingState(all), tell, readControlRequest, afterStep: () => {}, now: () => (clock += 100) };
  return { end: train(classifier, data, all, hooks), told };
}

const isStep = (event: Told): event is StepFinished => event.type === 'step-finished';
const isEvaluation = (event: Told): event is EpochEvaluated => event.type === 'epoch-evaluated';

test('the same seed gives the same bits, another seed others', async () => {
  const results = [];
  for (const seed of [7, 7, 8]) {
    const classifier = await openTinyClassifier();
    const { told } = run(classifier, { seed });
    results.push({ losses: told.filter(isStep).map((event) => event.loss), weights: keepWeights(classifier) });
    closeClassifier(classifier);
  }
  const [first, second, other] = results;
  expect(second).toEqual(first);
  expect(other!.losses).not.toEqual(first!.losses);
});

test('training learns its rows, and frees what it makes', async () => {
  const classifier = await openTinyClassifier();
  const before = evaluate(classifier, readSentiment(classifier, 32));
  const live: number[] = [];
  const { told, end } = run(classifier, { steps: 60 }, { hear: () => live.push(classifier.tf.memory().numTensors) });
  const after = evaluate(classifier, readSentiment(classifier, 32));
  expect(end).toEqual({ reason: 'finished', step: 60, best: null });
  expect(live[59]).toBe(live[1]);
  expect(before.accuracy).toBeLessThan(0.8);
  expect(after.accuracy).toBe(1);
  const last = told.filter(isStep).at(-1)!;
  expect(last).toMatchObject({ step: 60, steps: 60, epoch: 15, etaSeconds: 0, rowsPerSecond: 80 });
  closeClassifier(classifier);
  expect(classifier.tf.memory().numTensors).toBe(0);
});

test('micro-batches of unequal size give the gradient of the whole batch', async () => {
  const opened = await openTinyClassifier();
  const classifier = { ...opened, config: { ...opened.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
  const batch = readSentiment(classifier, 8);
  const whole = accumulateGradients(classifier, batch, { microBatchSize: 8, seed: 0, step: 0 });
  const parts = accumulateGradients(classifier, batch, { microBatchSize: 3, seed: 0, step: 0 });
  expect(parts.loss).toBeCloseTo(whole.loss, 6);
  for (const [name, gradient] of whole.gradients) {
    const difference = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - parts.gradients.get(name)![i]!)), 0);
    expect(difference, name).toBeLessThan(1e-6);
  }
  closeClassifier(classifier);
});

test('the validation rows are scored after each epoch and at the end', async () => {
  const classifier = await openTinyClassifier();
  const { told } = run(classifier, { steps: 10 }, { validation: 20 });
  expect(told.filter(isEvaluation).map(({ step, epoch, rows }) => [step, epoch, rows])).toEqual([
    [4, 1, 20],
    [8, 2, 20],
    [10, 2.5, 20],
  ]);
  closeClassifier(classifier);
});

test('"best" ends with the weights of the lowest validation loss', async () => {
  const classifier = await openTinyClassifier();
  const { told, end } = run(classifier, { steps: 24, select: 'best', learningRate: 2e-3 }, { validation: 40 });
  const evaluations = told.filter(isEvaluation);
  const best = evaluations.toSorted((a, b) => a.loss - b.loss)[0]!;
  expect(best).not.toBe(evaluations.at(-1)); // else this test would show nothing
  expect(end.best).toEqual(best);
  expect(evaluate(classifier, readSentiment(classifier, 40, 1000)).loss).toBe(best.loss);
  closeClassifier(classifier);
});

test('"best" without validation rows is refused', async () => {
  const classifier = await openTinyClassifier();
  expect(() => run(classifier, { select: 'best' })).toThrow('needs validation rows');
  expect(() => run(classifier, {}, { rows: 0 })).toThrow('at least one training row');
  closeClassifier(classifier);
});

test('a cancelled training stops before the next step', async () => {
  const classifier = await openTinyClassifier();
  let asked = 0;
  const { end, told } = run(classifier, {}, { readControlRequest: () => (++asked > 2 ? 'cancel' : null) });
  expect(end).toEqual({ reason: 'cancelled', step: 2, best: null });
  expect(told).toHaveLength(2);
  closeClassifier(classifier);
});

test('a training that diverges keeps its last finite weights', async () => {
  const classifier = await openTinyClassifier();
  const { end, told } = run(classifier, { learningRate: 1e30, maxGradNorm: 0, steps: 20 });
  expect(end.reason).toBe('diverged');
  expect(told.every((event) => Number.isFinite(event.loss))).toBe(true);
  expect([...keepWeights(classifier).values()].every((values) => values.every(Number.isFinite))).toBe(true);
  closeClassifier(classifier);
});

test('dropout acts in training only', async () => {
  const classifier = await openTinyClassifier();
  const batch = readSentiment(classifier, 8);
  const losses = [0, 1].map((step) => accumulateGradients(classifier, batch, { microBatchSize: 8, seed: 0, step }).loss);
  expect(losses[0]).not.toBe(losses[1]);
  expect(evaluate(classifier, batch)).toEqual(evaluate(classifier, batch));
  closeClassifier(classifier);
});
