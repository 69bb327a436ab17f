import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';

/*
 * Every key of every format becomes a field of the job, or has a note with a reason of its own. `keys.json` has [type, default] of each.
 * The tables here have our fields with the keys that become them; `*` marks a conversion. All other keys have no equal.
 */
type Keys = Readonly<Record<string, readonly [type: string, fallback: unknown]>>;
const keys = JSON.parse(readFileSync('fixtures/import/keys.json', 'utf8')) as {
  readonly autotrain: Readonly<Record<'text-classification' | 'llm-sft' | 'llm-dpo', Keys>>;
  readonly trl: Readonly<Record<'sft' | 'dpo', Keys>>;
  readonly openai: { readonly top: readonly string[]; readonly supervised: readonly string[]; readonly dpo: readonly string[] };
  readonly together: Readonly<Record<string, unknown>>;
  readonly 'together-dpo': Readonly<Record<string, unknown>>;
};

type Table = Record<string, string>;

function parse(format: keyof typeof formats, content: unknown, method?: 'sft' | 'dpo'): ImportedJob {
  return parseConfig(formats[format], content, { file: 'config', method });
}

/** Our fields with the paths of a job's source that became them. */
function collect(jobs: readonly ImportedJob[], isAsked: (path: string) => boolean): Table {
  const found = new Map<string, Set<string>>();
  for (const note of jobs.flatMap(({ notes }) => notes)) {
    if (note.kind === 'absent' || !isAsked(note.path)) continue;
    expect(note.text ?? '', note.path).not.toContain('an unknown setting');
    if (note.field === null) continue;
    const field = note.kind === 'converted' ? `${note.field}*` : note.field;
    found.set(field, (found.get(field) ?? new Set()).add(note.path.split('.').at(-1)!));
  }
  return Object.fromEntries([...found].map(([field, paths]) => [field, [...paths].sort().join(' ')]));
}

/** The same, with each key set once to its default and once to another value of its type; `values` are for keys that need a certain one. */
function collectAll(all: Keys, values: Readonly<Record<string, unknown>>, parseWith: (key: string, value: unknown) => ImportedJob): Table {
  const tables = Object.entries(all).map(([key, [type, fallback]]) => {
    const other = /bool/.test(type) ? true : /^(int|integer|float|number)/.test(type) ? 1 : 'other';
    const samples = key in values ? [values[key]] : [fallback, other].filter((value) => value !== null);
    const jobs = samples.map((value) => parseWith(key, value));
    const isAsked = (path: string): boolean => path === key || path.endsWith(`.${key}`) || path.startsWith(`${key}.`);
    for (const job of jobs)
      expect(
        job.notes.filter(({ kind, path }) => kind !== 'absent' && isAsked(path)),
        key,
      ).not.toEqual([]);
    return collect(jobs, isAsked);
  });
  const fields = [...new Set(tables.flatMap((table) => Object.keys(table)))];
  return Object.fromEntries(fields.map((field) => [field, tables.flatMap((table) => table[field] ?? []).join(' ')]));
}

function sortKeys(table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([field, names]) => [field, names.split(' ').sort().join(' ')]));
}

const autotrain: Table = {
  'targets.model*': 'model',
  name: 'project_name',
  'data.train*': 'data_path',
  'data.train': 'train_split',
  'data.validation*': 'valid_split',
  'training.epochs': 'epochs',
  'training.batchSize*': 'batch_size gradient_accumulation',
  'training.learningRate': 'lr',
  'training.schedule': 'scheduler',
  'training.warmupRatio': 'warmup_ratio',
  'training.weightDecay': 'weight_decay',
  'training.maxGradNorm': 'max_grad_norm',
  'training.seed': 'seed',
};
const autotrainLlm: Table = {
  ...autotrain,
  'task*': 'trainer',
  'training.adapter*': 'peft',
  'training.adapter.rank': 'lora_r',
  'training.adapter.alpha': 'lora_alpha',
  'training.adapter.dropout': 'lora_dropout',
  'training.adapter.targets*': 'target_modules',
  'training.maxLength': 'block_size',
  'training.maxLength*': 'model_max_length',
};

