import { expect, test } from 'vitest';
import { closeNetwork, copyWeights } from '../../../src/trainer/engine/network.ts';
import {
  accumulateGradients,
  countSteps,
  countWarmupSteps,
  createTrainingState,
  getLearningRate,
  train,
  type TrainingEnd,
} from '../../../src/trainer/engine/train.ts';
import type { Classifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import type { EpochEvaluated, StepFinished, TrainingSettings } from '../../../src/trainer/protocol.ts';
import { openTinyClassifier, readSentiment, settings } from '../tiny-classifier.ts';

type News = StepFinished | EpochEvaluated;
interface Run {
  readonly end: TrainingEnd;
  readonly written: News[];
}

async function run(
  classifier: Classifier,
  wanted: Partial<TrainingSettings>,
  { rows = 32, validation = 0, onWrite = (_event: News): void => {}, readControlRequest = (): 'cancel' | 'pause' | null => null } = {},
): Promise<Run> {
  const written: News[] = [];
  let clock = 0;
  const write = (event: News): void => {
    written.push(event);
    onWrite(event);
  };
  const all = { ...settings, ...wanted };
  const [trained, scored] = [await readSentiment(classifier, rows), await readSentiment(classifier, validation, 1000)];
  const hooks = {
    state: createTrainingState(classifier.tf, all, 'process'),
    write,
    readControlRequest,
    afterStep: () => {},
    now: () => (clock += 100),
  };
  return { end: train(classifier, { rows: trained, validation: scored, settings: all }, hooks), written };
}

const isStep = (event: News): event is StepFinished => event.type === 'step-finished';
const isEvaluation = (event: News): event is EpochEvaluated => event.type === 'epoch-evaluated';

test('the same seed gives the same bits, another seed others', async () => {
  const results = [];
  for (const seed of [7, 7, 8]) {
    const classifier = await openTinyClassifier();
    const { written } = await run(classifier, { seed });
    results.push({ losses: written.filter(isStep).map((event) => event.loss), weights: copyWeights(classifier) });
    closeNetwork(classifier);
  }
  const [first, second, other] = results;
  expect(second).toEqual(first);
  expect(other!.losses).not.toEqual(first!.losses);
});

test('training learns its rows, and frees what it makes', async () => {
  const classifier = await openTinyClassifier();
  const before = classifier.task.evaluate(classifier, await readSentiment(classifier, 32));
  const live: number[] = [];
  const { written, end } = await run(classifier, { steps: 60 }, { onWrite: () => live.push(classifier.tf.memory().numTensors) });
  const after = classifier.task.evaluate(classifier, await readSentiment(classifier, 32));
  expect(end).toEqual({ reason: 'finished', step: 60, best: null });
  expect(live[59]).toBe(live[1]);
  expect(before.accuracy).toBeLessThan(0.8);
  expect(after.accuracy).toBe(1);
  const last = written.filter(isStep).at(-1)!;
  expect(last).toMatchObject({ step: 60, steps: 60, epoch: 15, etaSeconds: 0, rowsPerSecond: 80 });
  closeNetwork(classifier);
  expect(classifier.tf.memory().numTensors).toBe(0);
});

test.each(['process', 'device'] as const)(
  'memory of the %s: micro-batches of unequal size give the gradient of the whole batch',
  async (memory) => {
    const opened = await openTinyClassifier();
    const classifier = { ...opened, config: { ...opened.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
    const batch = await readSentiment(classifier, 8);
    const whole = accumulateGradients(classifier, batch, { microBatchSize: 8, seed: 0, step: 0, memory: 'process' });
    const parts = accumulateGradients(classifier, batch, { microBatchSize: 3, seed: 0, step: 0, memory });
    expect(parts.loss).toBeCloseTo(whole.loss, 6);
    for (const [name, gradient] of whole.gradients) {
      const [one, sum] = [gradient, parts.gradients.get(name)!].map((tensor) => tensor.dataSync<'float32'>()) as [
        Float32Array,
        Float32Array,
      ];
      const difference = one.reduce((most, value, i) => Math.max(most, Math.abs(value - sum[i]!)), 0);
      expect(difference, name).toBeLessThan(1e-6);
    }
    closeNetwork(classifier);
  },
);

test('the validation rows are scored after each epoch and at the end', async () => {
  const classifier = await openTinyClassifier();
  const { written } = await run(classifier, { steps: 10 }, { validation: 20 });
  expect(written.filter(isEvaluation).map(({ step, epoch, rows }) => [step, epoch, rows])).toEqual([
    [4, 1, 20],
    [8, 2, 20],
    [10, 2.5, 20],
  ]);
  closeNetwork(classifier);
});

test('"best" ends with the weights of the lowest validation loss', async () => {
  const classifier = await openTinyClassifier();
  const { written, end } = await run(classifier, { steps: 24, select: 'best', learningRate: 2e-3 }, { validation: 40 });
  const evaluations = written.filter(isEvaluation);
  const best = evaluations.toSorted((a, b) => a.loss - b.loss)[0]!;
  expect(best).not.toBe(evaluations.at(-1)); // else this test would show nothing
  expect(end.best).toEqual(best);
  expect(classifier.task.evaluate(classifier, await readSentiment(classifier, 40, 1000)).loss).toBe(best.loss);
  closeNetwork(classifier);
});

test('"best" without validation rows is refused', async () => {
  const classifier = await openTinyClassifier();
  await expect(run(classifier, { select: 'best' })).rejects.toThrow('needs validation rows');
  await expect(run(classifier, {}, { rows: 0 })).rejects.toThrow('at least one training row');
  closeNetwork(classifier);
});

test('a cancelled training stops before the next step', async () => {
  const classifier = await openTinyClassifier();
  let asked = 0;
  const { end, written } = await run(classifier, {}, { readControlRequest: () => (++asked > 2 ? 'cancel' : null) });
  expect(end).toEqual({ reason: 'cancelled', step: 2, best: null });
  expect(written).toHaveLength(2);
  closeNetwork(classifier);
});

test('a training that diverges keeps its last finite weights', async () => {
  const classifier = await openTinyClassifier();
  const { end, written } = await run(classifier, { learningRate: 1e30, maxGradNorm: 0, steps: 20 });
  expect(end.reason).toBe('diverged');
  expect(written.every((event) => Number.isFinite(event.loss))).toBe(true);
  expect([...copyWeights(classifier).values()].every((values) => values.every(Number.isFinite))).toBe(true);
  closeNetwork(classifier);
});

test('dropout acts in training only', async () => {
  const classifier = await openTinyClassifier();
  const batch = await readSentiment(classifier, 8);
  const losses = [0, 1].map((step) => accumulateGradients(classifier, batch, { microBatchSize: 8, seed: 0, step, memory: 'process' }).loss);
  expect(losses[0]).not.toBe(losses[1]);
  expect(classifier.task.evaluate(classifier, batch)).toEqual(classifier.task.evaluate(classifier, batch));
  closeNetwork(classifier);
});

const schedule = { learningRate: 1, warmupSteps: 2, steps: 10 };

test.each([
  ['linear', [0, 0.5, 1, 0.875, 0.125, 0]],
  ['cosine', [0, 0.5, 1, 0.5 * (1 + Math.cos(Math.PI / 8)), 0.5 * (1 + Math.cos((Math.PI * 7) / 8)), 0]],
  ['constant', [0, 0.5, 1, 1, 1, 1]],
] as const)('%s', (name, expected) => {
  const rates = [0, 1, 2, 3, 9, 10].map((step) => getLearningRate({ ...schedule, name }, step));
  for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[i]!, 12);
});

test('without warm-up the first step has the full rate', () => {
  expect(getLearningRate({ name: 'linear', learningRate: 3, warmupSteps: 0, steps: 5 }, 0)).toBe(3);
});

test('warm-up steps are rounded up', () => {
  expect([countWarmupSteps(0.1, 447), countWarmupSteps(0, 100), countWarmupSteps(0.1, 1)]).toEqual([45, 0, 1]);
});

test('step counts', () => {
  expect(countSteps(2374, { batchSize: 16, epochs: 3, steps: null })).toEqual({ perEpoch: 149, total: 447 });
  expect(countSteps(2374, { batchSize: 16, epochs: 0.5, steps: null })).toEqual({ perEpoch: 149, total: 75 });
  expect(countSteps(2374, { batchSize: 16, epochs: null, steps: 7 })).toEqual({ perEpoch: 149, total: 7 });
});
