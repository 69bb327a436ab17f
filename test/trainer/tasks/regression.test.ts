import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { createTrainingState, train } from '../../../src/trainer/engine/train.ts';
import { saveModel } from '../../../src/trainer/save-model.ts';
import { computeAllLogits, openClassifier, type Classifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import { readRows } from '../read-rows.ts';
import { createScratchFolder } from '../../scratch.ts';
import { labels, settings, tinyBert } from '../tiny-classifier.ts';

async function open(folder = tinyBert, names: readonly string[] = []): Promise<Classifier> {
  return openClassifier(await startBackend('wasm'), { folder, labels: names, seed: 1, maxLength: 16 });
}

const texts = ['good', 'very good', 'bad', 'very bad', 'so good', 'so bad', 'dull', 'fine'];

function writeRows(values: readonly unknown[]): string {
  const path = join(createScratchFolder(), 'rows.jsonl');
  writeFileSync(path, values.map((label, i) => JSON.stringify({ text: texts[i], label })).join('\n'));
  return path;
}

test('a model without labels learns numbers, and is saved as transformers reads a regression', async () => {
  const network = await open();
  const { rows } = await readRows(network, writeRows([3, 4, -1, -2, 3, -1, 0, 2.5]));
  const before = network.task.evaluate(network, rows);
  const wanted = { ...settings, steps: 30, learningRate: 2e-3 };
  const hooks = { state: createTrainingState(network.tf, wanted, 'process'), write: () => {}, readControlRequest: () => null };
  train(network, { rows, validation: [], settings: wanted }, { ...hooks, afterStep: () => {}, now: () => 0 });
  const after = network.task.evaluate(network, rows);
  expect(after).toEqual({ loss: expect.any(Number) as number, meanAbsoluteError: expect.any(Number) as number });
  expect(after.loss).toBeLessThan(before.loss / 4);

  const target = join(createScratchFolder(), 'model');
  saveModel(network, target, { source: tinyBert, card: '', base: 'tiny' });
  const config = JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ problem_type: 'regression', id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } });
  const again = await open(target);
  expect(computeAllLogits(again, rows)).toEqual(computeAllLogits(network, rows));
  expect(computeAllLogits(network, rows)[0]).toHaveLength(1);
  const classifier = await open(target, labels); // a head for two labels is a new one
  expect(computeAllLogits(classifier, rows)[0]).toHaveLength(2);
  for (const one of [network, again, classifier]) closeNetwork(one);
});

test('a row without a number is refused with its line', async () => {
  const network = await open();
  const path = writeRows([1, 'good']);
  await expect(readRows(network, path)).rejects.toThrow(`${path}:2: "label": expected a number, found "good"`);
  closeNetwork(network);
});
