import type { Tensor } from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/trainer/backends/index.ts';
import { createAdamW } from '../../../src/trainer/engine/adamw.ts';
import { createOps } from '../../../src/trainer/engine/ops.ts';
import { adamWDefaults, createLayerDecay } from '../../../src/trainer/engine/optimizer.ts';
import {
  applyLabelWeights,
  applyLossSettings,
  type EncodedRow,
  type LossSettings,
} from '../../../src/trainer/tasks/classification/rows.ts';
import { classification, multiLabel } from '../../../src/trainer/tasks/classification/classifier.ts';
import { accumulateGradients } from '../../../src/trainer/engine/train.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { openTinyClassifier, readSentiment } from '../tiny-classifier.ts';

type Numbers = Readonly<Record<string, readonly number[]>>;

/** Figures of PyTorch: see make-controls.py. */
interface Figures {
  readonly losses: {
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly classes: number;
    readonly cases: readonly {
      readonly labelSmoothing: number;
      readonly classWeights: readonly number[] | null;
      readonly loss: number;
      readonly gradient: readonly number[];
    }[];
  };
  readonly multiLabel: {
    readonly logits: readonly number[];
    readonly targets: readonly number[];
    readonly classes: number;
    readonly loss: number;
    readonly gradient: readonly number[];
    readonly weighted: { readonly weights: readonly number[]; readonly loss: number; readonly gradient: readonly number[] };
  };
  readonly regression: {
    readonly values: readonly number[];
    readonly targets: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[];
  };
  readonly layerDecay: {
    readonly layers: number;
    readonly layerDecay: number;
    readonly learningRate: number;
    readonly weightDecay: number;
    readonly maxGradNorm: number;
    readonly before: Numbers;
    readonly gradients: readonly Numbers[];
    readonly after: Numbers;
  };
}
const figures = JSON.parse(readFileSync('fixtures/parity/controls.json', 'utf8')) as Figures;

function toLargestDistance(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found).toHaveLength(expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
}

type Logits = Parameters<ReturnType<typeof createOps>['squaredError']>[0];

const toRow = (label: number): EncodedRow => ({ ids: [], typeIds: [], label });

describe.each(['cpu', 'wasm', 'wasm-portable'] as const)('beside PyTorch, on the backend %s', (backend) => {
  test('losses of smoothed labels and weighted classes, with their gradients', async () => {
    const tf = await startBackend(backend);
    const { logits, labels, classes, cases } = figures.losses;
    const x = tf.tensor2d([...logits], [labels.length, classes]);
    expect(cases).toHaveLength(6);
    for (const { loss, gradient, labelSmoothing, classWeights } of cases) {
      const settings: LossSettings = { labelSmoothing, ...(classWeights && { classWeights }) };
      const rows = applyLossSettings(labels.map(toRow), classes, settings);
      const expected = rows.flatMap(({ label, targets }) => targets ?? [0, 1, 2].map((i) => (i === label ? 1 : 0)));
      const targets = tf.tensor2d(expected, [labels.length, classes]);
      const weight = classification.getWeight(rows);
      const { value, grads } = tf.valueAndGrads((logits) => createOps(tf).crossEntropy(logits as typeof x, targets).sum)([x]);
      expect(value.dataSync()[0]! / weight).toBeCloseTo(loss, 5);
      expect(toLargestDistance(grads[0]!.dataSync().map((number) => number / weight), gradient)).toBeLessThan(1e-6); // prettier-ignore
    }
  });

  test('the loss of several labels a row, weighted or not, with its gradient, also for logits of which no power of e is finite', async () => {
    const tf = await startBackend(backend);
    const { logits, targets, classes, weighted } = figures.multiLabel;
    const count = logits.length / classes;
    const rows = Array.from({ length: count }, (_, i) => ({ ...toRow(0), targets: targets.slice(i * classes, (i + 1) * classes) }));
    const toTensor = (numbers: readonly number[]): Logits => tf.tensor2d([...numbers], [count, classes]);
    const of = applyLabelWeights(rows, { classWeights: weighted.weights }).flatMap(({ weights }: EncodedRow) => weights!);
    for (const [weights, { loss, gradient }] of [[null, figures.multiLabel] as const, [toTensor(of), weighted] as const]) {
      const compute = (x: Tensor): Tensor => createOps(tf).binaryCrossEntropy(x as Logits, toTensor(targets), weights);
      const { value, grads } = tf.valueAndGrads(compute)([toTensor(logits)]);
      expect(Math.abs(value.dataSync()[0]! / multiLabel.getWeight(rows) - loss)).toBeLessThan(1e-6 * loss);
      expect(toLargestDistance(grads[0]!.dataSync().map((number) => number / count), gradient)).toBeLessThan(1e-7); // prettier-ignore
    }
  });

  test('the squared error of one number, with its gradient', async () => {
    const tf = await startBackend(backend);
    const { values, targets, loss, gradient } = figures.regression;
    const [x, y] = [values, targets].map((numbers) => tf.tensor2d([...numbers], [numbers.length, 1])) as [Logits, Logits];
    const { value, grads } = tf.valueAndGrads((x) => createOps(tf).squaredError(x as Logits, y))([x]);
    expect(value.dataSync()[0]! / values.length).toBeCloseTo(loss, 5);
    expect(toLargestDistance(grads[0]!.dataSync().map((number) => number / values.length), gradient)).toBeLessThan(1e-6); // prettier-ignore
  });

  test.each(['process', 'device'] as const)('a rate of its own for each layer, in memory of the %s', async (memory) => {
    const tf = await startBackend(backend);
    const { layers, layerDecay, learningRate, weightDecay, maxGradNorm, before, gradients, after } = figures.layerDecay;
    const toTensors = (numbers: Numbers): Map<string, ReturnType<typeof tf.tensor1d>> =>
      new Map(Object.entries(numbers).map(([name, values]) => [name, tf.tensor1d([...values])]));
    const parameters = toTensors(before) as Parameters<ReturnType<typeof createAdamW>['update']>[0]['parameters'];
    const optimizer = createAdamW(tf, { ...adamWDefaults, weightDecay }, memory);
    const getRateFactor = createLayerDecay(layerDecay, layers);
    for (const gradient of gradients)
      optimizer.update({ parameters, gradients: toTensors(gradient), learningRate, maxGradNorm, getRateFactor });
    for (const [name, values] of Object.entries(after))
      expect(toLargestDistance(parameters.get(name)!.dataSync(), values), name).toBeLessThan(1e-6);
  });
});

