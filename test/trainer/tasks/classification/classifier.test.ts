import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readModelFolder } from '../../../../src/trainer/model-folder.ts';
import { writeSafetensors, type TensorToWrite } from '../../../../src/trainer/safetensors.ts';
import { startBackend } from '../../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../../src/trainer/engine/network.ts';
import { type Classifier, computeAllLogits, openClassifier } from '../../../../src/trainer/tasks/classification/classifier.ts';
import { encodeText } from '../../../../src/trainer/tasks/classification/rows.ts';
import type { TrainFile } from '../../../../src/trainer/protocol.ts';
import { formatModelCard } from '../../../../src/trainer/model-card.ts';
import { saveModel } from '../../../../src/trainer/save-model.ts';
import { createScratchFolder } from '../../../scratch.ts';
import { readTensors } from '../../read-tensors.ts';
import { labels, openTinyClassifier, readSentiment, settings, tinyBert } from '../../tiny-classifier.ts';

/** A copy of the small model with other tensors. */
function createFolder(change: (tensors: TensorToWrite[]) => TensorToWrite[], config: Record<string, unknown> = {}): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  const tensors = [...readTensors(join(tinyBert, 'model.safetensors'))].map(([name, { shape, data }]) => ({
    name,
    shape,
    data: data!,
  }));
  writeSafetensors(join(folder, 'model.safetensors'), change(tensors));
  const json = JSON.parse(readFileSync(join(tinyBert, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json, ...config }));
  return folder;
}

const rename = (from: RegExp, to: string) => (tensors: TensorToWrite[]) =>
  tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(from, to) }));
const zeros = (name: string, ...shape: number[]): TensorToWrite => ({
  name,
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

test('a saved model answers as before, and as before in another order of labels', async () => {
  const classifier = await openTinyClassifier();
  const rows = await readSentiment(classifier, 6);
  const folder = join(createScratchFolder(), 'model');
  const revision = saveModel(classifier, folder, { source: tinyBert, card: '# card\n', base: 'small' });
  expect(saveModel(classifier, folder, { source: tinyBert, card: '# another card\n', base: 'small' })).toBe(revision); // replaces; the card does not count
  expect(readModelFolder(folder)).toMatchObject({ labels, revision });
  writeFileSync(join(folder, 'plain'), '');
  const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode]);
  expect(new Set(modes.map(([, mode]) => mode)).size, JSON.stringify(modes)).toBe(1); // others may read it, as the umask says
  const again = await openTinyClassifier('wasm', folder);
  const turned = openClassifier(classifier.tf, { folder, labels: labels.toReversed(), seed: 5, maxLength: 16 });
  const expected = computeAllLogits(classifier, rows);
  expect(computeAllLogits(again, rows)).toEqual(expected);
  expect(computeAllLogits(turned, rows)).toEqual(expected.map((row) => row.toReversed()));
  for (const one of [classifier, again, turned]) closeNetwork(one);
});

test('the saved weights have the names and shapes of transformers', async () => {
  const classifier = await openTinyClassifier();
  const folder = join(createScratchFolder(), 'model');
  saveModel(classifier, folder, { source: tinyBert, card: '', base: 'small' });
  const stored = readTensors(join(folder, 'model.safetensors'));
  const base = readTensors(join(tinyBert, 'model.safetensors'));
  expect([...stored.keys()].toSorted()).toEqual(
    [...[...base.keys()].map((name) => `bert.${name}`), 'classifier.bias', 'classifier.weight'].toSorted(),
  );
  for (const [name, tensor] of base) expect(stored.get(`bert.${name}`)).toEqual({ ...tensor, dtype: 'F32' });
  closeNetwork(classifier);
});

