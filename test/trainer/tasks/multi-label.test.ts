import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { getBackend, startBackend } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { accumulateGradients, createTrainingState, train } from '../../../src/trainer/engine/train.ts';
import { matchHead, readModelFolder } from '../../../src/trainer/model-folder.ts';
import type { AdapterSettings, TrainFile } from '../../../src/trainer/protocol.ts';
import { runTraining } from '../../../src/trainer/run-training.ts';
import { saveModel } from '../../../src/trainer/save-model.ts';
import {
  computeAllLogits,
  openClassifier,
  toLabelProbabilities,
  type Classifier,
} from '../../../src/trainer/tasks/classification/classifier.ts';
import { readRows } from '../read-rows.ts';
import { openWorkers } from '../../../src/trainer/workers/index.ts';
import { createScratchFolder } from '../../scratch.ts';
import { runUntil } from '../run-until.ts';
import { readEvents, toFigures, writeRunFolder, writeSmallModel } from '../small-training.ts';
import { settings, tinyBert } from '../tiny-classifier.ts';

const topics = ['fast', 'sad', 'good'];
const words = ['fast', 'sad', 'good', 'fine', 'dull'];

/** Texts of words, each with the labels that it names. */
function writeRows(count: number, from = 0): string {
  const path = join(createScratchFolder(), 'rows.jsonl');
  const rows = Array.from({ length: count }, (_, i) => {
    const named = words.filter((_word, bit) => (from + 7 * i) & (1 << bit));
    return JSON.stringify({ text: named.join(' ') || 'slow', label: topics.filter((topic) => named.includes(topic)) });
  });
  writeFileSync(path, rows.join('\n'));
  return path;
}

function createSmall(): string {
  const folder = join(createScratchFolder(), 'small');
  writeSmallModel(folder);
  return folder;
}

async function open(
  folder = createSmall(),
  more: { labels?: readonly string[]; isMultiLabel?: true; adapter?: AdapterSettings } = {},
): Promise<Classifier> {
  const { labels = topics, adapter = null, ...several } = { isMultiLabel: true as const, ...more };
  const network = openClassifier(await startBackend('wasm'), { folder, labels, ...several, seed: 1, maxLength: 8 }, adapter);
  onTestFinished(() => closeNetwork(network));
  return network;
}

async function trainTiny(adapter?: AdapterSettings): Promise<Classifier> {
  const network = await open(tinyBert, adapter && { adapter });
  const { rows } = await readRows(network, writeRows(32));
  const wanted = { ...settings, steps: 60, learningRate: adapter ? 6e-3 : 2e-3 };
  const hooks = { state: createTrainingState(network.tf, wanted, 'process'), write: () => {}, readControlRequest: () => null };
  train(network, { rows, validation: [], settings: wanted }, { ...hooks, afterStep: () => {}, now: () => 0 });
  return network;
}

test.each<[string, AdapterSettings | undefined]>([
  ['all parameters', undefined],
  ['low-rank matrices', { type: 'lora', rank: 4, alpha: 8, dropout: 0, targets: ['all-linear'], rankStabilized: false }],
])('labels are learned each by itself, by %s, and saved as transformers reads them', async (_what, adapter) => {
  const network = await trainTiny(adapter);
  const { rows } = await readRows(network, writeRows(32, 3));
  const { loss, microF1 } = network.task.evaluate(network, rows);
  expect(microF1).toBeGreaterThan(0.9);
  expect(loss).toBeLessThan(0.3);
  const target = join(createScratchFolder(), 'model');
  saveModel(network, target, { source: tinyBert, card: '', base: 'tiny' });
  const config = JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as object;
  const id2label = { 0: 'fast', 1: 'sad', 2: 'good' };
  expect(config).toMatchObject({ problem_type: 'multi_label_classification', id2label, label2id: { fast: 0, sad: 1, good: 2 } });
  const logits = computeAllLogits(network, rows);
  const again = computeAllLogits(await open(target), rows).flat();
  for (const [i, logit] of logits.flat().entries()) expect(again[i]).toBeCloseTo(logit, 4);
});

