import { expect, test } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openai } from '../../../providers/openai/index.ts';
import type { Note } from '../../../src/provider/note.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { isFailure } from '../../../src/errors.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import type { CreateRequest } from '../../../providers/openai-compatible/request.ts';
import { buildBody, facts, key, toInput } from './fixture.ts';

function toBody(input: TranslationInput, provider = openai, validationFile: string | null = null): unknown {
  return buildBody(input, provider, { prepared: { trainingFile: 'file-1', validationFile }, attempt: 2 });
}

function toNotes(spec: Partial<RunSpec>, provider = openai): readonly Note[] {
  return provider.training.translate(toInput(spec)).notes;
}

function toNoteOf(field: string, spec: Partial<RunSpec>): Note | undefined {
  return toNotes(spec).find((note) => note.type !== 'warning' && note.field === field);
}

function toWarnings(spec: Partial<RunSpec>, provider = openai): string[] {
  return toNotes(spec, provider).flatMap((note) => (note.type === 'warning' ? [note.message] : []));
}

const metadata = { orchestrate_key: key, orchestrate_attempt: '2' };

test('a job that says nothing leaves everything to the service', () => {
  expect(toBody(toInput())).toEqual({
    model: 'gpt-4.1-mini-2025-04-14',
    training_file: 'file-1',
    method: { type: 'supervised', supervised: { hyperparameters: {} } },
    suffix: 'job-big',
    metadata,
  });
});

const full = toInput({
  task: 'chat',
  training: { method: 'sft', epochs: 3, batchSize: 8, learningRate: { multiplier: 0.5 }, loss: 'answer', select: 'last', seed: 7 },
  options: { suffix: 'support' },
  native: { metadata: { team: 'search' }, integrations: [{ type: 'wandb', wandb: { project: 'p' } }] },
});

test('everything that the service takes is sent, beside raw fields', () => {
  expect(toBody(full, openai, 'file-2')).toEqual({
    model: 'gpt-4.1-mini-2025-04-14',
    training_file: 'file-1',
    validation_file: 'file-2',
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3, batch_size: 8, learning_rate_multiplier: 0.5 } } },
    suffix: 'support',
    seed: 7,
    integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
    metadata: { team: 'search', ...metadata },
  });
});

// Portkey sent a multiplier as an absolute rate, and read back another field than it had written.
test('a multiplier is never a rate, and a rate never a multiplier', () => {
  expect(JSON.stringify(toBody(toInput({ training: { learningRate: { multiplier: 1 } } })))).not.toMatch(/"learning_?[rR]ate":/);
  expect(JSON.stringify(toBody(toInput({ training: { learningRate: 1e-4 } })))).not.toMatch(/learning/);
  expect(toNoteOf('training.learningRate', { training: { learningRate: { multiplier: 0.5 } } })).toEqual({
    type: 'sent',
    field: 'training.learningRate',
    value: { multiplier: 0.5 },
  });
  expect(toNoteOf('training.learningRate', { training: { learningRate: 1e-4 } })).toMatchObject({ type: 'unsupported', value: 1e-4 });
});

// Portkey dropped the seed.
test('a seed is sent, also 0', () => {
  expect(toBody(toInput({ training: { seed: 0 } }))).toMatchObject({ seed: 0 });
});

test.each<[string, RunSpec['training']]>([
  ['steps', { steps: 10 }],
  ['epochs', { epochs: 1.5 }],
  ['schedule', { schedule: 'cosine' }],
  ['warmupRatio', { warmupRatio: 0.1 }],
  ['weightDecay', { weightDecay: 0.01 }],
  ['maxGradNorm', { maxGradNorm: 1 }],
  ['adapter', { adapter: { type: 'lora', rank: 8 } }],
  ['maxLength', { maxLength: 512 }],
  ['beta', { beta: 0.1 }],
  ['loss', { loss: 'all' }],
  ['select', { select: 'best' }],
  ['earlyStopping', { earlyStopping: { patience: 2 } }],
])('%s is reported as impossible and is not sent', (field, training) => {
  expect(toNoteOf(`training.${field}`, { training })).toMatchObject({ type: 'unsupported', value: Object.values(training)[0] });
  expect(toBody(toInput({ training }))).toEqual(toBody(toInput()));
});