test.each([
  ['bert.embeddings.LayerNorm.weight', 4],
  ['distilbert.embeddings.word_embeddings.weight', 4],
  ['electra.embeddings_project.weight', 4],
  ['bert.encoder.layer.0.output.dense.weight', 3],
  ['distilbert.transformer.layer.2.ffn.lin1.bias', 1],
  ['model.layers.1.attn.Wqkv.weight', 2],
  ['bert.pooler.dense.weight', 0],
  ['pre_classifier.weight', 0],
  ['classifier.bias', 0],
])('of three layers, %s learns at the rate of %i layers below the head', (name, below) => {
  expect(createLayerDecay(0.5, 3)!(name)).toBe(0.5 ** below);
});

test('without a decay nothing is multiplied', () => {
  expect([createLayerDecay(undefined, 3), createLayerDecay(1, 3)]).toEqual([undefined, undefined]);
});

test('micro-batches of unequal weight give the mean over the weights of the whole batch', async () => {
  const opened = await openTinyClassifier();
  const classifier = { ...opened, config: { ...opened.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
  const rows = applyLossSettings(await readSentiment(classifier, 8), 2, { labelSmoothing: 0.1, classWeights: [0.2, 3] });
  const accumulate = (microBatchSize: number): ReturnType<typeof accumulateGradients> =>
    accumulateGradients(classifier, rows, { microBatchSize, seed: 0, step: 0, memory: 'process' });
  const [whole, parts] = [accumulate(8), accumulate(3)];
  expect(parts.loss).toBeCloseTo(whole.loss, 6);
  const [bias, inParts] = [whole, parts].map(({ gradients }) => [...gradients.get('classifier.bias')!.dataSync()]);
  expect(inParts![0]).toBeCloseTo(bias![0]!, 6);
  expect(bias![0]).not.toBe(0);
  const [plain, alike] = [{}, { classWeights: [2, 2] }].map((settings) => {
    const weighted = applyLossSettings(
      rows.map(({ ids, typeIds, label }) => ({ ids, typeIds, label })),
      2,
      settings,
    );
    return accumulateGradients(classifier, weighted, { microBatchSize: 3, seed: 0, step: 0, memory: 'process' }).loss;
  });
  expect(alike).toBeCloseTo(plain!, 6);
  closeNetwork(classifier);
});
