import { describe, expect, test } from 'vitest';
import { translate } from '../../../providers/huggingface/translate.ts';
import type { Note } from '../../../src/provider/note.ts';
import type { Training } from '../../../src/job/job-spec.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import schemas from '../../../fixtures/huggingface/schemas/autotrain-0.8.36.json' with { type: 'json' };
import flags from '../../../fixtures/huggingface/schemas/trl-1.16.0.json' with { type: 'json' };
import { facts, toInput } from './fixture.ts';

const withValidation = { facts: { ...facts, validation: facts.train } };
const whole: Training = {
  epochs: 2,
  batchSize: 32,
  learningRate: 1e-7,
  schedule: 'cosine',
  warmupRatio: 0.25,
  weightDecay: 0.01,
  maxGradNorm: 0.5,
  adapter: { type: 'lora', rank: 4, alpha: 8, dropout: 0.1, targets: ['q_proj', 'v_proj'] },
  maxLength: 64,
  seed: 7,
};

const toNotes = (notes: readonly Note[], field: string): Note[] => notes.filter((note) => note.type !== 'warning' && note.field === field);

describe('which engine learns what', () => {
  test.each([
    ['classification', 'auto', 'acme/base', 'autotrain', 'text-classification', 'labels'],
    ['classification', 'auto', 'Qwen/Qwen3-0.6B', 'transformers', 'text-classification', 'labels'],
    ['classification', 'autotrain', 'acme/base', 'autotrain', 'text-classification', 'labels'],
    ['classification', 'transformers', 'acme/base', 'transformers', 'text-classification', 'labels'],
    ['classification', 'trl', 'acme/base', 'trl', 'sft', 'completion'],
    ['multi-label', 'trl', 'acme/base', 'trl', 'sft', 'completion'],
    ['chat', 'auto', 'acme/base', 'trl', 'sft', 'completion'],
    ['chat', 'trl', 'acme/base', 'trl', 'sft', 'completion'],
    ['chat', 'autotrain', 'acme/base', 'autotrain', 'sft', 'messages'],
    ['preference', 'auto', 'acme/base', 'trl', 'dpo', 'preference'],
    ['preference', 'autotrain', 'acme/base', 'autotrain', 'dpo', 'conversations'],
  ] as const)('%s with %s for %s: %s %s', (task, asked, name, engine, learned, format) => {
    const { request, notes } = translate(toInput({ task, options: { engine: asked }, model: { kind: 'hub', name, revision: null } }));
    expect([request.engine, request.task, request.rows.format]).toEqual([engine, learned, format]);
    const [note] = toNotes(notes, 'options.engine');
    expect(note).toMatchObject(asked === 'auto' ? { type: 'converted', from: 'auto', value: engine } : { type: 'sent', value: asked });
  });

  test('pairs of texts go to the script that reads them, and autotrain refuses them', () => {
    const pairs = { facts: { ...facts, columns: { ...facts.columns, text2: 'second' } } };
    expect(translate(toInput({}, pairs)).request).toMatchObject({ engine: 'transformers', rows: { isPair: true } });
    expect(() => translate(toInput({ options: { engine: 'autotrain' } }, pairs))).toThrow('found pairs');
  });

  test.each([
    ['a folder', { model: { kind: 'folder', path: '/models/x' } }, 'expected a model of the Hub'],
    ['text', { task: 'text' }, 'found "text"'],
    ['several labels a text', { task: 'multi-label' }, 'as chats only, with options.engine "trl"'],
    ['several labels with AutoTrain', { task: 'multi-label', options: { engine: 'autotrain' } }, 'as chats only'],
    ['dpo of labels', { training: { method: 'dpo' } }, 'expected the method "sft"'],
    ['sft of preferences', { task: 'preference', training: { method: 'sft' } }, 'expected the method "dpo"'],
    ['chats with the classifier', { task: 'chat', options: { engine: 'transformers' } }, 'found "transformers"'],
    ['a GPU that is too new', { options: { flavor: 'rtx-pro-6000x2' } }, 'too old for the GPU'],
    ['an option that there is not', { options: { flavour: 'x' } }, 'targets.hub.options'],
    ['a setting that the job has words for', { native: { lr: 1 } }, 'targets.hub.native.lr'],
    ['a setting that the engine does not have', { native: { max_seq_len: 1 } }, 'targets.hub.native.max_seq_len'],
    ['a setting of sft for dpo', { task: 'preference', native: { packing: true } }, 'targets.hub.native.packing'],
    ['a raw value that no flag can say', { native: { optimizer: { a: 1 } } }, 'expected a text, a number'],
  ] as const)('refuses %s', (_what, spec, message) => {
    expect(() => translate(toInput(spec as Partial<RunSpec>))).toThrow(message);
  });
});