test('a field that is left out is noted as the choice of the service', () => {
  const defaulted = toNotes({ task: 'preference' }).flatMap((note) => (note.type === 'defaulted' ? [note.field] : []));
  expect(defaulted).toEqual([
    'training.method',
    'training.epochs',
    'training.batchSize',
    'training.learningRate',
    'training.beta',
    'training.loss',
    'training.select',
    'training.seed',
    'options.suffix',
  ]);
});

test('classification becomes chats: that is noted, and the prompt is sent', () => {
  const prompt = { system: 'Sort it.', template: 'Text: {text}' };
  const { request, notes } = openai.training.translate(toInput({ prompt }));
  expect((request as CreateRequest).rows).toEqual({
    task: 'classification',
    conversion: 'classification-chat/1',
    prompt,
    labels: ['no', 'yes'],
  });
  expect(notes).toContainEqual(expect.objectContaining({ type: 'converted', field: 'task', value: 'classification-chat/1' }));
  expect(notes).toContainEqual({ type: 'sent', field: 'prompt.system', value: 'Sort it.' });
  expect(notes).toContainEqual({ type: 'sent', field: 'prompt.template', value: 'Text: {text}' });
});

test('rows with several labels become chats whose answer is a list', () => {
  const { request, notes } = openai.training.translate(toInput({ task: 'multi-label', prompt: { system: 'Sort it.' } }));
  const rows = { task: 'multi-label', conversion: 'multi-label-chat/1', prompt: { system: 'Sort it.' }, labels: ['no', 'yes'] };
  expect((request as CreateRequest).rows).toEqual(rows);
  expect(notes).toContainEqual(expect.objectContaining({ type: 'converted', field: 'task', value: 'multi-label-chat/1' }));
});

test('a prompt has no meaning for rows that are chats', () => {
  const { request, notes } = openai.training.translate(toInput({ task: 'chat', prompt: { system: 'Sort it.' } }));
  expect((request as CreateRequest).rows).toEqual({ task: 'chat', conversion: null, prompt: null, labels: [] });
  expect(notes).toContainEqual(expect.objectContaining({ type: 'unsupported', field: 'prompt.system', value: 'Sort it.' }));
});

test.each<[string, Partial<RunSpec>, RegExp]>([
  ['the task text', { task: 'text' }, /targets\.big: OpenAI expects a task of chats or labels, found "text"/],
  ['a model folder', { model: { kind: 'folder', path: '/models/x' } }, /targets\.big\.model: OpenAI expects the name of one of its models/],
  ['a hub model', { model: { kind: 'hub', name: 'a/b', revision: null } }, /targets\.big\.model/],
  ['dpo without preferences', { training: { method: 'dpo' } }, /expects the method "sft" for the task "classification", found "dpo"/],
  ['sft of preferences', { task: 'preference', training: { method: 'sft' } }, /expects the method "dpo"/],
  ['a template without its text', { prompt: { template: 'Hello' } }, /prompt\.template/],
  ['an unknown option', { options: { speed: 'high' } }, /targets\.big\.options: .*speed/],
  ['an option of the wrong kind', { options: { suffix: 3 } }, /targets\.big\.options\.suffix/],
  ["an option of Azure's", { options: { trainingType: 'standard' } }, /trainingType/],
  ...['model', 'training_file', 'validation_file', 'method', 'hyperparameters', 'seed', 'suffix', 'rows'].map(
    (field): [string, Partial<RunSpec>, RegExp] => [
      `native.${field}`,
      { native: { [field]: 'x' } },
      new RegExp(`targets\\.big\\.native\\.${field}`),
    ],
  ),
  ['our key in metadata', { native: { metadata: { orchestrate_key: 'x' } } }, /native\.metadata\.orchestrate_key/],
  ['our attempt in metadata', { native: { metadata: { orchestrate_attempt: '1' } } }, /native\.metadata\.orchestrate_attempt/],
  ['metadata that is no text', { native: { metadata: { team: 3 } } }, /native\.metadata: expected an object of strings/],
  ['metadata that is null', { native: { metadata: null } }, /native\.metadata/],
])('%s is refused', (_, spec, message) => {
  let error: unknown;
  try {
    openai.training.translate(toInput(spec));
  } catch (thrown) {
    error = thrown;
  }
  expect(isFailure(error, 'job-file-invalid')).toBe(true);
  expect((error as Error).message).toMatch(message);
});