test('a new head comes from the seed; other labels get a new one', async () => {
  const tf = await startBackend('wasm');
  const toHead = (seed: number, names: readonly string[], folder = tinyBert): number[] => {
    const classifier = openClassifier(tf, { folder, labels: names, seed, maxLength: 16 });
    const head = [...classifier.parameters.get('classifier.weight')!.dataSync()];
    closeNetwork(classifier);
    return head;
  };
  expect(toHead(1, labels)).toEqual(toHead(1, labels));
  expect(toHead(2, labels)).not.toEqual(toHead(1, labels));
  const deviation = Math.sqrt(toHead(1, labels).reduce((sum, x) => sum + x * x, 0) / 256);
  expect(deviation).toBeGreaterThan(0.017);
  expect(deviation).toBeLessThan(0.023);
  const own = createFolder((tensors) => [...tensors, zeros('classifier.weight', 2, 128), zeros('classifier.bias', 2)], {
    architectures: ['BertForSequenceClassification'],
    id2label: { 0: 'a', 1: 'b' },
  });
  expect(toHead(1, ['b', 'a'], own).every((x) => x === 0)).toBe(true);
  expect(toHead(1, ['B', 'A'], own).every((x) => x === 0)).toBe(true);
  expect(toHead(1, labels, own)).toEqual(toHead(1, labels));
});

test('a model for masked words gets a pooler as transformers draws one: N(0, initializer_range²), bias 0, from the seed', async () => {
  const tf = await startBackend('wasm');
  const masked = createFolder(
    (tensors) => [
      ...rename(/^/, 'bert.')(tensors.filter(({ name }) => !name.startsWith('pooler'))),
      zeros('cls.predictions.bias', 4096),
      zeros('cls.predictions.transform.dense.weight', 128, 128),
    ],
    { architectures: ['BertForMaskedLM'], initializer_range: 0.05 },
  );
  expect(readModelFolder(masked).drawn).toEqual(['bert.pooler.dense.weight', 'bert.pooler.dense.bias']);
  const toPooler = (seed: number): { weight: Float32Array; bias: Float32Array; head: Float32Array } => {
    const classifier = openClassifier(tf, { folder: masked, labels, seed, maxLength: 16 });
    const copy = (name: string): Float32Array => classifier.parameters.get(name)!.dataSync<'float32'>().slice();
    const found = { weight: copy('bert.pooler.dense.weight'), bias: copy('bert.pooler.dense.bias'), head: copy('classifier.weight') };
    expect(classifier.drawn).toEqual(readModelFolder(masked).drawn);
    closeNetwork(classifier);
    return found;
  };
  const { weight, bias, head } = toPooler(1);
  expect(toPooler(1)).toEqual({ weight, bias, head });
  expect(toPooler(2).weight).not.toEqual(weight);
  expect([...bias].every((x) => x === 0)).toBe(true);
  expect([...head.subarray(0, 8)]).not.toEqual([...weight.subarray(0, 8)]); // a stream of its own
  const deviation = Math.sqrt(weight.reduce((sum, x) => sum + x * x, 0) / weight.length);
  expect(deviation).toBeGreaterThan(0.049); // of 16,384 numbers
  expect(deviation).toBeLessThan(0.051);
});

test.each([
  ['with the prefix of a full model', rename(/^/, 'bert.')],
  [
    'with the oldest names of norms',
    (tensors: TensorToWrite[]) => rename(/LayerNorm\.weight$/, 'LayerNorm.gamma')(rename(/LayerNorm\.bias$/, 'LayerNorm.beta')(tensors)),
  ],
  [
    'with tensors that do not matter',
    (tensors: TensorToWrite[]) => [...tensors, zeros('embeddings.position_ids', 1, 64), zeros('cls.predictions.bias', 4096)],
  ],
])('a folder %s is the same model', async (_what, change) => {
  const tf = await startBackend('wasm');
  const [same, base] = [createFolder(change), tinyBert].map((folder) => openClassifier(tf, { folder, labels, seed: 1, maxLength: 16 })) as [
    Classifier,
    Classifier,
  ];
  const rows = await readSentiment(base, 4);
  expect(same.task.evaluate(same, rows)).toEqual(base.task.evaluate(base, rows));
  closeNetwork(same);
  closeNetwork(base);
});

