import { expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';

function parse(body: object = {}): ImportedJob {
  return parseConfig(formats.together, { model: 'Qwen/Qwen2.5-7B-Instruct', training_file: 'file-1', ...body }, { file: 'b.json' });
}

function toNote(job: ImportedJob, path: string) {
  return job.notes.find((note) => note.path === path);
}

test('rows per step; "max" is no number', () => {
  expect(parse({ batch_size: 8, gradient_accumulation_steps: 4 }).training.batchSize).toBe(32);
  expect(parse({ batch_size: 8 }).training.batchSize).toBe(8);
  const most = parse({ batch_size: 'max', gradient_accumulation_steps: 4 });
  expect(most.training.batchSize).toBeUndefined();
  expect(toNote(most, 'batch_size')).toMatchObject({ kind: 'unmatched', value: 'max' });
  expect(toNote(most, 'gradient_accumulation_steps')).toMatchObject({ kind: 'unmatched', value: 4 });
  expect(toNote(parse(), 'batch_size')).toMatchObject({ kind: 'absent', value: 'max' });
});

test.each([
  [{ training_method: { method: 'sft', train_on_inputs: true } }, 'all'],
  [{ training_method: { method: 'sft', train_on_inputs: false } }, 'answer'],
  [{ training_method: { method: 'sft', train_on_inputs: 'auto' } }, undefined],
  [{ train_on_inputs: true }, 'all'],
  [{ train_on_inputs: true, training_method: { method: 'sft', train_on_inputs: false } }, 'answer'],
  [{}, undefined],
])('the loss of %j: %s', (body, loss) => {
  expect(parse(body).training.loss).toBe(loss);
});

test('adapters', () => {
  const adapter = (training_type: unknown) => parse({ training_type }).training.adapter;
  expect(adapter({ type: 'Lora', lora_r: 8, lora_alpha: 16, lora_dropout: 0, lora_trainable_modules: 'q,v' })).toEqual({
    type: 'lora',
    rank: 8,
    alpha: 16,
    dropout: 0,
    targets: ['q', 'v'],
  });
  expect(adapter({ type: 'Full' })).toEqual({ type: 'full' });
  expect(adapter({ type: 'Lora' })).toBeUndefined();
  expect(adapter(undefined)).toBeUndefined();
  expect(toNote(parse(), 'training_type')).toMatchObject({ kind: 'absent', field: 'training.adapter' });
});

test('an absolute rate, a course and a preference', () => {
  const job = parse({
    learning_rate: 1e-5,
    lr_scheduler: { lr_scheduler_type: 'linear', lr_scheduler_args: { min_lr_ratio: 0.1 } },
    training_method: { method: 'dpo', dpo_beta: 0.2, simpo_gamma: 1 },
  });
  expect(job).toMatchObject({ task: 'preference', training: { method: 'dpo', learningRate: 1e-5, schedule: 'linear', beta: 0.2 } });
  expect(toNote(job, 'lr_scheduler.lr_scheduler_args')).toMatchObject({ kind: 'unmatched', value: { min_lr_ratio: 0.1 } });
  expect(toNote(job, 'training_method.simpo_gamma')?.text).toMatch(/^changes what is trained/);
});

test.each([
  [{ training_file: 7 }, 'b.json: training_file: expected a text, found 7'],
  [{ batch_size: 'most' }, 'b.json: batch_size: expected a number, found "most"'],
  [{ training_method: { method: 'kto' } }, 'b.json: training_method.method: expected "sft" or "dpo", found "kto"'],
  [{ training_method: {} }, 'b.json: training_method.method: expected "sft" or "dpo", found nothing'],
  [{ training_type: { type: 'Half' } }, 'b.json: training_type.type: expected "Full" or "Lora", found "Half"'],
  [{ training_type: 'Lora' }, 'b.json: training_type: expected an object, found "Lora"'],
  [{ lr_scheduler: 'cosine' }, 'b.json: lr_scheduler: expected an object, found "cosine"'],
  [{ train_on_inputs: 'sometimes' }, 'b.json: train_on_inputs: expected true or false, found "sometimes"'],
  [{ n_epochs: 0 }, 'b.json: n_epochs: expected a number above 0, found 0'],
])('refused: %j', (body, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'data-invalid', message: expect.stringContaining(message) }));
});
