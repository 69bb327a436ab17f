import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../../src/trainer/engine/train.ts';
import { families, getFamily, type ModelConfig } from '../../../src/trainer/families/index.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { saveModel } from '../../../src/trainer/save-model.ts';
import { writeSafetensors } from '../../../src/trainer/safetensors.ts';
import { computeAllLogits, openClassifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../read-tensors.ts';
import { settings } from '../tiny-classifier.ts';
import { checkCase, encodeRows, openCase, readExpected } from './reference.ts';

/** Small random models as save_pretrained writes them, with their figures: made by test/python/families.py. */
const fixtures = join(import.meta.dirname, '../../../fixtures/families');
const names = readdirSync(fixtures).filter((name) => !name.endsWith('.md'));
const labels = ['bad', 'good', 'neither'];

test('each kind of model has a fixture', () => {
  // BERT and DistilBERT are in fixtures/parity; CamemBERT is RoBERTa under another name.
  const elsewhere = ['bert', 'distilbert', 'camembert'];
  const own = names.map((name) => readModelFolder(join(fixtures, name, 'model')).config.family);
  expect(new Set([...own, ...elsewhere])).toEqual(new Set(Object.keys(families)));
});

test('the documents name every kind', () => {
  const text = readFileSync(join(fixtures, '../../docs/models.md'), 'utf8');
  expect([...text.matchAll(/^\| `([\w-]+)` /gm)].slice(1).map(([, name]) => name)).toEqual(Object.keys(families));
});

test.each(names.flatMap((name) => [[name, 'wasm'] as const, [name, 'cpu'] as const]))(
  '%s on %s: tokens, logits and a step as transformers has them',
  async (name, backend) => {
    const checks = checkCase(await startBackend(backend), join(fixtures, name), name);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.length).toBeGreaterThan(90);
    expect(checks.some((check) => check.name.includes('logits'))).toBe(true);
  },
);

test.each(names)('%s is saved in the names of transformers, and read again', async (name) => {
  const tf = await startBackend('wasm');
  const folder = join(fixtures, name, 'model');
  const expected = readExpected(join(fixtures, name));
  const [classifier, saved] = [openCase(tf, folder, expected), join(createScratchFolder(), 'saved')];
  const rows = encodeRows(classifier, expected);
  saveModel(classifier, saved, { source: folder, card: '', base: 'base' });
  const [before, after] = [folder, saved].map((one) => readTensors(join(one, 'model.safetensors'))) as [object, object];
  expect(new Set(Object.keys(Object.fromEntries(after as Map<string, object>)))).toEqual(
    new Set(Object.keys(Object.fromEntries(before as Map<string, object>))),
  );
  const again = openCase(tf, saved, expected);
  expect(again.config).toEqual(classifier.config);
  expect(computeAllLogits(again, rows)).toEqual(computeAllLogits(classifier, rows));
  for (const one of [classifier, again]) closeNetwork(one);
});

/** A copy with other tensors, and other fields in config.json. */
function copyModel(name: string, rename: (tensor: string) => string | null, config: Readonly<Record<string, unknown>> = {}): string {
  const [source, folder] = [join(fixtures, name, 'model'), join(createScratchFolder(), 'model')];
  cpSync(source, folder, { recursive: true });
  const json = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json, ...config }));
  const tensors = [...readTensors(join(source, 'model.safetensors'))].flatMap(([stored, { shape, data }]) => {
    const called = rename(stored);
    return called === null ? [] : [{ name: called, shape, data: data! }];
  });
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

/** Names of a bare encoder: what stands before the first dot is gone, and the classifier is. */
const bare = (prefix: string) => (name: string) => (name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : null);

test.each([
  ['roberta', ['classifier.dense.weight', 'classifier.dense.bias']],
  ['xlm-roberta', ['classifier.dense.weight', 'classifier.dense.bias']],
  ['electra', ['classifier.dense.weight', 'classifier.dense.bias']],
  ['modernbert', ['head.dense.weight', 'head.norm.weight']],
])('a bare %s gets its classifier from the seed', async (name, drawn) => {
  const tf = await startBackend('wasm');
  const { prefix } = getFamily({ family: name });
  const folder = copyModel(name, bare(prefix), { architectures: ['Bare'] });
  expect(readModelFolder(folder)).toMatchObject({ labels: null, drawn });
  const classifier = openClassifier(tf, { folder, labels, seed: 1, maxLength: 64 });
  const norm = classifier.parameters.get('head.norm.weight');
  expect([...(norm?.dataSync() ?? [])].every((value) => value === 1)).toBe(true);
  const whole = openClassifier(tf, { folder: join(fixtures, name, 'model'), labels, seed: 1, maxLength: 64 });
  const word = [...whole.parameters.keys()][0]!;
  expect(classifier.parameters.get(word)!.dataSync()).toEqual(whole.parameters.get(word)!.dataSync());
  for (const one of [classifier, whole]) closeNetwork(one);
});

