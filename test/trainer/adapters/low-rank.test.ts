import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { getMerged } from '../../../src/trainer/adapters/index.ts';
import { isSaved } from '../../../src/trainer/adapters/peft-folder.ts';
import { getBackend, startBackend, type BackendName } from '../../../src/trainer/backends/index.ts';
import { closeNetwork, computeGradients } from '../../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../../src/trainer/engine/train.ts';
import type { AdapterSettings, LoraSettings } from '../../../src/trainer/protocol.ts';
import { computeAllLogits, openClassifier, type Classifier } from '../../../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../../../src/trainer/tasks/classification/rows.ts';
import { saveModel } from '../../../src/trainer/save-model.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../read-tensors.ts';
import { writeSmallModel } from '../small-training.ts';
import { labels, settings } from '../tiny-classifier.ts';

const lora: LoraSettings = { type: 'lora', rank: 2, alpha: 8, dropout: 0.1, targets: null, rankStabilized: false };
const rows: EncodedRow[] = [1, 2, 3, 4, 5, 6].map((i) => ({ ids: [2, 3 + i, 4 + i, 3], typeIds: [0, 0, 0, 0], label: i % 2 }));
const distilbert = join(import.meta.dirname, '../../../fixtures/parity/models/tiny-distilbert');

async function openSmall(adapter: AdapterSettings | null, backend: BackendName = 'wasm', folder = createModel()): Promise<Classifier> {
  return openClassifier(await startBackend(backend), { folder, labels, seed: 1, maxLength: 8 }, adapter);
}

function createModel(): string {
  const folder = join(createScratchFolder(), 'model');
  writeSmallModel(folder);
  return folder;
}

function trainSteps(classifier: Classifier, steps: number): number[] {
  const { optimizer } = createTrainingState(classifier.tf, settings, getBackend('wasm').memory);
  return Array.from({ length: steps }, (_, step) => {
    return takeStep(classifier, rows, { optimizer, step, learningRate: 0.02, microBatchSize: 4, maxGradNorm: 1, seed: 1 }).loss;
  });
}

const toBytes = (classifier: Classifier): Map<string, string> =>
  new Map(
    [...classifier.parameters].map(([name, tensor]) => [name, Buffer.from(tensor.dataSync<'float32'>().slice().buffer).toString('hex')]),
  );

test.each(['cpu', 'wasm', 'wasm-portable'] as const)('%s: an adapter computes what the merged weights compute', async (backend) => {
  for (const targets of [null, ['all-linear'], ['intermediate.dense', 'bert.encoder.layer.0.attention.self.key']]) {
    const classifier = await openSmall({ ...lora, targets }, backend);
    trainSteps(classifier, 6);
    const found = computeAllLogits(classifier, rows).flat();
    const { tf, parameters } = classifier;
    const merged = new Map([...parameters.keys()].map((name) => [name, tf.tidy(() => tf.keep(getMerged(classifier, name).clone()))]));
    const expected = computeAllLogits({ ...classifier, parameters: merged, lowRank: undefined }, rows).flat();
    const without = computeAllLogits({ ...classifier, lowRank: undefined }, rows).flat();
    for (const [i, logit] of found.entries()) expect(logit).toBeCloseTo(expected[i]!, 5);
    expect(Math.max(...found.map((logit, i) => Math.abs(logit - without[i]!)))).toBeGreaterThan(1e-3);
    closeNetwork(classifier);
    closeNetwork({ parameters: merged });
  }
});

test('a new adapter changes nothing, and its training changes nothing but itself and the head', async () => {
  const folder = createModel();
  const [base, classifier] = [await openSmall(null, 'wasm', folder), await openSmall(lora, 'wasm', folder)];
  expect(computeAllLogits(classifier, rows)).toEqual(computeAllLogits(base, rows));
  const before = toBytes(classifier);
  trainSteps(classifier, 30);
  const after = toBytes(classifier);
  const layer = 'bert.encoder.layer.0.attention.self';
  expect([...after.keys()].filter((name) => after.get(name) !== before.get(name)).toSorted()).toEqual([
    `${layer}.query.lora_A.weight`,
    `${layer}.query.lora_B.weight`,
    `${layer}.value.lora_A.weight`,
    `${layer}.value.lora_B.weight`,
    'classifier.bias',
    'classifier.weight',
  ]);
  expect(classifier.parameters.get(`${layer}.query.lora_A.weight`)!.shape).toEqual([8, 2]);
  closeNetwork(base);
  closeNetwork(classifier);
});

test('the scale is alpha / rank, or alpha / √rank', async () => {
  expect((await openSmall(lora)).lowRank).toEqual({ scale: 4, dropout: 0.1 });
  expect((await openSmall({ ...lora, rank: 4, rankStabilized: true })).lowRank).toEqual({ scale: 4, dropout: 0.1 });
});

