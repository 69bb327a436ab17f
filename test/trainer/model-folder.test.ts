import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { families } from '../../src/trainer/families/index.ts';
import { parseLabelNames, readModelFolder, readRevision } from '../../src/trainer/model-folder.ts';
import { matchLabels } from '../../src/trainer/model-labels.ts';
import { writeSafetensors } from '../../src/trainer/safetensors.ts';
import { createScratchFolder } from '../scratch.ts';
import { readTensors } from './read-tensors.ts';

const tinyBert = join(import.meta.dirname, '../../fixtures/models/tiny-bert');

function copyModel(config: Record<string, unknown> = {}): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  const json = JSON.parse(readFileSync(join(tinyBert, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json, ...config }));
  return folder;
}

function addHead(folder: string, rows: number): void {
  const tensors = [...readTensors(join(tinyBert, 'model.safetensors'))].map(([name, { shape, data }]) => ({
    name,
    shape,
    data: data!,
  }));
  writeSafetensors(join(folder, 'model.safetensors'), [
    ...tensors,
    { name: 'classifier.weight', shape: [rows, 128], data: new Float32Array(rows * 128) },
    { name: 'classifier.bias', shape: [rows], data: new Float32Array(rows) },
  ]);
}

test('reads the sizes of a real model', () => {
  const { config, labels, maxPositions, revision } = readModelFolder(tinyBert);
  expect({ labels, maxPositions }).toEqual({ labels: null, maxPositions: 64 });
  expect(config).toMatchObject({
    family: 'bert',
    vocabSize: 4096,
    hiddenSize: 128,
    layers: 2,
    heads: 2,
    intermediateSize: 512,
    layerNormEpsilon: 1e-12,
    classifierDropout: 0.1,
  });
  expect(revision).toMatch(/^[0-9a-f]{64}$/);
});

test('the revision is the hash of names and hashes, in the order of the names', () => {
  const names = ['config.json', 'model.safetensors', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json', 'vocab.txt'];
  const hash = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
  const files = names.filter((name) => existsSync(join(tinyBert, name))).map((name) => [name, hash(readFileSync(join(tinyBert, name)))]);
  expect(files.length).toBeGreaterThan(3);
  expect(readRevision(tinyBert)).toBe(hash(JSON.stringify(files)));
});

test('the revision changes with weights, configuration and tokenizer, and with nothing else', () => {
  const folder = copyModel();
  const revision = readRevision(folder);
  writeFileSync(join(folder, 'README.md'), 'text');
  expect(readRevision(folder)).toBe(revision);
  for (const name of ['config.json', 'model.safetensors', 'tokenizer.json', 'special_tokens_map.json']) {
    const before = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), Buffer.concat([before, Buffer.from(' ')]));
    expect(readRevision(folder), name).not.toBe(revision);
    writeFileSync(join(folder, name), before);
  }
  writeFileSync(join(folder, 'vocab.txt'), 'a\n');
  expect(readRevision(folder)).not.toBe(revision);
});

test('labels come with a sequence classification head only', () => {
  const architectures = ['BertForSequenceClassification'];
  const named = copyModel({ architectures, id2label: { 0: 'no', 1: 'yes' } });
  expect(readModelFolder(named).labels).toBeNull();
  addHead(named, 2);
  expect(readModelFolder(named).labels).toEqual(['no', 'yes']);
  const unnamed = copyModel({ architectures });
  addHead(unnamed, 2);
  expect(readModelFolder(unnamed).labels).toEqual(['LABEL_0', 'LABEL_1']);
  const tagger = copyModel({ architectures: ['BertForTokenClassification'], id2label: { 0: 'no', 1: 'yes' } });
  addHead(tagger, 2);
  expect(readModelFolder(tagger).labels).toBeNull();
  const wrong = copyModel({ architectures, id2label: { 0: 'no', 1: 'yes' } });
  addHead(wrong, 3);
  expect(() => readModelFolder(wrong)).toThrow('id2label: expected 3 different names');
});

test('weights in parts are found by their index, and only inside the folder', () => {
  const folder = copyModel();
  const tensors = [...readTensors(join(folder, 'model.safetensors'))].map(([name, { shape, data }]) => ({ name, shape, data: data! }));
  rmSync(join(folder, 'model.safetensors'));
  const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  writeSafetensors(join(folder, first), tensors.slice(0, 5));
  writeSafetensors(join(folder, second), tensors.slice(5));
  const write = (map: unknown): void => writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  write(Object.fromEntries(tensors.map(({ name }, i) => [name, i < 5 ? first : second])));
  expect(readModelFolder(folder).weights.map(({ entries }) => entries.size)).toEqual([5, tensors.length - 5]);
  for (const name of ['../model.safetensors', '/etc/passwd', 'a\\b', 3, 'weights.bin']) {
    write({ a: name });
    expect(() => readModelFolder(folder), String(name)).toThrow('expected names of .safetensors files in the same folder');
  }
  write({ a: 'model-00003-of-00002.safetensors' });
  expect(() => readModelFolder(folder)).toThrow('has no model-00003-of-00002.safetensors');
});