test.each([
  ['roberta', 'lm_head.dense.weight'],
  ['roberta', 'roberta.pooler.dense.bias'],
  ['roberta', 'classifier.weight'], // of a model for the words of a text
  ['electra', 'discriminator_predictions.dense.bias'],
  ['electra', 'generator_lm_head.bias'],
  ['modernbert', 'decoder.bias'],
])('%s: %s is not read', (name, other) => {
  const [folder, extra] = [join(fixtures, name, 'model'), copyModel(name, (stored) => stored)];
  const tensors = [...readTensors(join(folder, 'model.safetensors'))].map(([stored, { shape, data }]) => ({
    name: stored,
    shape,
    data: data!,
  }));
  writeSafetensors(join(extra, 'model.safetensors'), [...tensors, { name: other, shape: [1], data: new Float32Array(1) }]);
  expect(readModelFolder(extra).config).toEqual(readModelFolder(folder).config);
});

test.each<[string, Record<string, unknown>, string]>([
  ['roberta', { max_position_embeddings: 2 }, 'max_position_embeddings: expected more than pad_token_id + 1 = 2, found 2'],
  ['roberta', { pad_token_id: 500 }, 'pad_token_id: expected a whole number from 0 to'],
  ['electra', { embedding_size: 0 }, 'embedding_size: expected a whole number from 1'],
  ['modernbert', { hidden_activation: 'silu' }, 'hidden_activation: expected "gelu", found "silu"'],
  ['modernbert', { num_attention_heads: 16 }, 'num_attention_heads: expected a divisor of half the hidden_size 16, found 16'],
  ['modernbert', { layer_types: ['full_attention'] }, 'layer_types: expected 4 kinds, one for each layer'],
  ['modernbert', { classifier_pooling: 'max' }, 'classifier_pooling: expected "cls" or "mean", found "max"'],
  [
    'modernbert',
    { rope_parameters: { full_attention: { rope_type: 'yarn' } } },
    'rope_parameters.full_attention.rope_type: expected "default"',
  ],
])('%s with %j is refused', (name, config, message) => {
  expect(() => readModelFolder(copyModel(name, (stored) => stored, config))).toThrow(message);
});

test('ModernBERT reads the names of older versions', () => {
  const config = { layer_types: undefined, rope_parameters: undefined, global_attn_every_n_layers: 2, global_rope_theta: 9000 };
  const { attention } = readModelFolder(copyModel('modernbert', (stored) => stored, config)).config as ModelConfig & { attention: unknown };
  const [full, near] = [
    { theta: 9000, window: null },
    { theta: 10_000, window: 4 },
  ];
  expect(attention).toEqual([full, near, full, near]);
});

test.each(names)('a low-rank adapter on %s trains the matrices and the classifier, and its merged model answers alike', async (name) => {
  const tf = await startBackend('wasm');
  const [folder, saved] = [join(fixtures, name, 'model'), join(createScratchFolder(), 'saved')];
  const adapter = { type: 'lora', rank: 2, alpha: 4, dropout: 0, targets: null, rankStabilized: false } as const;
  const classifier = openClassifier(tf, { folder, labels, seed: 1, maxLength: 64 }, adapter);
  const rows = encodeRows(classifier, readExpected(join(fixtures, name))).map((row, i) => ({ ...row, label: i % 3 }));
  const { optimizer } = createTrainingState(tf, settings, 'process');
  const before = classifier.task.evaluate(classifier, rows).loss;
  for (let step = 0; step < 5; step++) takeStep(classifier, rows, { ...settings, optimizer, step, learningRate: 1e-2 });
  expect(classifier.task.evaluate(classifier, rows).loss).toBeLessThan(before);
  saveModel(classifier, saved, { source: folder, card: '', base: 'base' });
  const merged = openClassifier(tf, { folder: saved, labels, seed: 2, maxLength: 64 });
  const read = openClassifier(tf, { folder, labels, seed: 2, maxLength: 64, adapter: join(saved, 'adapter') });
  const expected = computeAllLogits(classifier, rows).flat();
  for (const one of [merged, read]) {
    for (const [i, logit] of computeAllLogits(one, rows).flat().entries()) expect(logit).toBeCloseTo(expected[i]!, 4);
  }
  for (const one of [classifier, merged, read]) closeNetwork(one);
});
