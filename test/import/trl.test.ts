import { describe, expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';
import { changesTraining } from '../../src/import/unmatched.ts';

function parse(flags: object = {}, method?: 'sft' | 'dpo'): ImportedJob {
  return parseConfig(formats.trl, { model_name_or_path: 'owner/name', dataset_name: 'owner/rows', ...flags }, { file: 'c.yaml', method });
}

function toAbsent(job: ImportedJob): Record<string, unknown> {
  return Object.fromEntries(job.notes.flatMap(({ kind, field, path, value }) => (kind === 'absent' ? [[field ?? path, value]] : [])));
}

test.each([
  [{ use_peft: true, use_rslora: true }, { rankStabilized: true }],
  [
    { use_peft: true, use_rslora: 'no', lora_r: 8 },
    { rank: 8, rankStabilized: false },
  ],
  [{ use_peft: true }, {}],
])('an adapter of %j', (flags, adapter) => {
  expect(parse(flags).training.adapter).toEqual({ type: 'lora', rank: 16, ...adapter });
});

test('without an adapter its scale is not used', () => {
  const job = parse({ use_rslora: true });
  expect(job.training.adapter).toBeUndefined();
  expect(job.notes.find(({ path }) => path === 'use_rslora')).toMatchObject({ kind: 'unmatched' });
});

describe('the command', () => {
  test.each([
    [{ beta: 0.1 }, undefined, 'dpo'],
    [{ packing: true }, undefined, 'sft'],
    [{ loss_type: 'dft' }, undefined, 'sft'],
    [{ loss_type: ['ipo', 'sft'] }, undefined, 'dpo'],
    [{}, 'dpo', 'dpo'],
    [{}, 'sft', 'sft'],
  ] as const)('%j, said to be %s, is %s', (flags, said, method) => {
    const job = parse(flags, said);
    expect(job.training.method).toBe(method);
    expect(job.task).toBe(method === 'dpo' ? 'preference' : 'chat');
    expect(toAbsent(job)).not.toHaveProperty('training.method');
  });

  test('is sft where nothing decides it, with a note', () => {
    expect(parse().training.method).toBe('sft');
    expect(toAbsent(parse())['training.method']).toBe('sft');
  });

  test.each([
    [{ beta: 0.1, packing: true }, undefined],
    [{ beta: 0.1 }, 'sft'],
    [{ assistant_only_loss: true }, 'dpo'],
  ] as const)('%j cannot be %s', (flags, said) => {
    expect(() => parse(flags, said)).toThrow('expected flags of trl');
  });
});

test('defaults are noted, not written', () => {
  expect(parse({}, 'sft').training).toEqual({ method: 'sft' });
  expect(toAbsent(parse({}, 'sft'))).toMatchObject({
    'training.epochs': 3,
    'training.learningRate': 2e-5,
    'training.batchSize': 8,
    'training.maxLength': 1024,
  });
  expect(toAbsent(parse({}, 'dpo'))).toMatchObject({ 'training.learningRate': 1e-6, 'training.beta': 0.1 });
  expect(toAbsent(parse({ max_steps: 5 }, 'sft'))).not.toHaveProperty('training.epochs');
  expect(toAbsent(parse({ max_length: null }, 'sft'))).not.toHaveProperty('training.maxLength');
});

test.each([
  [{ warmup_steps: 0.1 }, 0.1],
  [{ warmup_steps: 0 }, 0],
  [{ warmup_steps: 50, max_steps: 200 }, 0.25],
  [{ warmup_steps: 1, max_steps: 4 }, 0.25],
  [{ warmup_steps: 50 }, undefined],
  [{ warmup_steps: 50, max_steps: 20 }, undefined],
  [{ warmup_steps: 50, max_steps: -1 }, undefined],
  [{ warmup_ratio: 0.2 }, 0.2],
  [{ warmup_ratio: 0.2, warmup_steps: 0 }, 0.2],
  [{ warmup_ratio: 0.2, warmup_steps: 0.1 }, 0.1],
  [{ warmup_steps: 0.1, lr_scheduler_type: 'constant' }, 0],
])('the warm-up of %j: %s', (flags, ratio) => {
  const job = parse(flags);
  expect(job.training.warmupRatio).toBe(ratio);
  expect(job.notes.some(({ path }) => path.startsWith('warmup_'))).toBe(true);
});

test.each([
  [{ assistant_only_loss: true }, 'answer'],
  [{ completion_only_loss: true, assistant_only_loss: false }, 'answer'],
  [{ assistant_only_loss: false }, 'all'],
  [{ packing: false }, undefined],
])('the loss of %j: %s', (flags, loss) => {
  expect(parse(flags).training.loss).toBe(loss);
});

test('a seed that no job takes is left, and no other is taken for it', () => {
  expect(parse({ seed: 2 ** 31 - 1 }).training.seed).toBe(2 ** 31 - 1);
  const job = parse({ seed: 2 ** 31 });
  expect(job.training).not.toHaveProperty('seed');
  expect(job.notes.filter(({ path }) => path === 'seed').map(({ kind }) => kind)).toEqual(['unmatched']);
});

test.each([
  [{ packing: true }, 'packing', true],
  [{ packing: false }, 'packing', false],
  [{ disable_dropout: false }, 'disable_dropout', true], // on where it is not named
  [{ load_in_4bit: true }, 'load_in_4bit', true],
  [{ loss_type: 'dft' }, 'loss_type', true],
  [{ loss_type: ['sigmoid'] }, 'loss_type', false],
  [{ optim: 'adamw_torch_fused' }, 'optim', false],
  [{ optim: 'lion_8bit' }, 'optim', true],
  [{ logging_steps: 5 }, 'logging_steps', false],
])('whether the training is another without %j', (flags, path, changes) => {
  const note = parse(flags).notes.find((found) => found.path === path);
  expect(note).toMatchObject({ kind: 'unmatched' });
  expect(note?.text?.startsWith(changesTraining)).toBe(changes);
});

test('steps win over epochs, and both over nothing', () => {
  expect(parse({ max_steps: 10, num_train_epochs: 2 }).training).toMatchObject({ steps: 10 });
  expect(parse({ max_steps: 10, num_train_epochs: 2 }).training.epochs).toBeUndefined();
  expect(parse({ max_steps: -1, num_train_epochs: 0.5 }).training).toMatchObject({ epochs: 0.5 });
});

test('validation rows only where the source looks at them', () => {
  expect(parse({ dataset_test_split: 'dev' }).data).toEqual({ train: 'hub:owner/rows#default/train' });
  expect(parse({ dataset_test_split: 'dev', eval_strategy: 'no' }).data).not.toHaveProperty('validation');
  expect(parse({ dataset_test_split: 'dev', eval_strategy: false }).data).not.toHaveProperty('validation');
  expect(parse({ eval_strategy: 'epoch' }).data).toEqual({
    train: 'hub:owner/rows#default/train',
    validation: 'hub:owner/rows#default/test',
  });
});

test('the best weights need validation rows', () => {
  expect(parse({ load_best_model_at_end: true, eval_strategy: 'steps' }).training.select).toBe('best');
  expect(parse({ load_best_model_at_end: true }).training.select).toBeUndefined();
  expect(parse({ load_best_model_at_end: false }).training.select).toBe('last');
});

test('a mixture of datasets', () => {
  const datasets = [
    { path: 'owner/a', name: 'en', split: 'train' },
    { path: 'owner/b' },
    { path: 'json', data_files: ['x.json', '/y.jsonl'], split: 'train' },
  ];
  const job = parse({ datasets, test_split_size: 0.2, eval_strategy: 'steps' });
  expect(job.data).toEqual({
    train: ['hub:owner/a#en/train', 'hub:owner/b#default/train', './x.json', '/y.jsonl'],
    validation: { fraction: 0.2 },
  });
  expect(job.notes.find(({ path }) => path === 'dataset_name')).toMatchObject({ kind: 'unmatched' });
  expect(parse({ datasets, test_split_size: 0.2 }).data).not.toHaveProperty('validation');
  expect(parse({ datasets, test_split_size: 0.9, eval_strategy: 'steps' }).data).not.toHaveProperty('validation');
});

test('a text column makes texts', () => {
  expect(parse({ dataset_text_field: 'body' })).toMatchObject({ task: 'text', data: { columns: { text: 'body' } } });
  expect(parse({ dataset_text_field: 'body', assistant_only_loss: true })).toMatchObject({ task: 'chat' });
});

test('models', () => {
  expect(parse({ model_revision: 'v1' }).target).toEqual({ name: 'huggingface', provider: 'huggingface', model: 'hub:owner/name@v1' });
  expect(parse({ model_name_or_path: './m', model_revision: 'v1' }).target).toEqual({ name: 'local', provider: 'local', model: './m' });
  expect(parse({ model_name_or_path: 'gpt2' }).target.model).toBe('hub:gpt2');
});

test.each([
  [{ model_name_or_path: undefined }, 'c.yaml: model_name_or_path: expected the name of a model or its folder, found nothing'],
  [{ dataset_name: undefined }, 'c.yaml: dataset_name: expected the name of a dataset or its folder, found nothing'],
  [{ model_revision: 'a b' }, 'c.yaml: model_revision: expected a branch, tag or commit, found "a b"'],
  [{ dataset_train_split: 'train+test' }, 'c.yaml: dataset_train_split: expected the name of a split'],
  [{ warmup_steps: -1 }, 'c.yaml: warmup_steps: expected a number of at least 0, found -1'],
  [{ max_steps: 1.5 }, 'c.yaml: max_steps: expected a whole number, found 1.5'],
  [{ datasets: 'x' }, 'c.yaml: datasets: expected a list of datasets, found "x"'],
  [{ datasets: ['x'] }, 'c.yaml: datasets.0: expected an object with "path", found "x"'],
  [{ datasets: [{ name: 'x' }] }, 'c.yaml: datasets.0.path: expected the name of a dataset, found nothing'],
  [{ datasets: [{ path: 'owner/x', data_files: 'a' }] }, 'c.yaml: datasets.0.data_files: expected no files of a dataset by name'],
  [{ datasets: [{ path: 'json', data_files: [] }] }, 'c.yaml: datasets.0.path: expected a list that is not empty, found an empty list'],
  [{ use_peft: true, lora_target_modules: [1] }, 'c.yaml: lora_target_modules.0: expected a text, found 1'],
  [{ hub_token: 'x', seed: 'hf_abcdefghijklmnop' }, 'c.yaml: seed: expected a number, found "(hidden)"'],
])('refused: %j', (flags, message) => {
  expect(() => parse(flags)).toThrow(expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }));
});