describe('what is sent', () => {
  test('trl: every field by its flag', () => {
    const { request, notes } = translate(
      toInput(
        { task: 'chat', options: { flavor: 'a10g-largex2' }, training: { ...whole, loss: 'answer', select: 'best' } },
        withValidation,
      ),
    );
    expect(request.parameters).toMatchObject({
      num_train_epochs: 2,
      per_device_train_batch_size: 8,
      gradient_accumulation_steps: 2,
      learning_rate: 1e-7,
      lr_scheduler_type: 'cosine',
      warmup_steps: 0.25,
      weight_decay: 0.01,
      max_grad_norm: 0.5,
      use_peft: true,
      lora_r: 4,
      lora_alpha: 8,
      lora_dropout: 0.1,
      lora_target_modules: ['q_proj', 'v_proj'],
      max_length: 64,
      seed: 7,
      load_best_model_at_end: true,
      save_strategy: 'epoch',
      eval_strategy: 'epoch',
      completion_only_loss: true,
      bf16: true,
      fp16: false,
    });
    expect(notes.filter((note) => note.type === 'unsupported')).toEqual([]);
    expect(toNotes(notes, 'training.loss')).toMatchObject([{ type: 'converted', from: 'answer' }]);
  });

  test('autotrain: every field by its name', () => {
    const { request, notes } = translate(
      toInput({ training: { ...whole, epochs: 9, adapter: { type: 'full' }, select: 'best' } }, withValidation),
    );
    expect(request.parameters).toMatchObject({
      epochs: 9,
      batch_size: 32,
      gradient_accumulation: 1,
      lr: 1e-7,
      scheduler: 'cosine',
      warmup_ratio: 0.25,
      weight_decay: 0.01,
      max_grad_norm: 0.5,
      max_seq_length: 64,
      seed: 7,
      early_stopping_patience: 9,
      mixed_precision: 'fp16',
    });
    expect(notes.filter((note) => note.type === 'unsupported')).toEqual([]);
  });

  test.each([
    [{ learningRate: { multiplier: 2 } }, 'chat', 'learningRate'],
    [{ batchSize: 3 }, 'chat', 'batchSize'],
    [{ warmupRatio: 1 }, 'chat', 'warmupRatio'],
    [{ beta: 0.2 }, 'chat', 'beta'],
    [{ adapter: { type: 'head' } }, 'chat', 'adapter'],
    [{ select: 'best' }, 'chat', 'select'],
    [{ steps: 5 }, 'classification', 'steps'],
    [{ epochs: 1.5 }, 'classification', 'epochs'],
    [{ select: 'last' }, 'classification', 'select'],
    [{ schedule: 'constant' }, 'classification', 'schedule'],
    [{ adapter: { type: 'lora', rank: 4 } }, 'classification', 'adapter'],
    [{ loss: 'all' }, 'classification', 'loss'],
    [{ earlyStopping: { patience: 2 } }, 'chat', 'earlyStopping'],
    [{ earlyStopping: { patience: 2, by: 'measure' } }, 'classification', 'earlyStopping'],
  ] as const)('%o of %s cannot be followed, and is noted once', (training, task, field) => {
    const { request, notes } = translate(toInput({ task, training, options: { flavor: 'a10g-largex2' } }));
    expect(toNotes(notes, `training.${field}`)).toMatchObject([{ type: 'unsupported', value: Object.values(training)[0] }]);
    expect(request.parameters).toEqual(translate(toInput({ task, training: {}, options: { flavor: 'a10g-largex2' } })).request.parameters);
  });

  test('early stopping has the names of the engine', () => {
    const toParameters = (training: RunSpec['training'], engine: string): unknown =>
      translate(toInput({ training, options: { engine } }, withValidation)).request.parameters;
    expect(toParameters({ earlyStopping: { patience: 2 } }, 'autotrain')).toMatchObject({
      early_stopping_patience: 2,
      early_stopping_threshold: 0,
    });
    expect(toParameters({ earlyStopping: { patience: 3, minDelta: 0.1, by: 'measure' } }, 'transformers')).toMatchObject({
      early_stopping_patience: 3,
      early_stopping_threshold: 0.1,
      metric_for_best_model: 'eval_accuracy',
      greater_is_better: true,
      load_best_model_at_end: true,
    });
    const both = toInput(
      { training: { earlyStopping: { patience: 2 }, select: 'last' }, options: { engine: 'transformers' } },
      withValidation,
    );
    const { request, notes } = translate(both);
    expect(request.parameters).toMatchObject({ metric_for_best_model: 'eval_loss', load_best_model_at_end: true });
    expect(toNotes(notes, 'training.select')).toMatchObject([{ type: 'unsupported', value: 'last' }]);
  });

  test('TRL scales with alpha / √rank where the job says so', () => {
    const training: Training = { adapter: { type: 'lora', rank: 4, rankStabilized: true } };
    const { request } = translate(toInput({ task: 'chat', training, options: { engine: 'trl' } }));
    expect(request.parameters).toMatchObject({ use_peft: true, use_rslora: true });
    const other = translate(toInput({ task: 'chat', training, options: { engine: 'autotrain' } }));
    expect(toNotes(other.notes, 'training.adapter')).toMatchObject([{ type: 'unsupported' }]);
  });

  test('each field ends in one note, written or not', () => {
    for (const task of ['classification', 'chat', 'preference'] as const) {
      for (const engine of ['auto', 'autotrain', 'trl'] as const) {
        for (const training of [{}, whole]) {
          const { notes } = translate(toInput({ task, training, options: { engine } }, withValidation));
          const fields = notes.flatMap((note) => (note.type === 'warning' ? [] : [note.field]));
          expect(new Set(fields).size, JSON.stringify([task, engine, fields])).toBe(fields.length);
        }
      }
    }
  });

  test('a length above what the model reads is cut, and said', () => {
    const model = { base: 'hub:acme/base', revision: null, maxLength: 48 };
    const { request, notes } = translate(toInput({ training: { maxLength: 64 } }, { model }));
    expect(request.parameters['max_seq_length']).toBe(48);
    expect(toNotes(notes, 'training.maxLength')).toMatchObject([{ type: 'converted', from: 64, value: 48 }]);
  });

  test('the time that a job may take is always sent', () => {
    expect(translate(toInput({ budget: { usd: null, hours: 0.5 } })).request.timeoutSeconds).toBe(1800);
    const { request, notes } = translate(toInput());
    expect(request.timeoutSeconds).toBe(4 * 3600);
    expect(toNotes(notes, 'budget.hours')).toEqual([{ type: 'defaulted', field: 'budget.hours', value: 4 }]);
  });

  test('the machine decides the precision', () => {
    const toPrecision = (flavor: string): unknown[] => {
      const { parameters } = translate(toInput({ task: 'chat', options: { flavor } })).request;
      return [parameters['bf16'], parameters['fp16'], parameters['use_cpu']];
    };
    expect(toPrecision('t4-small')).toEqual([false, true, false]);
    expect(toPrecision('l4x1')).toEqual([true, false, false]);
    expect(toPrecision('cpu-basic')).toEqual([false, false, true]);
  });
});

interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
}

function fits(value: unknown, { type, anyOf }: Schema): boolean {
  if (anyOf !== undefined) return anyOf.some((schema) => fits(value, schema));
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  return type === 'array' ? Array.isArray(value) : typeof value === type;
}

interface Flag {
  readonly name: string;
  readonly type: string;
  readonly choices?: readonly unknown[];
  readonly nargs?: unknown;
}

function takes({ type, choices, nargs }: Flag, value: unknown): boolean {
  if (Array.isArray(value)) return nargs === '+';
  if (choices !== undefined) return choices.includes(value);
  if (type === 'int') return Number.isInteger(value);
  return typeof value === (type === 'float' ? 'number' : type === 'string_to_bool' ? 'boolean' : 'string');
}

describe('names and types are those of the programs', () => {
  const inContainer = ['data_path', 'model', 'project_name', 'train_split', 'valid_split', 'text_column', 'token', 'username', 'log'];
  test.each([
    ['classification', 'TextClassificationParams', ['target_column']],
    ['chat', 'LLMTrainingParams', ['trainer', 'prompt_text_column', 'rejected_text_column']],
    ['preference', 'LLMTrainingParams', ['trainer', 'prompt_text_column', 'rejected_text_column']],
  ] as const)('autotrain, %s: all parameters of %s', (task, name, more) => {
    const properties: Readonly<Record<string, Schema>> = schemas[name];
    for (const training of [{}, whole]) {
      const { parameters } = translate(toInput({ task, training, options: { engine: 'autotrain' } }, withValidation)).request;
      const left = Object.keys(properties).filter((key) => !inContainer.includes(key) && !(more as readonly string[]).includes(key));
      expect(Object.keys(parameters).sort()).toEqual(left.sort());
      for (const [key, value] of Object.entries(parameters))
        expect(fits(value, properties[key]!), `${key} = ${JSON.stringify(value)}`).toBe(true);
    }
  });

  test.each([
    ['chat', 'sft'],
    ['preference', 'dpo'],
  ] as const)('trl, %s: flags of `trl %s` that accept their values', (task, script) => {
    const known: readonly Flag[] = flags[script] as never;
    for (const training of [{}, { ...whole, select: 'best' as const }]) {
      const { parameters } = translate(toInput({ task, training }, withValidation)).request;
      for (const [key, value] of Object.entries(parameters)) {
        const flag = known.find(({ name }) => name === key);
        expect(flag !== undefined && (value === null || takes(flag, value)), `${key} = ${JSON.stringify(value)}`).toBe(true);
      }
    }
  });

  test('other settings are the defaults of the program, or differ on purpose', () => {
    const { parameters } = translate(toInput({ task: 'chat', options: { flavor: 'l4x1' } })).request;
    const defaults = Object.fromEntries(flags.sft.map((flag) => [flag.name, 'default' in flag ? flag.default : null]));
    const different = Object.entries(parameters).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key]));
    expect(Object.fromEntries(different)).toEqual({ bf16: true, logging_first_step: true, save_strategy: 'no', save_total_limit: 1 });
    const { parameters: autotrain } = translate(toInput({ options: { flavor: 'cpu-basic' } })).request;
    const other = Object.entries(autotrain).filter(
      ([key, value]) =>
        JSON.stringify(value) !== JSON.stringify((schemas.TextClassificationParams as Record<string, { default: unknown }>)[key]?.default),
    );
    expect(other).toEqual([]);
  });
});
