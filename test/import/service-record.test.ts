import { expect, test } from 'vitest';
import { buildJobSpec, type ImportedJob } from '../../src/import/imported-job.ts';
import { parseRecord, type RecordContext } from '../../src/import/service-record.ts';
import { checkJob } from '../../src/job/read-job-file.ts';

const context: RecordContext = { provider: 'openai', id: 'ftjob-Ab1', hasTrain: true, hasValidation: false, rows: null };
const record = {
  object: 'fine_tuning.job',
  id: 'ftjob-Ab1',
  model: 'gpt-4.1-mini-2025-04-14',
  training_file: 'file-1',
  validation_file: null,
  fine_tuned_model: null,
  seed: 7,
  status: 'succeeded',
  integrations: [],
  metadata: null,
  method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3, batch_size: 1, learning_rate_multiplier: 1.8 } } },
  hyperparameters: { n_epochs: 3, batch_size: 1, learning_rate_multiplier: 1.8 },
};

function parse(change: object, more: Partial<RecordContext> = {}): ImportedJob {
  const job = parseRecord({ ...record, ...change }, { ...context, ...more })!;
  expect(checkJob(buildJobSpec(job)).problems).toEqual([]);
  return job;
}

const used = { epochs: 3, batchSize: 1, learningRate: { multiplier: 1.8 } };

test.each([
  ['as jobs are now', {}, { method: 'sft', ...used, seed: 7 }],
  ['of before there were methods', { method: undefined }, { method: 'sft', ...used, seed: 7 }],
  ['of Azure, which may tell none', { method: { type: 'supervised' }, hyperparameters: null }, { method: 'sft', seed: 7 }],
  [
    'that has not begun to train',
    { method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 'auto', batch_size: null } } } },
    { method: 'sft', seed: 7 },
  ],
  [
    'of preferences',
    { method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.1, n_epochs: 2 } } }, hyperparameters: {} },
    { method: 'dpo', epochs: 2, beta: 0.1, seed: 7 },
  ],
])('the record of a job %s', (_, change, training) => {
  expect(parse(change)).toMatchObject({ source: 'the job ftjob-Ab1 of openai', training, data: { train: './train.jsonl' } });
  expect(parse(change).training).toEqual(training);
});

test.each([
  [{ user_provided_suffix: 'My Model' }, 'my-model', 'My Model'],
  [{ fine_tuned_model: 'ft:gpt-4.1-mini-2025-04-14:org:theirs:Ab1' }, 'theirs', 'theirs'],
  [{ fine_tuned_model: 'gpt-4.1-mini-2025-04-14.ft-0a1b2c-theirs-2' }, 'theirs-2', 'theirs-2'],
  [{ fine_tuned_model: 'ft:gpt-4.1-mini-2025-04-14:org::Ab1' }, 'ftjob-ab1', undefined],
  [{}, 'ftjob-ab1', undefined],
])('the name of %j is %s', (change, name, suffix) => {
  const job = parse(change);
  expect([job.name, job.target.options?.['suffix']]).toEqual([name, suffix]);
});

test('what reaches the job file is what the service keeps of the job, and nothing of ours', () => {
  const job = parse(
    {
      metadata: { team: 'search', orchestrate_key: 'k' },
      integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
      trainingType: 'globalStandard',
    },
    { provider: 'azure' },
  );
  expect(job.target).toEqual({
    name: 'azure',
    provider: 'azure',
    model: record.model,
    options: { trainingType: 'globalStandard' },
    native: { metadata: { team: 'search' }, integrations: [{ type: 'wandb', wandb: { project: 'p' } }] },
  });
});

test('the task is what the rows are, and a validation file that is gone is no part of the job', () => {
  const job = parse({ validation_file: 'file-2' }, { rows: { task: 'preference', classes: null }, hasTrain: false });
  expect(job).toMatchObject({ task: 'preference', data: { train: './train.jsonl' } });
  expect(job.data).not.toHaveProperty('validation');
  const notes = job.notes.filter(({ path }) => path.endsWith('_file')).map(({ path, kind, text }) => [path, kind, text]);
  expect(notes).toEqual([
    ['training_file', 'converted', 'no longer at the service: put the rows here'],
    ['validation_file', 'unmatched', 'no longer at the service: without it nothing is measured while training'],
  ]);
});

test('reinforcement has no equal, and other providers are not understood', () => {
  const method = { type: 'reinforcement', reinforcement: { grader: {} } };
  expect(() => parse({ method })).toThrow('the job ftjob-Ab1: method.type: expected "supervised" or "dpo", found "reinforcement"');
  expect(parseRecord(record, { ...context, provider: 'other' })).toBeNull();
  expect(parseRecord('text', context)).toBeNull();
});