const autotrainTexts: Table = {
  ...autotrain,
  'training.maxLength': 'max_seq_length',
  'data.columns.text': 'text_column',
  'data.columns.label': 'target_column',
};

test.each<['text-classification' | 'text-regression' | 'llm-sft' | 'llm-dpo', Table]>([
  ['text-classification', autotrainTexts],
  ['text-regression', autotrainTexts],
  ['llm-sft', { ...autotrainLlm, 'data.columns.messages': 'text_column' }],
  [
    'llm-dpo',
    {
      ...autotrainLlm,
      'training.beta': 'dpo_beta',
      'data.columns.chosen': 'text_column',
      'data.columns.rejected': 'rejected_text_column',
      'data.columns.prompt': 'prompt_text_column',
    },
  ],
])('AutoTrain, the task %s', (task, expected) => {
  const column_mapping = { text_column: 't', prompt_text_column: 'p', rejected_text_column: 'r', target_column: 'l' };
  const data = { path: 'owner/rows', train_split: 'train', chat_template: 'chatml', column_mapping };
  const base = { task, base_model: 'owner/name', project_name: 'p', data };
  const more = task.startsWith('text-') ? {} : { peft: true };
  const values = { trainer: task.slice('llm-'.length), lora_dropout: 0.1 };
  const found = collectAll(keys.autotrain[task === 'text-regression' ? 'text-classification' : task], values, (key, value) =>
    parse('autotrain', { ...base, params: { ...more, [key]: value } }),
  );
  expect(sortKeys(found)).toEqual(sortKeys(expected));
});

test('AutoTrain, the keys outside of params', () => {
  const data = {
    path: 'owner/rows',
    train_split: 'train',
    valid_split: null,
    chat_template: 'chatml',
    column_mapping: { text_column: 't' },
  };
  const hub = { username: 'u', token: 'secret', push_to_hub: true };
  const content = { task: 'llm-sft', base_model: 'owner/name', project_name: 'p', log: 'none', backend: 'local', data, hub };
  expect(collect([parse('autotrain', content)], () => true)).toEqual({
    'task*': 'task',
    'targets.model*': 'base_model',
    name: 'project_name',
    'data.train*': 'path',
    'data.train': 'train_split',
    'data.columns.messages': 'text_column',
  });
});

const trl: Table = {
  'targets.model*': 'model_name_or_path model_revision',
  name: 'output_dir run_name',
  'data.train': 'dataset_train_split',
  'data.train*': 'dataset_name dataset_config path',
  'data.validation*': 'dataset_test_split eval_strategy',
  'training.epochs': 'num_train_epochs',
  'training.steps': 'max_steps',
  'training.batchSize*': 'per_device_train_batch_size gradient_accumulation_steps',
  'training.learningRate': 'learning_rate',
  'training.schedule': 'lr_scheduler_type',
  'training.warmupRatio*': 'warmup_steps',
  'training.weightDecay': 'weight_decay',
  'training.maxGradNorm': 'max_grad_norm',
  'training.seed': 'seed',
  'training.adapter*': 'use_peft',
  'training.adapter.rank': 'lora_r',
  'training.adapter.alpha': 'lora_alpha',
  'training.adapter.dropout': 'lora_dropout',
  'training.adapter.targets*': 'lora_target_modules',
  'training.adapter.rankStabilized': 'use_rslora',
  'training.select*': 'load_best_model_at_end',
  'training.maxLength': 'max_length',
};

test.each<['sft' | 'dpo', Table]>([
  ['sft', { ...trl, 'training.loss*': 'completion_only_loss assistant_only_loss', 'data.columns.text': 'dataset_text_field' }],
  ['dpo', { ...trl, 'training.beta': 'beta' }],
])('TRL, %s', (method, expected) => {
  const base = { model_name_or_path: 'owner/name', dataset_name: 'owner/rows', eval_strategy: 'steps', use_peft: true };
  const loss_type = method === 'dpo' ? ['ipo'] : 'nll';
  const values = { lora_dropout: 0.1, datasets: [{ path: 'owner/rows' }], max_steps: 5, loss_type, warmup_steps: 0.1 };
  const found = collectAll(keys.trl[method], values, (key, value) => parse('trl', { ...base, [key]: value }, method));
  expect(sortKeys(found)).toEqual(sortKeys(expected));
  const older = { warmup_ratio: 0.1, max_seq_length: 100, torch_dtype: 'auto', max_prompt_length: 5, logging_dir: 'x' };
  expect(collect([parse('trl', { ...base, ...older }, method)], (path) => path in older)).toEqual({
    'training.warmupRatio': 'warmup_ratio',
    'training.maxLength': 'max_seq_length',
  });
});