test.each([
  ['a missing tensor', (tensors: TensorToWrite[]) => tensors.slice(1), {}, 'is missing'],
  [
    'half a pooler',
    (tensors: TensorToWrite[]) => tensors.filter(({ name }) => name !== 'pooler.dense.weight'),
    {},
    'bert.pooler.dense.weight [128, 128] is missing',
  ],
  [
    'a head without a pooler',
    (tensors: TensorToWrite[]) => [
      ...tensors.filter(({ name }) => !name.startsWith('pooler')),
      zeros('classifier.weight', 2, 128),
      zeros('classifier.bias', 2),
    ],
    { architectures: ['BertForSequenceClassification'] },
    'bert.pooler.dense.weight [128, 128] is missing',
  ],
  [
    'an unknown tensor',
    (tensors: TensorToWrite[]) => [...tensors, zeros('lm_head.weight', 2, 2)],
    {},
    'tensor lm_head.weight is not part of this model',
  ],
  ['one tensor under two names', (tensors: TensorToWrite[]) => [...tensors, zeros('bert.pooler.dense.bias', 128)], {}, 'is also in'],
  [
    'another shape',
    (tensors: TensorToWrite[]) => tensors,
    { vocab_size: 5000 },
    'embeddings.word_embeddings.weight: config.json says [5000, 128], found [4096, 128]',
  ],
  [
    'more layers than weights',
    (tensors: TensorToWrite[]) => tensors,
    { num_hidden_layers: 3 },
    'bert.encoder.layer.2.attention.self.query.weight [128, 128] is missing',
  ],
])('%s is refused by name', async (_what, change, config, message) => {
  const tf = await startBackend('wasm');
  expect(() => openClassifier(tf, { folder: createFolder(change, config), labels, seed: 1, maxLength: 16 })).toThrow(message);
});

test('one label, or one twice, is refused', async () => {
  const tf = await startBackend('wasm');
  for (const names of [['one'], ['same', 'same']]) {
    expect(() => openClassifier(tf, { folder: tinyBert, labels: names, seed: 1, maxLength: 16 })).toThrow('at least two different labels');
  }
});

test('tokens that the model’s tables do not have are refused', async () => {
  const classifier = await openTinyClassifier();
  const { config } = classifier;
  expect(() => encodeText({ ...classifier, config: { ...config, vocabSize: 100 } }, { text: 'hello', text2: undefined })).toThrow(
    'the model has tokens 0 to 99 only',
  );
  expect(() => encodeText({ ...classifier, config: { ...config, typeVocabSize: 1 } }, { text: 'a', text2: 'b' })).toThrow(
    'does not read pairs',
  );
  closeNetwork(classifier);
});

const trainFile: TrainFile = {
  version: 1,
  nonce: 'n',
  attempt: 1,
  backend: 'wasm',
  model: { folder: '/models/tiny', labels: ['good', 'bad'], seed: 1, maxLength: 64 },
  rows: { train: 'rows/train.jsonl', validation: null },
  training: settings,
  card: { name: 'sentiment', base: 'owner/base' },
};
const facts = { train: trainFile, rows: 10, steps: 5, epochs: [], unfinished: false };

test('a model card has front matter, settings and validation figures', () => {
  const card = formatModelCard({ ...facts, epochs: [{ type: 'epoch-evaluated', step: 5, epoch: 1, rows: 4, loss: 0.25, accuracy: 0.75 }] });
  expect(card).toMatch(/^---\nbase_model: "owner\/base"\npipeline_tag: text-classification\n/);
  expect(card).toContain('| learning rate | 0.0005 |');
  expect(card).toContain('| 1 | 5 | 0.2500 | 0.7500 |');
  expect(card).not.toContain('did not reach its end');
  expect(formatModelCard({ ...facts, unfinished: true })).toContain('did not reach its end');
});

test('a model card names a base model of the Hub, and no folder of this machine', () => {
  const card = formatModelCard({ ...facts, train: { ...trainFile, card: { name: 'sentiment', base: 'tiny-bert' } } });
  expect(card).not.toContain('base_model:');
  expect(card).toContain('fine-tuned from tiny&#45;bert.');
});

test('foreign text stays text in a model card', () => {
  const hostile = 'x\n---\n<script>alert(1)</script> [a](b) | \u202e\u001b[31m';
  const card = formatModelCard({
    ...facts,
    train: { ...trainFile, card: { name: hostile, base: hostile }, model: { ...trainFile.model, labels: [hostile, 'b'] } },
  });
  expect(card).not.toMatch(/\u202e|\u001b/);
  expect(card.slice(card.indexOf('\n# '))).not.toMatch(/<script>|\]\(/);
  expect(card.match(/^---$/gm)).toHaveLength(2);
});