test('the loss of the validation is that of the training, and none answered is right where there are none', async () => {
  const opened = await trainTiny();
  const network = { ...opened, config: { ...opened.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
  const { rows } = await readRows(network, writeRows(10));
  const batch = accumulateGradients(network, rows, { microBatchSize: 3, seed: 0, step: 0, memory: 'process' });
  expect(network.task.evaluate(network, rows).loss).toBeCloseTo(batch.loss, 6);
  const none = rows.filter(({ targets }) => !targets!.includes(1)).slice(0, 1);
  expect(none).toHaveLength(1);
  expect(network.task.evaluate(network, none)).toMatchObject({ microF1: 0 });
});

test('each label has a probability of its own', () => {
  const several = toLabelProbabilities({ isMultiLabel: true }, [0, 2, -2, 800, -800]);
  expect(several).toEqual([0.5, expect.closeTo(0.880797, 6), expect.closeTo(0.119203, 6), 1, 0]);
  expect(toLabelProbabilities({ isMultiLabel: false }, [1, 1])).toEqual([expect.closeTo(0.5, 12), expect.closeTo(0.5, 12)]);
});

test('a single label is enough, none and two of one name are not', async () => {
  expect((await open(undefined, { labels: ['good'] })).labels).toEqual(['good']);
  await expect(open(undefined, { labels: [] })).rejects.toThrow('expected different labels, found []');
  await expect(open(undefined, { labels: ['a', 'a'] })).rejects.toThrow('expected different labels');
});

test('a head for one label a text is not kept for several, nor the other way round', async () => {
  const folder = join(createScratchFolder(), 'head');
  writeSmallModel(folder, 'with a head');
  const labels = ['no', 'yes'];
  const several = join(createScratchFolder(), 'several');
  cpSync(folder, several, { recursive: true });
  const path = join(several, 'config.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('{', '{"problem_type": "multi_label_classification",'));
  const rows = (await readRows(await open(folder, { labels }), writeRows(0))).rows;
  expect(rows).toEqual([]);
  expect(matchHead(readModelFolder(folder), { labels })).toEqual([0, 1]);
  expect(matchHead(readModelFolder(folder), { labels, isMultiLabel: true })).toBeNull();
  expect(matchHead(readModelFolder(several), { labels, isMultiLabel: true })).toEqual([0, 1]);
  expect(matchHead(readModelFolder(several), { labels })).toBeNull();
  const getHead = (network: Classifier): number[] => [...network.parameters.get('classifier.weight')!.dataSync<'float32'>()];
  const [kept, drawn] = [await open(several, { labels }), await open(folder, { labels })].map(getHead);
  expect(kept).not.toEqual(drawn);
  const own = openClassifier(await startBackend('wasm'), { folder, labels, seed: 1, maxLength: 8 });
  onTestFinished(() => closeNetwork(own));
  expect(getHead(own)).toEqual(kept);
});

test.each(['"good"', 'null', '["bad"]', '[1]', '{}'])('%s is no list of the labels', async (label) => {
  const path = join(createScratchFolder(), 'rows.jsonl');
  writeFileSync(path, `{"text": "good", "label": []}\n{"text": "good", "label": ${label}}\n`);
  await expect(readRows(await open(), path)).rejects.toThrow(`${path}:2: "label": expected a list with any of ["fast","sad","good"]`);
});

test('a second thread computes the same loss', async () => {
  const network = await open();
  const helpers = await openWorkers(network, { count: 1, backend: 'wasm', kernels: getBackend('wasm').findKernels() });
  onTestFinished(async () => await helpers.close());
  const { rows } = await readRows(network, writeRows(9));
  const [alone, both] = [network, { ...network, helpers }].map((one) => {
    const { loss, gradients } = accumulateGradients(one, rows, { microBatchSize: 4, seed: 3, step: 5, memory: 'process' });
    return [loss, ...gradients.get('classifier.bias')!.dataSync<'float32'>()];
  });
  expect(both).toHaveLength(4);
  for (const [i, value] of alone!.entries()) expect(Math.abs(both![i]! - value)).toBeLessThan(1e-6);
});

function createRun(threads: number, more: Partial<TrainFile['training']> = {}): string {
  const [folder, model] = [createScratchFolder(), createSmall()];
  const source = { folder: model, labels: topics, isMultiLabel: true as const, seed: 1, maxLength: 8 };
  const training: Partial<TrainFile['training']> = { steps: 20, earlyStopping: { patience: 4, minDelta: 0, by: 'measure' }, ...more };
  writeRunFolder(folder, model, { training, file: { model: source, threads }, rows: readFileSync(writeRows(22), 'utf8') });
  cpSync(writeRows(9, 5), join(folder, 'rows/validation.jsonl'));
  return folder;
}

test('a training on two threads that was killed ends with the same bytes', async () => {
  const [whole, killed] = [createRun(2), createRun(2)];
  const expected = (await runUntil(whole, 0))!;
  expect(await runUntil(killed, 12)).toBeNull();
  const resumed = (await runUntil(killed, 0))!;
  expect(resumed.weights).toEqual(expected.weights);
  expect(toFigures(readEvents(killed))).toEqual(toFigures(readEvents(whole)));
});

test('a training weighs the labels that rows have, on two threads as on one', async () => {
  const weigh = async (threads: number, classWeights: readonly number[]): Promise<{ losses: number[]; folder: string }> => {
    const folder = createRun(threads, { classWeights });
    expect(await runTraining(folder, () => {})).toBe(0);
    return { losses: readEvents(folder).flatMap((event) => (event.type === 'step-finished' ? [event.loss] : [])), folder };
  };
  const [plain, weighted, shared] = [await weigh(1, [1, 1, 1]), await weigh(1, [1, 9, 1]), await weigh(2, [1, 9, 1])];
  expect(weighted.losses[0]!).toBeGreaterThan(1.5 * plain.losses[0]!);
  for (const [step, loss] of weighted.losses.entries()) expect(shared.losses[step]).toBeCloseTo(loss, 5);
  const [before, after] = await Promise.all(
    [plain, weighted].map(async ({ folder }) => {
      const network = await open(join(folder, 'model'));
      const { rows } = await readRows(network, writeRows(16));
      return computeAllLogits(network, rows).reduce((sum, [, sad]) => sum + sad!, 0) / rows.length;
    }),
  );
  expect(after!).toBeGreaterThan(before! + 0.2);
  expect(readFileSync(join(weighted.folder, 'model/README.md'), 'utf8')).toContain('| class weights | fast 1, sad 9, good 1 |');
});

test('validations are measured by micro-F1, by which a training can end, and the card says what the model gives', async () => {
  const folder = createRun(1);
  expect(await runTraining(folder, () => {})).toBe(0);
  const measured = readEvents(folder).filter((event) => event.type === 'epoch-evaluated');
  expect(measured.length).toBeGreaterThan(2);
  for (const { microF1, accuracy } of measured) expect([typeof microF1, accuracy]).toEqual(['number', undefined]);
  const card = readFileSync(join(folder, 'model/README.md'), 'utf8');
  expect(card).toContain(
    'A classifier that gives a text any number of labels, fine-tuned from small: those whose probability is more than 0.5.',
  );
  expect(card).toContain('| validation micro-F1 |');
  expect(card).toContain('validations whose micro-F1 is not better');
});
