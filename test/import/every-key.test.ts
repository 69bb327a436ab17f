import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';

/*
 * Every key that a source knows is carried, converted, or noted with a reason of its own. `keys.json` has [type, default] of each.
 */
type Keys = Readonly<Record<string, readonly [type: string, fallback: unknown]>>;
const keys = JSON.parse(readFileSync('fixtures/import/keys.json', 'utf8')) as {
  readonly autotrain: Readonly<Record<'text-classification' | 'llm-sft' | 'llm-dpo', Keys>>;
  readonly trl: Readonly<Record<'sft' | 'dpo', Keys>>;
  readonly openai: { readonly top: readonly string[]; readonly supervised: readonly string[]; readonly dpo: readonly string[] };
  readonly together: Readonly<Record<string, unknown>>;
  readonly 'together-dpo': Readonly<Record<string, unknown>>;
};

const context = { file: 'config' };

/** What became of a field. */
function toEnds(job: ImportedJob, path: string): string[] {
  const notes = job.notes.filter((note) => note.path === path && note.kind !== 'absent');
  for (const { text } of notes) expect(text ?? '').not.toContain('an unknown setting');
  return notes.map(({ kind, field }) => (field === null ? kind : `${kind} ${field}`));
}

/** The ends of every key, each given once with its default and once with another value of its type. */
function toTable(
  all: Keys,
  values: Readonly<Record<string, unknown>>,
  parse: (key: string, value: unknown) => ImportedJob,
  prefix = '',
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).map(([key, [type, fallback]]) => {
      const samples = key in values ? [values[key]] : [fallback, toOther(type)];
      const ends = samples
        .filter((value) => value !== null)
        .map((value) => {
          const found = toEnds(parse(key, value), prefix + key);
          expect(found, `${key} = ${JSON.stringify(value)}`).not.toEqual([]);
          return found.join(' + ');
        });
      return [key, [...new Set(ends)].join(' | ')];
    }),
  );
}

function toOther(type: string): unknown {
  if (/bool/.test(type)) return true;
  if (/^(int|integer|float|number)/.test(type)) return 1;
  return 'other';
}

/** The keys that ended so, for an expectation that reads well: everything else has no equal. */
function withEqual(table: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).filter(([, end]) => end !== 'unmatched'));
}

describe('AutoTrain', () => {
  const base = {
    task: 'text-classification',
    base_model: 'owner/name',
    project_name: 'p',
    log: 'none',
    backend: 'local',
    data: { path: 'owner/rows', train_split: 'train', valid_split: null, column_mapping: { text_column: 'text', target_column: 'target' } },
  };
  const llm = {
    ...base,
    data: {
      ...base.data,
      chat_template: 'chatml',
      column_mapping: { text_column: 't', prompt_text_column: 'p', rejected_text_column: 'r' },
    },
  };
  const parse = (config: object, more: object) => (key: string, value: unknown) =>
    parseConfig(formats.autotrain, { ...config, params: { ...more, [key]: value } }, context);
  const common = {
    model: 'converted targets.model',
    lr: 'carried training.learningRate',
    epochs: 'carried training.epochs',
    batch_size: 'converted training.batchSize',
    gradient_accumulation: 'converted training.batchSize',
    warmup_ratio: 'carried training.warmupRatio',
    weight_decay: 'carried training.weightDecay',
    max_grad_norm: 'carried training.maxGradNorm',
    seed: 'carried training.seed',
    project_name: 'carried name',
    data_path: 'converted data.train',
    train_split: 'carried data.train',
    valid_split: 'converted data.validation',
  };

  test('classification', () => {
    const table = toTable(keys.autotrain['text-classification'], {}, parse(base, {}), 'params.');
    expect(withEqual(table)).toEqual({
      ...common,
      max_seq_length: 'carried training.maxLength',
      scheduler: 'carried training.schedule | unmatched',
      text_column: 'carried data.columns.text',
      target_column: 'carried data.columns.label',
    });
  });

  test('chats and preferences, with an adapter', () => {
    const adapter = {
      peft: 'converted training.adapter',
      lora_r: 'carried training.adapter.rank',
      lora_alpha: 'carried training.adapter.alpha',
      lora_dropout: 'carried training.adapter.dropout',
      target_modules: 'unmatched | converted training.adapter.targets',
      block_size: 'unmatched | carried training.maxLength',
      model_max_length: 'converted training.maxLength',
      scheduler: 'carried training.schedule | unmatched',
    };
    const sft = toTable(
      keys.autotrain['llm-sft'],
      { trainer: 'sft', lora_dropout: 0.1 },
      parse({ ...llm, task: 'llm-sft' }, { peft: true }),
      'params.',
    );
    expect(withEqual(sft)).toEqual({ ...common, ...adapter, trainer: 'converted task', text_column: 'carried data.columns.messages' });
    const dpo = toTable(
      keys.autotrain['llm-dpo'],
      { trainer: 'dpo', lora_dropout: 0.1 },
      parse({ ...llm, task: 'llm-dpo' }, { peft: true }),
      'params.',
    );
    expect(withEqual(dpo)).toEqual({
      ...common,
      ...adapter,
      trainer: 'converted task',
      dpo_beta: 'carried training.beta',
      text_column: 'carried data.columns.chosen',
      rejected_text_column: 'carried data.columns.rejected',
      prompt_text_column: 'carried data.columns.prompt',
    });
  });

  test('the keys outside of params', () => {
    const job = parseConfig(
      formats.autotrain,
      { ...llm, task: 'llm-sft', hub: { username: 'u', token: 'secret', push_to_hub: true } },
      context,
    );
    const paths = job.notes.filter(({ kind }) => kind !== 'absent').map(({ path }) => path);
    expect([...new Set(paths)]).toEqual([
      'task',
      'base_model',
      'project_name',
      'log',
      'backend',
      'data.path',
      'data.train_split',
      'data.valid_split',
      'data.column_mapping.text_column',
      'data.column_mapping.prompt_text_column',
      'data.column_mapping.rejected_text_column',
      'data.chat_template',
      'hub.username',
      'hub.token',
      'hub.push_to_hub',
    ]);
    for (const path of paths) toEnds(job, path);
  });
});

