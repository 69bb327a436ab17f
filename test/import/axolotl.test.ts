import { expect, test } from 'vitest';
import { detectFormat, formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';
import { changesTraining } from '../../src/import/unmatched.ts';

const base = { base_model: 'owner/name', datasets: [{ path: 'owner/rows', type: 'alpaca' }], learning_rate: 2e-4 };

function parse(settings: object = {}): ImportedJob {
  return parseConfig(formats.axolotl, { ...base, ...settings }, { file: 'c.yml' });
}

function getNote(job: ImportedJob, path: string): string | null | undefined {
  return job.notes.findLast((note) => note.path === path)?.text;
}

test('the settings of an example, and what a job has no place for', () => {
  const job = parse({
    load_in_4bit: true,
    datasets: [
      { path: 'owner/rows', type: 'alpaca' },
      { path: 'rows.json', ds_type: 'json', type: 'chat_template', field_messages: 'talk' },
    ],
    val_set_size: 0.05,
    output_dir: './outputs/qlora-out',
    sequence_len: 4096,
    sample_packing: true,
    adapter: 'qlora',
    lora_model_dir: null,
    lora_r: 32,
    lora_alpha: 16,
    lora_dropout: 0.05,
    lora_target_linear: true,
    gradient_accumulation_steps: 4,
    micro_batch_size: 2,
    num_epochs: 4,
    optimizer: 'adamw_torch',
    lr_scheduler: 'cosine',
    warmup_steps: 10,
    evals_per_epoch: 4,
    train_on_inputs: false,
    special_tokens: { pad_token: 'x' },
  });
  expect(job).toMatchObject({
    name: 'qlora-out',
    task: 'chat',
    data: { train: ['hub:owner/rows#default/train', './rows.json'], validation: { fraction: 0.05 } },
    target: { provider: 'huggingface', model: 'hub:owner/name' },
  });
  expect(job.training).toEqual({
    method: 'sft',
    epochs: 4,
    learningRate: 2e-4,
    maxLength: 4096,
    batchSize: 8,
    schedule: 'cosine',
    adapter: { type: 'lora', rank: 32, alpha: 16, dropout: 0.05 },
    loss: 'answer',
  });
  for (const path of ['load_in_4bit', 'sample_packing', 'adapter', 'warmup_steps']) expect(getNote(job, path)).toContain(changesTraining);
  expect(getNote(job, 'optimizer')).toContain('usual');
  expect(job.notes.map(({ text }) => text)).not.toContain('an unknown setting');
});

test('preferences, texts, and rows of a form of their own', () => {
  const dpo = parse({ rl: 'dpo', rl_beta: 0.2, datasets: [{ path: 'a/b', split: 'train', field_messages: 'talk', field_chosen: 'good' }] });
  expect(dpo).toMatchObject({
    task: 'preference',
    data: { train: 'hub:a/b#default/train', columns: { prompt: 'talk', chosen: 'good' } },
    training: { method: 'dpo', beta: 0.2 },
  });
  const texts = parse({ datasets: [{ path: 'rows.jsonl', type: 'completion', field: 'body' }] });
  expect(texts).toMatchObject({ task: 'text', data: { train: './rows.jsonl', columns: { text: 'body' } } });
  const own = parse({ datasets: [{ path: 'a/b', type: { field_instruction: 'x' } }] });
  expect(getNote(own, 'datasets.0.type')).toContain('data convert');
  const tested = parse({ test_datasets: [{ path: 'test.jsonl', ds_type: 'json', type: 'alpaca' }], early_stopping_patience: 3 });
  expect(tested).toMatchObject({ data: { validation: ['./test.jsonl'] }, training: { earlyStopping: { patience: 3, minDelta: 0 } } });
});

test.each([
  [{ rl: 'orpo' }, 'rl: expected dpo, or nothing'],
  [{ reward_model: true }, 'reward_model: expected false'],
  [{ datasets: [] }, 'datasets: expected a list of datasets'],
  [{ datasets: ['a/b'] }, 'datasets.0: expected an object with "path"'],
])('%j is refused', (settings, message) => {
  expect(() => parse(settings)).toThrow(message);
});

test('files are told by their keys', () => {
  expect(detectFormat(base, 'f')).toBe('axolotl');
  expect(detectFormat({ base_model: 'a', task: 'llm-sft', params: {}, data: {} }, 'f')).toBe('autotrain');
});
