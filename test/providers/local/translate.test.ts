import { expect, test } from 'vitest';
import { local } from '../../../providers/local/index.ts';
import { isFailure } from '../../../src/errors.ts';
import { isDifference, type Note } from '../../../src/provider/note.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';

const plan = toMemoryPlan();
const spec: RunSpec = { ...plan.spec, provider: 'local', model: { kind: 'folder', path: '/models/bert' } };
const model = { base: '/models/bert', revision: 'r'.repeat(64), maxLength: 64 };

function translate(change: Partial<RunSpec>): { request: unknown; notes: readonly Note[] } {
  return local.training.translate({ spec: { ...spec, ...change }, facts: plan.facts, model, key: plan.key });
}

function findFailure(change: Partial<RunSpec>): string {
  try {
    translate(change);
  } catch (error) {
    if (isFailure(error, 'job-file-invalid')) return error.message;
    throw error;
  }
  throw new Error('translated');
}

test('a field that the job leaves out has a default, and a note says so', () => {
  const { request, notes } = translate({});
  expect(request).toEqual({
    backend: 'wasm',
    model: { folder: '/models/bert', revision: model.revision, labels: ['no', 'yes'], maxLength: 64 },
    training: {
      epochs: 3,
      steps: null,
      batchSize: 16,
      microBatchSize: 16,
      learningRate: 5e-5,
      schedule: 'linear',
      warmupRatio: 0,
      weightDecay: 0,
      maxGradNorm: 1,
      select: 'last',
      seed: 42,
      checkpointSteps: null,
    },
    name: 'job/a',
  });
  expect(new Set(notes.map(({ type }) => type))).toEqual(new Set(['defaulted']));
});

test('every field that is written ends in a note', () => {
  const training: RunSpec['training'] = {
    method: 'sft',
    steps: 7,
    batchSize: 8,
    learningRate: { multiplier: 2 },
    schedule: 'cosine',
    warmupRatio: 0.5,
    weightDecay: 0.1,
    maxGradNorm: 2,
    beta: 0.1,
    adapter: { type: 'head' },
    loss: 'answer',
    select: 'best',
    maxLength: 512,
    seed: 1,
  };
  const { request, notes } = translate({ training, prompt: { system: 'x' } });
  for (const field of Object.keys(training)) {
    const of = notes
      .filter((note) => note.type !== 'defaulted' && note.type !== 'warning')
      .filter((note) => note.field === `training.${field}`);
    expect(of.map((note) => note.field)).toEqual([`training.${field}`]);
  }
  expect(notes.filter(isDifference).map((note) => (note.type === 'warning' ? '' : `${note.type} ${note.field}`))).toEqual([
    'unsupported training.learningRate',
    'unsupported training.beta',
    'unsupported training.adapter',
    'unsupported training.loss',
    'converted training.maxLength',
    'unsupported prompt',
  ]);
  expect(request).toMatchObject({ model: { maxLength: 64 }, training: { steps: 7, epochs: null, seed: 1, learningRate: 5e-5 } });
});

test('options choose the backend and the rows per forward pass', () => {
  expect(translate({ options: { backend: 'cpu', microBatchSize: 4 } }).request).toMatchObject({
    backend: 'cpu',
    training: { microBatchSize: 4 },
  });
  expect(translate({ options: { microBatchSize: 400 } }).request).toMatchObject({ training: { microBatchSize: 16 } });
});

test.each<[Partial<RunSpec>, string]>([
  [{ task: 'chat' }, 'expects the task "classification", found "chat"'],
  [{ model: { kind: 'service', name: 'gpt-4o-mini' } }, 'expects a folder such as'],
  [{ native: { fp16: true } }, 'targets.a.native.fp16: the local trainer has no fields of its own'],
  [{ options: { backend: 'cuda' } }, 'targets.a.options.backend'],
])('%j is refused', (change, message) => {
  expect(findFailure(change)).toContain(message);
});
