import { expect, test } from 'vitest';
import { detectFormat, formats } from '../../src/import/import-config.ts';
import { parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';
import { changesTraining } from '../../src/import/unmatched.ts';

const base = { model_name_or_path: 'owner/name', dataset: 'identity' };

function parse(settings: object = {}, info: object | null = null): ImportedJob {
  const context = {
    file: 'c.yaml',
    exists: (path: string): boolean => info !== null && path === '../../data/dataset_info.json',
    readJson: (path: string): unknown => (path === '../../data/dataset_info.json' ? info : null),
  };
  return parseConfig(formats.llamafactory, { ...base, ...settings }, context);
}

function getNote(job: ImportedJob, path: string): string | null | undefined {
  return job.notes.find((note) => note.path === path)?.text;
}

test('the settings of an example, and what a job has no place for', () => {
  const job = parse({
    stage: 'sft',
    do_train: true,
    finetuning_type: 'lora',
    lora_rank: 4,
    lora_target: 'all',
    dataset: 'identity,alpaca_en_demo',
    template: 'llama3',
    cutoff_len: 1024,
    max_samples: 1000,
    per_device_train_batch_size: 1,
    gradient_accumulation_steps: 8,
    learning_rate: 1e-4,
    num_train_epochs: 3,
    lr_scheduler_type: 'cosine',
    warmup_ratio: 0.1,
    val_size: 0.1,
    train_on_prompt: true,
    output_dir: 'saves/llama3-8b/lora/sft',
    bf16: true,
  });
  expect(job).toMatchObject({
    name: 'sft',
    task: 'chat',
    data: { train: ['./data/identity.json', './data/alpaca_en_demo.json'], validation: { fraction: 0.1 } },
    target: { provider: 'huggingface', model: 'hub:owner/name' },
  });
  expect(job.training).toEqual({
    method: 'sft',
    epochs: 3,
    learningRate: 1e-4,
    maxLength: 1024,
    batchSize: 8,
    schedule: 'cosine',
    warmupRatio: 0.1,
    adapter: { type: 'lora', rank: 4 },
    loss: 'all',
  });
  expect(getNote(job, 'max_samples')).toContain(changesTraining);
  expect(getNote(job, 'dataset')).toContain('check the names of the files');
  expect(job.notes.find(({ kind, path }) => kind === 'absent' && path === 'lora_alpha')?.value).toBe(8);
});

test('datasets as dataset_info.json has them, above the folder of the configuration', () => {
  const info = {
    mine: { file_name: 'mine.jsonl', ranking: true, columns: { prompt: 'question', chosen: 'good', rejected: 'bad' } },
    hub: { hf_hub_url: 'a/b', subset: 'c' },
  };
  const job = parse({ stage: 'dpo', dataset: ['mine', 'hub'], eval_dataset: 'hub', pref_beta: 0.2, pref_loss: 'orpo' }, info);
  expect(job.data).toEqual({
    train: ['../../data/mine.jsonl', 'hub:a/b#c/train'],
    validation: ['hub:a/b#c/train'],
    columns: { prompt: 'question', chosen: 'good', rejected: 'bad' },
  });
  expect(job).toMatchObject({ task: 'preference', training: { method: 'dpo', beta: 0.2, adapter: { type: 'lora', rank: 8 } } });
  expect(getNote(job, 'pref_loss')).toContain(changesTraining);
  const shared = { chats: { file_name: 'chats.json', formatting: 'sharegpt', columns: { messages: 'messages' } } };
  expect(parse({ dataset: 'chats' }, shared).data).toEqual({ train: '../../data/chats.json', columns: { messages: 'messages' } });
});

test.each([
  [{ finetuning_type: 'full' }, { adapter: { type: 'full' } }],
  [{ finetuning_type: 'freeze' }, { adapter: undefined }],
  [{ stage: 'pt' }, { method: 'sft', loss: undefined }],
  [{ train_on_prompt: false }, { loss: 'answer' }],
])('%j trains %j', (settings, training) => {
  expect({ adapter: undefined, loss: undefined, ...parse(settings).training }).toMatchObject(training);
});

test.each([
  [{ stage: 'ppo' }, 'stage: expected one of sft, dpo, pt'],
  [{ stage: 'kto' }, 'stage: expected one of sft, dpo, pt'],
  [{ dataset: undefined }, 'dataset: expected the names of datasets'],
  [{ dataset: '../../etc/passwd,a b' }, 'dataset: expected names of datasets'],
  [{ val_size: 0.1, eval_dataset: 'x' }, 'val_size: expected either val_size or eval_dataset'],
])('%j is refused', (settings, message) => {
  expect(() => parse(settings)).toThrow(message);
});

test('files are told by their keys', () => {
  expect(detectFormat({ ...base, finetuning_type: 'lora', stage: 'sft' }, 'f')).toBe('llamafactory');
  expect(detectFormat({ ...base, cutoff_len: 1, template: 'qwen' }, 'f')).toBe('llamafactory');
  expect(detectFormat({ model_name_or_path: 'a', dataset_name: 'b' }, 'f')).toBe('trl');
});