test('OpenAI', () => {
  const settings = {
    method: { type: 'supervised' },
    seed: 1,
    metadata: { team: 'a' },
    integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
    hyperparameters: { n_epochs: 1 },
  };
  const body = { ...Object.fromEntries(keys.openai.top.map((key) => [key, 'x'])), ...settings };
  expect(collect([parse('openai', body)], () => true)).toEqual({
    'targets.model': 'model',
    'data.train*': 'training_file',
    'data.validation*': 'validation_file',
    'training.method*': 'type',
    'training.seed': 'seed',
    'targets.options.suffix': 'suffix',
    name: 'suffix',
    'targets.native.metadata': 'team',
    'targets.native.integrations': 'integrations',
    'training.epochs': 'n_epochs',
    'targets.options.trainingType': 'trainingType',
  });
});

test.each(['supervised', 'dpo'] as const)('hyperparameters of OpenAI, %s', (type) => {
  const ends = [2, 'auto'].map((value) => {
    const hyperparameters = Object.fromEntries(keys.openai[type].map((key) => [key, value]));
    const job = parse('openai', { model: 'm', training_file: 'f', method: { type, [type]: { hyperparameters } } });
    return collect([job], (path) => path.includes('hyperparameters'));
  });
  const beta = type === 'dpo' ? { 'training.beta': 'beta' } : {};
  const rate = { 'training.learningRate*': 'learning_rate_multiplier' };
  expect(ends[0]).toEqual({ 'training.epochs': 'n_epochs', 'training.batchSize': 'batch_size', ...rate, ...beta });
  expect(Object.keys(ends[1]!)).toEqual(
    ['epochs', 'batchSize', 'learningRate', ...(type === 'dpo' ? ['beta'] : [])].map((field) => `training.${field}*`),
  );
});

test('Together', () => {
  const sft = parse('together', keys.together);
  const paths = sft.notes.filter(({ kind }) => kind !== 'absent').map(({ path }) => path);
  expect(Object.keys(keys.together).filter((key) => !paths.some((path) => path === key || path.startsWith(`${key}.`)))).toEqual([]);
  expect(collect([sft], () => true)).toEqual({
    'targets.model': 'model',
    'data.train*': 'training_file',
    'data.validation*': 'validation_file',
    'training.epochs': 'n_epochs',
    'training.batchSize*': 'batch_size gradient_accumulation_steps',
    'training.learningRate': 'learning_rate',
    'training.schedule': 'lr_scheduler_type',
    'training.warmupRatio': 'warmup_ratio',
    'training.maxGradNorm': 'max_grad_norm',
    'training.weightDecay': 'weight_decay',
    'training.maxLength': 'max_seq_length',
    'training.seed': 'random_seed',
    name: 'suffix',
    'training.method': 'method',
    'training.loss*': 'train_on_inputs',
    'training.earlyStopping*': 'early_stopping_enabled',
    'training.earlyStopping.patience': 'early_stopping_patience',
    'training.earlyStopping.minDelta': 'early_stopping_min_delta',
    'training.adapter*': 'type',
    'training.adapter.rank': 'lora_r',
    'training.adapter.alpha': 'lora_alpha',
    'training.adapter.dropout': 'lora_dropout',
  });
  const dpo = parse('together', { ...keys.together, training_method: keys['together-dpo'] });
  expect(collect([dpo], (path) => path.startsWith('training_method.'))).toEqual({
    'training.method': 'method',
    'training.beta': 'dpo_beta',
  });
  expect(JSON.stringify([sft, dpo])).not.toContain('0123456789');
});
