import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from '../../src/trainer/backends/index.ts';
import { mergeAdapter } from '../../src/trainer/merge-adapter.ts';
import { writeSafetensors } from '../../src/trainer/safetensors.ts';
import { computeAllLogits, openClassifier } from '../../src/trainer/tasks/classification/classifier.ts';
import { createScratchFolder } from '../scratch.ts';
import { readTensors } from './read-tensors.ts';
import { writeSmallModel } from './small-training.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');
const base = join(fixtures, 'models/tiny-bert');
const adapter = join(fixtures, 'parity/bert-lora-trained');
const rows = [3, 9].map((length) => ({
  ids: Array.from({ length }, (_, i) => 100 + i),
  typeIds: new Array<number>(length).fill(0),
  label: 0,
}));

test('the merged model answers as the adapter beside its base', async () => {
  const target = join(createScratchFolder(), 'merged');
  const merged = mergeAdapter({ base, adapter, target, labels: ['no', 'yes'], name: 'tiny' });
  expect(merged).toMatchObject({ labels: ['no', 'yes'], maps: 4 });
  const tf = await startBackend('wasm');
  const source = { labels: ['no', 'yes'], seed: 1, maxLength: 16 };
  const expected = computeAllLogits(openClassifier(tf, { ...source, folder: base, adapter }), rows).flat();
  const found = computeAllLogits(openClassifier(tf, { ...source, folder: target }), rows).flat();
  const without = computeAllLogits(openClassifier(tf, { ...source, folder: base }), rows).flat();
  for (const [i, logit] of found.entries()) expect(logit).toBeCloseTo(expected[i]!, 5);
  expect(Math.max(...found.map((logit, i) => Math.abs(logit - without[i]!)))).toBeGreaterThan(1e-2);
  expect(readFileSync(join(target, 'README.md'), 'utf8')).toContain('base_model: "tiny"');
});

/** A model of 8 numbers a position with a head for no and yes, and an adapter of its first query. */
function createSmall(change: { config?: object; head?: number; magnitude?: number } = {}): {
  base: string;
  adapter: string;
  target: string;
} {
  const scratch = createScratchFolder();
  const folders = { base: join(scratch, 'base'), adapter: join(scratch, 'adapter'), target: join(scratch, 'merged') };
  writeSmallModel(folders.base, change.head === undefined ? 'with a head' : undefined);
  mkdirSync(folders.adapter);
  const config = { peft_type: 'LORA', r: 1, lora_alpha: 2, target_modules: ['query'], ...change.config };
  writeFileSync(join(folders.adapter, 'adapter_config.json'), JSON.stringify(config));
  const module = 'base_model.model.bert.encoder.layer.0.attention.self.query';
  const tensors = [
    { name: `${module}.lora_A.weight`, shape: [1, 8], data: Float32Array.from({ length: 8 }, (_, i) => i) },
    { name: `${module}.lora_B.weight`, shape: [8, 1], data: Float32Array.from({ length: 8 }, (_, i) => i / 10) },
    ...(change.head === undefined
      ? []
      : [
          { name: 'base_model.model.classifier.weight', shape: [change.head, 8], data: new Float32Array(8 * change.head).fill(1) },
          { name: 'base_model.model.classifier.bias', shape: [change.head], data: new Float32Array(change.head) },
        ]),
    ...(change.magnitude === undefined
      ? []
      : [{ name: `${module}.lora_magnitude_vector`, shape: [8], data: new Float32Array(8).fill(change.magnitude) }]),
  ];
  writeSafetensors(join(folders.adapter, 'adapter_model.safetensors'), tensors);
  return folders;
}

const query = 'bert.encoder.layer.0.attention.self.query.weight';
const toRows = (data: ArrayLike<number>): number[][] =>
  Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_one, j) => data[8 * i + j]!));

test('a row of a changed map is w + alpha / rank * b a, all else stays', () => {
  const folders = createSmall();
  const merged = mergeAdapter({ ...folders, labels: null, name: 'small' });
  expect(merged.labels).toEqual(['no', 'yes']);
  const [before, after] = [folders.base, folders.target].map((folder) => readTensors(join(folder, 'model.safetensors')));
  const [old, now] = [before!, after!].map((tensors) => toRows(tensors.get(query)!.data!));
  for (const [i, row] of now!.entries()) {
    for (const [j, value] of row.entries()) expect(value).toBeCloseTo(old![i]![j]! + 2 * (i / 10) * j, 5);
  }
  const others = [...after!].filter(([name]) => name !== query);
  for (const [name, { data }] of others) expect([...data!], name).toEqual([...before!.get(name)!.data!]);
});

test('with magnitudes each row gets its length', () => {
  const folders = createSmall({ config: { use_dora: true }, magnitude: 3 });
  mergeAdapter({ ...folders, labels: null, name: 'small' });
  for (const row of toRows(readTensors(join(folders.target, 'model.safetensors')).get(query)!.data!)) {
    expect(Math.hypot(...row)).toBeCloseTo(3, 5);
  }
});

test('the classes are those of the adapter, and get names where there are none', () => {
  const config = { modules_to_save: ['classifier'] };
  const folders = createSmall({ config, head: 3 });
  expect(mergeAdapter({ ...folders, labels: null, name: 'small' }).labels).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2']);
  expect(() => mergeAdapter({ ...folders, labels: ['a', 'a', 'b'], name: 'small' })).toThrow(
    'the adapter has 3 classes, found 3 names: a, a, b',
  );
});

test('a folder that does not fit is refused, and nothing is written', () => {
  const folders = createSmall({ head: 3 });
  expect(() => mergeAdapter({ ...folders, labels: null, name: 'small' })).toThrow(
    'base_model.model.classifier.weight is not part of this model',
  );
  const other = { ...createSmall(), base: join(fixtures, 'parity/models/tiny-distilbert') };
  expect(() => mergeAdapter({ ...other, labels: null, name: 'small' })).toThrow('neither the adapter nor its base model has a classifier');
  expect([folders, other].some(({ target }) => existsSync(target))).toBe(false);
});