test('a raw field that Azure has an option for is refused there', () => {
  expect(() => azure.training.translate(toInput({ native: { trainingType: 'standard' } }))).toThrow(/native\.trainingType/);
});

test.each<[string, Partial<RunSpec>, RegExp]>([
  ['too many epochs', { training: { epochs: 51 } }, /n_epochs from 1 to 50, and is sent 51/],
  ['too large a batch', { training: { batchSize: 257 } }, /batch_size from 1 to 256, and is sent 257/],
  ['too large a beta', { task: 'preference', training: { beta: 2.5 } }, /a beta above 0, at most 2, and is sent 2.5/],
  ['too long a suffix', { options: { suffix: 'x'.repeat(65) } }, /suffix of at most 64 characters, and is sent 65/],
  ['too much metadata', { native: { metadata: Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, ''])) } }, /14 pairs/],
  ['a long value', { native: { metadata: { team: 'x'.repeat(513) } } }, /values of at most 512 characters, and is sent one of 513/],
  ['hours', { budget: { usd: null, hours: 2 } }, /no limit of time/],
  ['an undated model', { model: { kind: 'service', name: 'gpt-4.1-mini' } }, /no date in its name.*"gpt-4\.1-mini-2025-04-14"/],
  ['an unknown model', { model: { kind: 'service', name: 'gpt-9' } }, /not known to be one that can be tuned/],
  [
    'a model without preferences',
    { task: 'preference', model: { kind: 'service', name: 'gpt-4o-2024-08-06' } },
    /not known to learn by the method "dpo"/,
  ],
])('%s is a warning, and the service decides', (_, spec, message) => {
  expect(toWarnings(spec).filter((warning) => message.test(warning))).toHaveLength(1);
});

test('a usual job brings only the warning about the last day of training', () => {
  const training = { epochs: 50, batchSize: 256, learningRate: { multiplier: 100 } };
  expect(toWarnings({ training, options: { suffix: 'x'.repeat(64) } })).toEqual([
    expect.stringMatching(/no organization can create fine-tuning jobs from 2027-01-06/),
  ]);
});

test('fewer than ten rows are a warning', () => {
  const few = toInput({}, { facts: { ...facts, train: { ...facts.train, rows: 9 } } });
  expect(openai.training.translate(few).notes).toContainEqual({
    type: 'warning',
    message: expect.stringContaining('at least 10 training rows') as string,
  });
});

test('Azure has dates of its own', () => {
  const warnings = toWarnings({ model: { kind: 'service', name: 'gpt-4o-2024-08-06.ft-0a1b-x' } }, azure);
  expect(warnings).toContainEqual(expect.stringMatching(/"gpt-4o-2024-08-06" can no longer be trained from 2027-04-01 on/));
});

test('a default suffix is cut to what the service allows', () => {
  const { request } = openai.training.translate(toInput({ job: 'j'.repeat(32), target: 't'.repeat(32) }));
  expect((request as CreateRequest).suffix).toBe(`${'j'.repeat(32)}-${'t'.repeat(31)}`);
});
