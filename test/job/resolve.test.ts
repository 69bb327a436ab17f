import { expect, test } from 'vitest';
import { Failure } from '../../src/errors.ts';
import { JobSpec } from '../../src/job/job-spec.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { resolveTarget } from '../../src/job/resolve.ts';

const job = (change: object = {}): JobSpec =>
  JobSpec.parse({
    version: 1,
    name: 'job',
    task: 'classification',
    data: { train: ['./a.jsonl', 'hub:owner/rows'], test: { one: '../one.csv', two: ['/two.tsv'] } },
    training: { epochs: 3, seed: 7, learningRate: 1e-3 },
    targets: { local: { model: './model' } },
    ...change,
  });

test('paths are taken from the job file, and the provider is the target’s name where none is given', () => {
  const spec = resolveTarget(job(), 'local', '/jobs');
  expect(spec.provider).toBe('local');
  expect(spec.model).toEqual({ kind: 'folder', path: '/jobs/model' });
  expect(spec.data.train).toEqual(['/jobs/a.jsonl', 'hub:owner/rows']);
  expect(spec.data.test).toEqual({ one: ['/one.csv'], two: ['/two.tsv'] });
  expect(spec.data.columns).toEqual({ text: 'text', label: 'label' });
});

test('columns of labels take the place of the list, and a test set may have the list', () => {
  const test = { own: { files: './own.csv', columns: { labels: 'topics' } } };
  const data = { train: './a.csv', test, columns: { text: 'body', labels: ['late', 'bill'] } };
  const spec = resolveTarget(job({ task: 'multi-label', data }), 'local', '/');
  expect(spec.data.columns).toEqual({ text: 'body', 'labels.late': 'late', 'labels.bill': 'bill' });
  expect(spec.data.testColumns).toEqual({ own: { text: 'body', labels: 'topics' } });
});

test('a target’s fields are required, the job’s are optional, and null removes one', () => {
  const targets = { local: { model: './model', training: { epochs: 1, learningRate: null } } };
  const spec = resolveTarget(job({ targets }), 'local', '/');
  expect(spec.training).toEqual({ epochs: 1, seed: 7 });
  expect(spec.requirements).toEqual(['epochs']);
});

test('strict makes all training fields required', () => {
  expect(resolveTarget(job({ strict: true }), 'local', '/').requirements).toEqual(['epochs', 'learningRate', 'seed']);
});

test('steps under a target take the place of the job’s epochs', () => {
  const targets = { local: { model: './model', training: { steps: 5 } } };
  expect(resolveTarget(job({ targets }), 'local', '/').training).toEqual({ steps: 5, seed: 7, learningRate: 1e-3 });
});

test.each([
  ['classification', 'accuracy'],
  ['chat', 'exact_match'],
  ['preference', 'none'],
])('the default measure of the task %s is %s', (task, measure) => {
  expect(resolveTarget(job({ task }), 'local', '/').evaluation.measure).toBe(measure);
  expect(resolveTarget(job({ task, evaluation: { measure: 'own' } }), 'local', '/').evaluation.measure).toBe('own');
});

test('references are in every target, with paths from the job file', () => {
  const references = {
    old: { predictions: './old.jsonl' },
    own: { command: ['python', 'answer.py'] },
    ft: { provider: 'openai', model: 'ft:gpt' },
    folder: { provider: 'local', model: '../model' },
  };
  expect(resolveTarget(job({ references }), 'local', '/jobs').references).toEqual({
    old: { predictions: '/jobs/old.jsonl' },
    own: { command: ['python', 'answer.py'], folder: '/jobs' },
    ft: { provider: 'openai', model: 'ft:gpt' },
    folder: { provider: 'local', model: '/model' },
  });
  expect(resolveTarget(job(), 'local', '/jobs').references).toEqual({});
});

test('every target of the full example resolves', async () => {
  const { spec, folder } = await readJobFile('fixtures/example/job.jsonc');
  const resolved = Object.keys(spec.targets).map((target) => resolveTarget(spec, target, folder));
  expect(resolved.map(({ provider }) => provider)).toEqual(['local', 'openai', 'huggingface']);
  expect(resolved.map(({ model }) => model.kind)).toEqual(['folder', 'service', 'hub']);
  expect(resolved[1]!.training.learningRate).toEqual({ multiplier: 1 });
  expect(resolved[1]!.requirements).toEqual(['method', 'learningRate']);
});

test('an unknown target is a usage error that names the known ones', () => {
  const resolve = (): unknown => resolveTarget(job(), 'cloud', '/');
  expect(resolve).toThrow(new Failure('usage', 'job "job" has no target "cloud"; it has: local'));
});
