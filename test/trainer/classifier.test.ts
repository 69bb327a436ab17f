import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readModelFolder } from '../../src/model-files/model-folder.ts';
import { readSafetensors } from '../../src/model-files/safetensors.ts';
import { writeSafetensors, type TensorToWrite } from '../../src/model-files/write-safetensors.ts';
import { startBackend } from '../../src/trainer/backend.ts';
import { closeClassifier, openClassifier, type Classifier } from '../../src/trainer/classifier.ts';
import { encodeText } from '../../src/trainer/encode-rows.ts';
import { evaluate, toAllLogits } from '../../src/trainer/evaluate.ts';
import { saveModel } from '../../src/trainer/save-model.ts';
import { createScratchFolder } from '../scratch.ts';
import { labels, openTinyClassifier, readSentiment, tinyBert } from './tiny-classifier.ts';

/** A copy of the small model with other tensors. */
function createFolder(change: (tensors: TensorToWrite[]) => TensorToWrite[], config: Record<string, unknown> = {}): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  const tensors = [...readSafetensors(join(tinyBert, 'model.safetensors'))].map(([name, { shape, data }]) => ({
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
  const rows = readSentiment(classifier, 6);
  const folder = join(createScratchFolder(), 'model');
  const revision = saveModel(classifier, folder, { source: tinyBert, card: '# card\n' });
  expect(saveModel(classifier, folder, { source: tinyBert, card: '# another card\n' })).toBe(revision); // replaces; the card does not count
  expect(readModelFolder(folder)).toMatchObject({ labels, revision });
  const again = await openTinyClassifier('wasm', folder);
  const turned = openClassifier(classifier.tf, { folder, labels: labels.toReversed(), seed: 5, maxLength: 16 });
  const expected = toAllLogits(classifier, rows);
  expect(toAllLogits(again, rows)).toEqual(expected);
  expect(toAllLogits(turned, rows)).toEqual(expected.map((row) => row.toReversed()));
  for (const one of [classifier, again, turned]) closeClassifier(one);
});

test('the saved weights have the names and shapes of transformers', async () => {
  const classifier = await openTinyClassifier();
  const folder = join(createScratchFolder(), 'model');
  saveModel(classifier, folder, { source: tinyBert, card: '' });
  const stored = readSafetensors(join(folder, 'model.safetensors'));
  const base = readSafetensors(join(tinyBert, 'model.safetensors'));
  expect([...stored.keys()].toSorted()).toEqual(
    [...[...base.keys()].map((name) => `bert.${name}`), 'classifier.bias', 'classifier.weight'].toSorted(),
  );
  for (const [name, tensor] of base) expect(stored.get(`bert.${name}`)).toEqual({ ...tensor, dtype: 'F32' });
  closeClassifier(classifier);
});

test('a new head comes from the seed; other labels get a new one', async () => {
  const tf = await startBackend('wasm');
  const toHead = (seed: number, names: readonly string[], folder = tinyBert): number[] => {
    const classifier = openClassifier(tf, { folder, labels: names, seed, maxLength: 16 });
    const head = [...classifier.parameters.get('classifier.weight')!.dataSync()];
    closeClassifier(classifier);
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
  expect(toHead(1, labels, own)).toEqual(toHead(1, labels));
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
  const rows = readSentiment(base, 4);
  expect(evaluate(same, rows)).toEqual(evaluate(base, rows));
  closeClassifier(same);
  closeClassifier(base);
});

test.each([
  ['a missing tensor', (tensors: TensorToWrite[]) => tensors.slice(1), {}, 'is missing'],
  [
    'no pooler',
    (tensors: TensorToWrite[]) => tensors.filter(({ name }) => !name.startsWith('pooler')),
    {},
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

test('fewer than two labels are refused', async () => {
  const tf = await startBackend('wasm');
  for (const names of [[], ['one'], ['same', 'same']]) {
    expect(() => openClassifier(tf, { folder: tinyBert, labels: names, seed: 1, maxLength: 16 })).toThrow('at least two different labels');
  }
});

test('tokens that the model’s tables do not have are refused', async () => {
  const classifier = await openTinyClassifier();
  const { config } = classifier;
  expect(() => encodeText({ ...classifier, config: { ...config, vocabSize: 100 } }, { text: 'hello', text2: undefined })).toThrow(
    'the model knows 100',
  );
  expect(() => encodeText({ ...classifier, config: { ...config, typeVocabSize: 1 } }, { text: 'a', text2: 'b' })).toThrow(
    'does not read pairs',
  );
  closeClassifier(classifier);
});
