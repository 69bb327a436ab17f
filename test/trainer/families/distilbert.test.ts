import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../../src/trainer/engine/train.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { saveModel } from '../../../src/trainer/save-model.ts';
import { writeSafetensors } from '../../../src/trainer/safetensors.ts';
import { computeAllLogits, openClassifier, type Classifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import { encodeText, type EncodedRow } from '../../../src/trainer/tasks/classification/rows.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors, type StoredTensor } from '../read-tensors.ts';
import { labels, settings } from '../tiny-classifier.ts';

/** A bare encoder, as `DistilBertModel.save_pretrained` writes it. */
const bare = join(import.meta.dirname, '../../../fixtures/parity/models/tiny-distilbert');

async function open(folder = bare, seed = 1): Promise<Classifier> {
  return openClassifier(await startBackend('wasm'), { folder, labels, seed, maxLength: 16 });
}

function encode(classifier: Classifier, texts: readonly string[]): EncodedRow[] {
  return texts.map((text, i) => ({ ...encodeText(classifier, { text, text2: undefined }).row, label: i % 2 }));
}

function createFolder(config: Readonly<Record<string, unknown>>, tensors = readTensors(join(bare, 'model.safetensors'))): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(bare, folder, { recursive: true });
  const json = JSON.parse(readFileSync(join(bare, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json, ...config }));
  writeSafetensors(
    join(folder, 'model.safetensors'),
    [...tensors].map(([name, { shape, data }]) => ({ name, shape, data: data! })),
  );
  return folder;
}

test('a bare encoder gets both layers of the head from the seed, and is saved with the names of transformers', async () => {
  const classifier = await open();
  expect(classifier.drawn).toEqual(['pre_classifier.weight', 'pre_classifier.bias']);
  const folder = join(createScratchFolder(), 'saved');
  const revision = saveModel(classifier, folder, { source: bare, card: '', base: 'small' });
  expect(readModelFolder(folder)).toMatchObject({ labels, revision, drawn: [] });
  const stored = [...readTensors(join(folder, 'model.safetensors')).keys()];
  const step = JSON.parse(readFileSync(join(bare, '../../distilbert-step.json'), 'utf8')) as { step: { params: object } };
  expect(stored).toEqual(Object.keys(step.step.params)); // of the reference's DistilBertForSequenceClassification, in its order
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ model_type: 'distilbert', dim: 16, n_layers: 2, n_heads: 2, hidden_dim: 32, seq_classif_dropout: 0.2 });
  const again = await open(folder, 9);
  const rows = encode(classifier, ['the film is good', 'so dull']);
  expect(computeAllLogits(again, rows)).toEqual(computeAllLogits(classifier, rows));
  for (const one of [classifier, again]) closeNetwork(one);
});

test('a model for masked words is read without its head', async () => {
  const tensors = new Map<string, StoredTensor>(
    [...readTensors(join(bare, 'model.safetensors'))].map(([name, tensor]) => [`distilbert.${name}`, tensor] as const),
  );
  const others = ['vocab_transform.weight', 'vocab_layer_norm.bias', 'vocab_projector.bias'];
  for (const name of others) tensors.set(name, { dtype: 'F32', shape: [1], data: new Float32Array(1) });
  const masked = await open(createFolder({ architectures: ['DistilBertForMaskedLM'] }, tensors));
  const encoder = await open();
  const rows = encode(encoder, ['the film is good', 'so dull']);
  expect(computeAllLogits(masked, rows)).toEqual(computeAllLogits(encoder, rows));
  for (const one of [masked, encoder]) closeNetwork(one);
});

test('it learns, and reads pairs of texts without telling them apart by type', async () => {
  const classifier = await open();
  const rows = encode(classifier, ['bad', 'good', 'the film is sad', 'the film is glad']);
  const { optimizer } = createTrainingState(classifier.tf, settings, 'process');
  const before = classifier.task.evaluate(classifier, rows).loss;
  for (let step = 0; step < 60; step++) takeStep(classifier, rows, { ...settings, optimizer, step, learningRate: 1e-2, microBatchSize: 3 });
  expect(classifier.task.evaluate(classifier, rows).loss).toBeLessThan(0.2 * before);
  const pair = encodeText(classifier, { text: 'the film', text2: 'was good' }).row;
  const untyped = { ...pair, typeIds: pair.typeIds.map(() => 0) };
  expect(computeAllLogits(classifier, [pair])).toEqual(computeAllLogits(classifier, [untyped]));
  closeNetwork(classifier);
});

test.each([
  [{ sinusoidal_pos_embds: true }, 'sinusoidal_pos_embds: expected false'],
  [{ activation: 'relu' }, 'activation: expected "gelu"'],
  [{ n_heads: 3 }, 'n_heads: expected a divisor of dim 16'],
  [{ dim: 'wide' }, 'dim: expected a whole number'],
])('a configuration with %j is refused', (config, message) => {
  expect(() => readModelFolder(createFolder(config))).toThrow(message);
});