describe('TRL', () => {
  const base = { model_name_or_path: 'owner/name', dataset_name: 'owner/rows', eval_strategy: 'steps', use_peft: true };
  const parse = (method: 'sft' | 'dpo') => (key: string, value: unknown) =>
    parseConfig(formats.trl, { ...base, [key]: value }, { ...context, method });
  const values = { lora_dropout: 0.1, datasets: [{ path: 'owner/rows' }], max_steps: 5, loss_type: 'nll', warmup_steps: 0.1 };
  const common = {
    model_name_or_path: 'converted targets.model',
    model_revision: 'converted targets.model',
    dataset_name: 'converted data.train',
    dataset_config: 'converted data.train',
    dataset_train_split: 'carried data.train',
    dataset_test_split: 'converted data.validation',
    eval_strategy: 'unmatched | converted data.validation',
    output_dir: 'carried name',
    run_name: 'carried name',
    per_device_train_batch_size: 'converted training.batchSize',
    gradient_accumulation_steps: 'converted training.batchSize',
    num_train_epochs: 'carried training.epochs',
    max_steps: 'carried training.steps',
    learning_rate: 'carried training.learningRate',
    lr_scheduler_type: 'carried training.schedule | unmatched',
    warmup_steps: 'converted training.warmupRatio',
    weight_decay: 'carried training.weightDecay',
    max_grad_norm: 'carried training.maxGradNorm',
    max_length: 'carried training.maxLength',
    load_best_model_at_end: 'converted training.select',
    seed: 'carried training.seed',
    use_peft: 'converted training.adapter',
    lora_r: 'carried training.adapter.rank',
    lora_alpha: 'carried training.adapter.alpha',
    lora_dropout: 'carried training.adapter.dropout',
    lora_target_modules: 'converted training.adapter.targets',
  };

  test('sft', () => {
    const { datasets, ...flags } = keys.trl.sft;
    expect(withEqual(toTable(flags, values, parse('sft')))).toEqual({
      ...common,
      dataset_text_field: 'carried data.columns.text',
      completion_only_loss: 'converted training.loss',
      assistant_only_loss: 'converted training.loss',
    });
    expect(toEnds(parse('sft')('datasets', values.datasets), 'datasets.0.path')).toEqual(['converted data.train']);
    expect(datasets).toBeDefined();
  });

  test('dpo', () => {
    const { datasets, ...flags } = keys.trl.dpo;
    const table = toTable(flags, { ...values, loss_type: ['ipo'] }, parse('dpo'));
    expect(withEqual(table)).toEqual({ ...common, beta: 'carried training.beta' });
    expect(datasets).toBeDefined();
  });

  test('names of older versions', () => {
    const older = { warmup_ratio: 0.1, max_seq_length: 100, torch_dtype: 'auto', max_prompt_length: 5, logging_dir: 'x' };
    const ends = Object.entries(older).map(([key, value]) => toEnds(parse('dpo')(key, value), key).join());
    expect(ends).toEqual(['carried training.warmupRatio', 'carried training.maxLength', 'unmatched', 'unmatched', 'unmatched']);
  });
});

