import { describe, expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';

interface Parts {
  readonly top?: object;
  readonly data?: object;
  readonly params?: object;
  readonly files?: readonly string[];
}

function parse({ top, data, params, files = [] }: Parts = {}): ImportedJob {
  const content = {
    task: 'text-classification',
    base_model: 'owner/name',
    project_name: 'p',
    data: { path: 'owner/rows', train_split: 'train', column_mapping: { text_column: 'text', target_column: 'label' }, ...data },
    params,
    ...top,
  };
  return parseConfig(formats.autotrain, content, { file: 'c.yml', exists: (path) => files.includes(path) });
}

const sft = { top: { task: 'llm-sft' } };

function toAbsent(job: ImportedJob): Record<string, unknown> {
  return Object.fromEntries(job.notes.flatMap(({ kind, field, path, value }) => (kind === 'absent' ? [[field ?? path, value]] : [])));
}

describe('rows per step', () => {
  test.each([
    [{ batch_size: 4, gradient_accumulation: 8 }, 32],
    [{ batch_size: 4 }, 16], // the class gathers 4
    [{ gradient_accumulation: 3 }, 6], // the class takes 2 at once
    [{}, undefined],
  ])('of a language model with %j: %s', (params, batchSize) => {
    expect(parse({ ...sft, params }).training.batchSize).toBe(batchSize);
  });

  test('of a classifier, and the default is only noted', () => {
    expect(parse({ params: { batch_size: 4 } }).training.batchSize).toBe(4);
    expect(toAbsent(parse())['training.batchSize']).toBe(8);
    expect(toAbsent(parse(sft))['training.batchSize']).toBe(8);
  });
});

test('defaults are noted, not written', () => {
  const job = parse();
  expect(job.training).toEqual({});
  expect(toAbsent(job)).toEqual({
    'training.earlyStopping': 5,
    'training.epochs': 3,
    'training.batchSize': 8,
    'training.learningRate': 5e-5,
    'training.schedule': 'linear',
    'training.warmupRatio': 0.1,
    'training.weightDecay': 0,
    'training.maxGradNorm': 1,
    'training.maxLength': 128,
    'training.seed': 42,
  });
  expect(toAbsent(parse(sft))).toMatchObject({
    'training.epochs': 1,
    'training.learningRate': 3e-5,
    'training.adapter': false,
    'training.loss': 'all',
  });
});

test.each([
  [{ block_size: 512 }, 512],
  [{ block_size: 512, model_max_length: 256 }, 256],
  [{ block_size: -1, model_max_length: 4096 }, 1024],
  [{ model_max_length: 768 }, 768],
  [{ block_size: -1 }, undefined],
  [{ block_size: [512, 256] }, undefined],
])('the longest row with %j: %s', (params, maxLength) => {
  expect(parse({ ...sft, params }).training.maxLength).toBe(maxLength);
});

test('an adapter, on and off', () => {
  const params = { lora_r: 8, lora_alpha: 16, lora_dropout: 0.1, target_modules: 'q, v', quantization: null };
  expect(parse({ ...sft, params: { ...params, peft: true } }).training.adapter).toEqual({
    type: 'lora',
    rank: 8,
    alpha: 16,
    dropout: 0.1,
    targets: ['q', 'v'],
  });
  expect(parse({ ...sft, params: { ...params, peft: false } }).training.adapter).toEqual({ type: 'full' });
  const silent = parse({ ...sft, params });
  expect(silent.training.adapter).toBeUndefined();
  expect(silent.notes.find(({ path }) => path === 'params.lora_r')).toMatchObject({ kind: 'unmatched', value: 8 });
  expect(toAbsent(parse({ ...sft, params: { peft: true } }))['params.quantization']).toBe('int4');
  expect(toAbsent(parse({ ...sft, params: { peft: true, quantization: null } }))).not.toHaveProperty('params.quantization');
});

test.each([
  ['linear', { schedule: 'linear', warmupRatio: 0.2 }],
  ['cosine_warmup', { schedule: 'cosine', warmupRatio: 0.2 }],
  ['constant', { schedule: 'constant', warmupRatio: 0 }],
  ['constant_with_warmup', { schedule: 'constant', warmupRatio: 0.2 }],
  ['polynomial', { warmupRatio: 0.2 }],
  ['toString', { warmupRatio: 0.2 }],
])('the schedule %s', (scheduler, training) => {
  expect(parse({ params: { scheduler, warmup_ratio: 0.2 } }).training).toEqual(training);
});

test.each([
  ['llm-sft', null, 'text', 'sft'],
  ['llm-sft', 'none', 'text', 'sft'],
  ['llm-sft', 'tokenizer', 'chat', 'sft'],
  ['llm:generic', 'chatml', 'text', 'sft'],
  ['llm', null, 'text', 'sft'],
  ['text_classification', null, 'classification', undefined],
  ['text-regression', null, 'regression', undefined],
  ['text_single_column_regression', null, 'regression', undefined],
])('the task %s with the template %s: %s', (task, chat_template, ours, method) => {
  expect(parse({ top: { task }, data: { chat_template } })).toMatchObject({ task: ours });
  expect(parse({ top: { task }, data: { chat_template } }).training.method).toBe(method);
});

test('a regression is trained on this machine, with the settings of a classifier', () => {
  const top = { task: 'text_regression', backend: 'spaces-a10g-large' };
  const job = parse({ top, data: { valid_split: 'valid' }, params: { max_seq_length: 64, early_stopping_patience: 2 } });
  expect(job).toMatchObject({
    task: 'regression',
    data: { columns: { text: 'text', label: 'label' } },
    training: { maxLength: 64, earlyStopping: { patience: 2, minDelta: 0.01 } },
    target: { name: 'local', provider: 'local', model: 'hub:owner/name' },
  });
  expect(job.notes.find(({ path }) => path === 'backend')).toMatchObject({
    kind: 'unmatched',
    text: 'only the provider "local" trains numbers',
  });
  expect(toAbsent(job)).toMatchObject({ 'training.epochs': 3, 'training.select': 'best', 'training.learningRate': 5e-5 });
});

test('params win over the outer settings', () => {
  const job = parse({ params: { model: 'other/model', text_column: 'body', valid_split: 'valid' }, data: { valid_split: null } });
  expect(job.target.model).toBe('hub:other/model');
  expect(job.data).toEqual({
    train: 'hub:owner/rows#default/train',
    validation: 'hub:owner/rows#default/valid',
    columns: { text: 'body', label: 'label' },
  });
  expect(job.notes.find(({ path }) => path === 'base_model')).toMatchObject({ kind: 'unmatched', text: 'params.model replaces it' });
});

describe('data', () => {
  test.each([
    [{ path: 'owner/rows', train_split: 'en:train' }, [], 'hub:owner/rows#en/train'],
    [{ path: 'owner/rows' }, ['owner/rows'], './owner/rows/train.csv'],
    [{ path: './rows' }, ['./rows/train.jsonl'], './rows/train.jsonl'],
    [{ path: 'rows/' }, ['./rows/train.csv', './rows/train.jsonl'], './rows/train.csv'],
    [{ path: '/data/a/b.csv' }, [], '/data/a/b.csv'],
    [{ path: '../rows' }, [], '../rows/train.csv'],
  ])('%j with the files %j', (data, files, train) => {
    expect(parse({ data, files }).data.train).toBe(train);
  });

  test('columns that the mapping leaves out are written: another would be other data', () => {
    const job = parse({ data: { column_mapping: {} } });
    expect(job.data.columns).toEqual({ text: 'text', label: 'target' });
    expect(toAbsent(job)).toMatchObject({ 'data.columns.label': 'target' });
  });

  test('a fifth of a file is noted as the validation of a file without a split', () => {
    expect(toAbsent(parse({ data: { path: './rows' } }))['data.validation']).toBe(0.2);
    expect(toAbsent(parse())).not.toHaveProperty('data.validation');
    expect(toAbsent(parse({ data: { path: './rows', valid_split: 'valid' } }))).not.toHaveProperty('data.validation');
  });
});

test('secrets are in no note', () => {
  const job = parse({ top: { hub: { token: 'secret-1', username: 'u' }, HF_TOKEN: 'secret-2', more: { api_key: 'secret-3' } } });
  expect(JSON.stringify(job)).not.toContain('secret-');
  expect(job.notes.filter(({ value }) => JSON.stringify(value).includes('(hidden)'))).toHaveLength(3);
});

test.each([
  [
    { top: { task: undefined } },
    'c.yml: task: expected one of text-classification, text-regression, llm-sft, llm-dpo, llm-generic, found nothing',
  ],
  [
    { top: { task: 'llm-orpo' } },
    'c.yml: task: expected one of text-classification, text-regression, llm-sft, llm-dpo, llm-generic, found "llm-orpo"',
  ],
  [{ top: { task: 'llm-toString' } }, 'found "llm-toString"'],
  [{ top: { task: 'seq2seq' } }, 'found "seq2seq"'],
  [{ ...sft, params: { trainer: 'reward' } }, 'c.yml: params.trainer: expected one of'],
  [{ top: { base_model: null } }, 'c.yml: base_model: expected the name of a model or its folder, found null'],
  [{ data: { path: undefined } }, 'c.yml: data.path: expected the name of a dataset or its folder, found nothing'],
  [{ data: { path: '~/rows' } }, 'c.yml: data.path: expected a path, or a name of the Hub as "owner/name", found "~/rows"'],
  [{ data: { path: 's3://rows/x' } }, 'c.yml: data.path: expected a path, or'],
  [{ data: { path: 'a\nb' } }, 'c.yml: data.path: expected at most 1000 characters on one line'],
  [{ data: { train_split: 'train[:90%]' } }, 'c.yml: data.train_split: expected the name of a split, found "train[:90%]"'],
  [{ data: { path: './x', train_split: '../train' } }, 'c.yml: data.train_split: expected the name of a split'],
  [{ data: { column_mapping: ['text'] } }, 'c.yml: data.column_mapping: expected an object, found a list'],
  [{ top: { data: 'x' } }, 'c.yml: data: expected an object, found "x"'],
  [{ params: { epochs: 0 } }, 'c.yml: params.epochs: expected a number above 0, found 0'],
  [{ params: { lr: 'fast' } }, 'c.yml: params.lr: expected a number, found "fast"'],
  [{ params: { lr: -1 } }, 'c.yml: params.lr: expected a number above 0, found -1'],
  [{ params: { warmup_ratio: 2 } }, 'c.yml: params.warmup_ratio: expected a number of at most 1, found 2'],
  [{ params: { batch_size: 0.5 } }, 'c.yml: params.batch_size: expected a whole number, found 0.5'],
  [{ ...sft, params: { peft: 'maybe' } }, 'c.yml: params.peft: expected true or false, found "maybe"'],
  [{ ...sft, params: { peft: true, lora_dropout: 1 } }, 'c.yml: params.lora_dropout: expected a number below 1, found 1'],
  [{ top: { task: 'llm-dpo' } }, 'c.yml: data.column_mapping.prompt_text_column: expected the name of a column, found nothing'],
])('refused: %j', (parts, message) => {
  expect(() => parse(parts as Parts)).toThrow(expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }));
});

test('numbers in quotes are numbers, and words of YAML 1.1 are flags', () => {
  expect(parse({ ...sft, params: { lr: '1e-5', peft: 'yes' } }).training).toMatchObject({ learningRate: 1e-5, adapter: { type: 'lora' } });
});