test.each<[string[], string[], number[] | null]>([
  [
    ['no', 'yes'],
    ['yes', 'no'],
    [1, 0],
  ],
  [
    ['NEGATIVE', 'POSITIVE'],
    ['positive', 'negative'],
    [1, 0],
  ],
  [
    ['a', 'A'],
    ['A', 'a'],
    [1, 0],
  ],
  [['a', 'b'], ['A', 'a'], null],
  [
    ['LABEL_0', 'LABEL_1', 'LABEL_2'],
    ['2', '0', '1'],
    [2, 0, 1],
  ],
  [['LABEL_0', 'LABEL_1'], ['no', 'yes'], null], // nobody has said which is which
  [['no', 'yes', 'perhaps'], ['no', 'yes'], null],
])('classes %j beside the labels %j', (own, labels, classes) => {
  expect(matchLabels(own, labels)).toEqual(classes);
});

test('a config.json alone says which labels a classifier has', () => {
  const architectures = ['BertForSequenceClassification'];
  expect(parseLabelNames({ architectures, id2label: { 0: 'no', 1: 'yes' } })).toEqual(['no', 'yes']);
  expect(parseLabelNames({ architectures: ['BertModel'], id2label: { 0: 'no', 1: 'yes' } })).toBeNull();
  expect(parseLabelNames({ architectures })).toBeNull();
  expect(parseLabelNames({ architectures, id2label: { 0: 'no', 2: 'yes' } })).toBeNull();
});

const known = Object.keys(families).join(', ');

test.each<[string, Record<string, unknown>, string]>([
  ['another family', { model_type: 'llama' }, `model_type: expected one of ${known}, found "llama"`],
  ['no family', { model_type: undefined }, `model_type: expected one of ${known}, found nothing`],
  ['another activation', { hidden_act: 'relu' }, 'hidden_act: expected "gelu", found "relu"'],
  ['relative positions', { position_embedding_type: 'relative_key' }, 'position_embedding_type: expected "absolute"'],
  ['a decoder', { is_decoder: true }, 'is_decoder: expected false'],
  ['text as size', { hidden_size: '128' }, 'hidden_size: expected a whole number from 1 to 8192, found "128"'],
  ['a size below 1', { num_hidden_layers: 0 }, 'num_hidden_layers: expected a whole number'],
  ['a size that would fill the memory', { vocab_size: 1e12 }, 'vocab_size: expected a whole number from 1 to 1000000'],
  ['heads that do not divide', { num_attention_heads: 3 }, 'num_attention_heads: expected a divisor of hidden_size 128, found 3'],
  ['dropout of everything', { hidden_dropout_prob: 1 }, 'hidden_dropout_prob: expected a number from 0 to 0.99'],
])('%s is refused by name', (_what, config, message) => {
  expect(() => readModelFolder(copyModel(config))).toThrow(
    expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(message) as string }),
  );
});

test.each(['config.json', 'model.safetensors', 'tokenizer.json'])('a folder without %s says so and what to do', (name) => {
  const folder = copyModel();
  rmSync(join(folder, name));
  expect(() => readModelFolder(folder)).toThrow(
    expect.objectContaining({
      code: 'model-invalid',
      message: expect.stringMatching(`has (no|neither a) ${name}`) as string,
      hint: expect.any(String) as string,
    }),
  );
});

test('what is not a folder, and what is not JSON', () => {
  const folder = copyModel();
  expect(() => readModelFolder(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'file-missing' }));
  expect(() => readModelFolder(join(folder, 'config.json'))).toThrow('expected a model folder, found a file');
  for (const text of ['', '[]', '{"a":', '\ufeff{}']) {
    writeFileSync(join(folder, 'config.json'), text);
    expect(() => readModelFolder(folder), text).toThrow(expect.objectContaining({ code: 'model-invalid' }));
  }
  writeFileSync(join(folder, 'config.json'), `{}${' '.repeat(2 ** 20)}`);
  expect(() => readModelFolder(folder)).toThrow('expected at most 1048576 bytes');
  rmSync(join(folder, 'config.json'));
  mkdirSync(join(folder, 'config.json'));
  expect(() => readModelFolder(folder)).toThrow('expected a model configuration, found a folder');
});