describe('OpenAI', () => {
  const values: Readonly<Record<string, unknown>> = {
    method: { type: 'supervised' },
    seed: 1,
    metadata: { team: 'a' },
    integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
    hyperparameters: { n_epochs: 1 },
    trainingType: 'standard',
  };

  test('the body', () => {
    const body = Object.fromEntries(keys.openai.top.map((key) => [key, values[key] ?? 'x']));
    const job = parseConfig(formats.openai, body, context);
    const ends = Object.fromEntries(
      job.notes.filter(({ kind }) => kind !== 'absent').map(({ path }) => [path, toEnds(job, path).join(' + ')]),
    );
    expect(ends).toEqual({
      model: 'carried targets.model',
      training_file: 'converted data.train',
      validation_file: 'converted data.validation',
      'method.type': 'converted training.method',
      seed: 'carried training.seed',
      suffix: 'carried targets.options.suffix + carried name',
      'metadata.team': 'carried targets.native.metadata',
      integrations: 'carried targets.native.integrations',
      'hyperparameters.n_epochs': 'carried training.epochs',
      trainingType: 'carried targets.options.trainingType',
    });
  });

  test.each(['supervised', 'dpo'] as const)('hyperparameters of %s', (type) => {
    for (const [value, kind] of [
      [2, ['carried', 'carried', 'converted', 'carried']],
      ['auto', ['converted', 'converted', 'converted', 'converted']],
    ] as const) {
      const hyperparameters = Object.fromEntries(keys.openai[type].map((key) => [key, value]));
      const job = parseConfig(formats.openai, { model: 'm', training_file: 'f', method: { type, [type]: { hyperparameters } } }, context);
      const ends = keys.openai[type].map((key) => toEnds(job, `method.${type}.hyperparameters.${key}`)[0]?.split(' ')[0]);
      expect(ends).toEqual(kind.slice(0, ends.length));
    }
  });
});

test('Together', () => {
  const toLeaves = (job: ImportedJob): Record<string, string> =>
    Object.fromEntries(job.notes.filter(({ kind }) => kind !== 'absent').map(({ path }) => [path, toEnds(job, path).join(' + ')]));
  const sft = toLeaves(parseConfig(formats.together, keys.together, context));
  expect(Object.keys(keys.together).filter((key) => !Object.keys(sft).some((path) => path === key || path.startsWith(`${key}.`)))).toEqual(
    [],
  );
  expect(withEqual(sft)).toEqual({
    model: 'carried targets.model',
    training_file: 'converted data.train',
    validation_file: 'converted data.validation',
    n_epochs: 'carried training.epochs',
    batch_size: 'converted training.batchSize',
    learning_rate: 'carried training.learningRate',
    'lr_scheduler.lr_scheduler_type': 'carried training.schedule',
    warmup_ratio: 'carried training.warmupRatio',
    max_grad_norm: 'carried training.maxGradNorm',
    weight_decay: 'carried training.weightDecay',
    gradient_accumulation_steps: 'converted training.batchSize',
    max_seq_length: 'carried training.maxLength',
    random_seed: 'carried training.seed',
    suffix: 'carried targets.options.suffix + carried name',
    'training_method.method': 'carried training.method',
    'training_method.train_on_inputs': 'converted training.loss',
    'training_type.type': 'converted training.adapter',
    'training_type.lora_r': 'carried training.adapter.rank',
    'training_type.lora_alpha': 'carried training.adapter.alpha',
    'training_type.lora_dropout': 'carried training.adapter.dropout',
  });
  const dpo = toLeaves(parseConfig(formats.together, { ...keys.together, training_method: keys['together-dpo'] }, context));
  expect(Object.keys(keys['together-dpo']).map((key) => dpo[`training_method.${key}`])).toEqual([
    'carried training.method',
    'carried training.beta',
    'unmatched',
    'unmatched',
    'unmatched',
    'unmatched',
  ]);
  expect(JSON.stringify(sft)).not.toContain('0123456789');
});