test('head only: no gradient is computed for anything else', async () => {
  const classifier = await openSmall({ type: 'head' });
  const { gradients } = computeGradients(classifier, rows, { rows: rows.length, next: null });
  expect([...gradients.keys()]).toEqual(['classifier.weight', 'classifier.bias']);
  expect(classifier.adapter).toBeNull();
  const other = await openSmall({ type: 'head' }, 'wasm', distilbert);
  expect([...other.parameters.keys()].filter((name) => other.isTrainable(name)).toSorted()).toEqual([
    'classifier.bias',
    'classifier.weight',
    'pre_classifier.bias',
    'pre_classifier.weight',
  ]);
});

test('targets that the model does not have are named', async () => {
  await expect(openSmall({ ...lora, targets: ['query', 'q_proj'] })).rejects.toThrow(
    'expected targets of the adapter among query, key, value, dense or all-linear, found q_proj',
  );
});

test.each(['bert', 'distilbert'])(
  '%s: what is saved answers as the trained model does, merged and as an adapter beside its base',
  async (family) => {
    const base = family === 'bert' ? createModel() : distilbert;
    for (const adapter of [lora, { ...lora, targets: ['all-linear'], rankStabilized: true }]) {
      const classifier = await openSmall(adapter, 'wasm', base);
      trainSteps(classifier, 6);
      const expected = computeAllLogits(classifier, rows).flat();
      const target = join(createScratchFolder(), 'model');
      saveModel(classifier, target, { source: base, card: '', base: 'small' });
      const source = { labels, seed: 5, maxLength: 8 };
      const beside = openClassifier(classifier.tf, { ...source, folder: base, adapter: join(target, 'adapter') });
      expect(computeAllLogits(beside, rows).flat()).toEqual(expected);
      const merged = openClassifier(classifier.tf, { ...source, folder: target });
      for (const [i, logit] of computeAllLogits(merged, rows).flat().entries()) expect(logit).toBeCloseTo(expected[i]!, 5);
      const config = JSON.parse(readFileSync(join(target, 'adapter/adapter_config.json'), 'utf8')) as Record<string, unknown>;
      expect(config).toMatchObject({ peft_type: 'LORA', task_type: 'SEQ_CLS', r: 2, lora_alpha: 8, base_model_name_or_path: 'small' });
      const names = [...readTensors(join(target, 'adapter/adapter_model.safetensors')).keys()];
      expect(names).toEqual(names.toSorted());
      expect(names).toContain('base_model.model.classifier.weight');
      for (const one of [classifier, beside, merged]) closeNetwork(one);
    }
  },
);

/** The reference's adapter with other fields in its configuration. */
function createAdapter(change: object): string {
  const folder = join(createScratchFolder(), 'adapter');
  const source = join(import.meta.dirname, '../../../fixtures/parity/bert-lora-trained');
  mkdirSync(folder);
  cpSync(source, folder, { recursive: true });
  const json = JSON.parse(readFileSync(join(source, 'adapter_config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...json, ...change }));
  return folder;
}

test('a pattern of targets is what the weights have matrices for, and a saved module brings all that is in it', async () => {
  const tf = await startBackend('cpu');
  const source = { folder: join(import.meta.dirname, '../../../fixtures/models/tiny-bert'), labels, seed: 1, maxLength: 8 };
  const [named, pattern] = [createAdapter({}), createAdapter({ target_modules: '(a+)+x' })];
  const [first, second] = [named, pattern].map((adapter) => openClassifier(tf, { ...source, adapter }));
  expect(second!.adapter!.specs).toEqual(first!.adapter!.specs);
  expect(isSaved({ saved: ['pooler'] }, 'bert.pooler.dense.weight')).toBe(true);
  expect(isSaved({ saved: ['classifier'] }, 'pre_classifier.bias')).toBe(true); // as PEFT has it
  expect(isSaved({ saved: ['dense'] }, 'bert.encoder.layer.0.output.LayerNorm.bias')).toBe(false);
});

test.each([
  [{ peft_type: 'IA3' }, 'peft_type: expected "LORA", found "IA3"'],
  [{ use_dora: true }, 'the adapter has magnitudes (use_dora)'],
  [{ use_qalora: true }, 'use_qalora: expected none, found true'],
  [{ alpha_pattern: { query: 2 } }, 'alpha_pattern: expected none'],
  [{ bias: 'all' }, 'bias: expected "none", found "all"'],
  [{ target_modules: 3 }, 'target_modules: expected a list of names, or a text, found 3'],
  [{ target_modules: ['q_lin'] }, 'found q_lin'],
  [{ r: 4 }, 'config.json says [4, 128], found [8, 128]'],
  [{ modules_to_save: null }, 'is not part of this model'],
])('an adapter that cannot be put on the model is refused: %j', async (change, message) => {
  const tf = await startBackend('cpu');
  const folder = join(import.meta.dirname, '../../../fixtures/models/tiny-bert');
  expect(() => openClassifier(tf, { folder, labels, seed: 1, maxLength: 8, adapter: createAdapter(change) })).toThrow(message);
});
