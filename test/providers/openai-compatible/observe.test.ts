import { expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import type { OpenAICursor } from '../../../providers/openai-compatible/observe.ts';
import { isFailure } from '../../../src/errors.ts';
import { canaryKey, createdAt } from './fixture.ts';
import { startJob, toStepEvent } from './service.ts';

const finishedAt = createdAt + 300;
const end = { status: 'succeeded', fine_tuned_model: 'ft:gpt-4.1-mini-2025-04-14:me:a:1', finished_at: finishedAt, trained_tokens: 12_000 };
const toKeys = (metrics: readonly { split: string; name: string; coverage: string; step: number | null; source: string }[]): string[] =>
  metrics.map(({ split, name, coverage, step, source }) => `${step} ${split} ${name} ${coverage}: ${source}`);

test('a running job: progress, metrics, log, start', async () => {
  await using fixture = await startJob({
    estimated_finish: createdAt + 720,
    seed: 7,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, batch_size: 'auto' } } },
  });
  fixture.state.events = [
    toStepEvent(10, 60, {
      train_loss: 0.25,
      train_mean_token_accuracy: 0.9,
      valid_loss: 0.5,
      full_valid_loss: 0.6,
      reward_margin: 2,
      note: 'x',
      step_time: null,
    }),
    { id: 'e2', created_at: createdAt + 50, level: 'warn', message: 'Fine-tuning job started', type: 'message', data: {} },
    { id: 'e1', created_at: createdAt, level: 'info', message: 'Created fine-tuning job', type: 'message' },
  ];
  const seen = await fixture.look();
  expect(seen.status).toEqual({ phase: 'running', raw: 'running' });
  expect(seen.progress).toEqual({ step: 10, steps: 20, epoch: 1, etaSeconds: 120, rowsPerSecond: null, loss: 0.25 });
  expect(toKeys(seen.metrics)).toEqual([
    '10 train loss batch: event train_loss',
    '10 train mean_token_accuracy batch: event train_mean_token_accuracy',
    '10 validation loss batch: event valid_loss',
    '10 validation loss full: event full_valid_loss',
    '10 train x/reward_margin unreported: event reward_margin',
  ]);
  expect(seen.metrics[0]).toMatchObject({ value: 0.25, epoch: null, at: '2026-11-22T12:01:00.000Z' });
  expect(seen.logs).toEqual([
    { at: '2026-11-22T12:00:00.000Z', text: 'Created fine-tuning job' },
    { at: '2026-11-22T12:00:50.000Z', text: 'warn: Fine-tuning job started' },
    { at: '2026-11-22T12:01:00.000Z', text: 'Step 10/20: training loss=0.5' },
  ]);
  expect(seen).toMatchObject({
    startedAt: '2026-11-22T12:00:50.000Z',
    finishedAt: null,
    failure: null,
    artifacts: [],
    cost: null,
    nextInMs: null,
  });
  expect(seen.notes).toEqual([
    { type: 'defaulted', field: 'training.seed', value: 7 },
    { type: 'defaulted', field: 'training.epochs', value: 2 },
  ]);
  Object.assign(fixture.state.job, {
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, learning_rate_multiplier: 1.8 } } },
  });
  const next = await fixture.look(seen.cursor);
  expect(next.notes).toEqual([{ type: 'defaulted', field: 'training.learningRate', value: { multiplier: 1.8 } }]);
  expect(next).toMatchObject({ metrics: [], logs: [], startedAt: '2026-11-22T12:00:50.000Z', progress: { step: 10, loss: 0.25 } });
});

test('an old event has its step in words, and none of its numbers twice', async () => {
  await using fixture = await startJob();
  fixture.state.events = [
    { id: 'e', created_at: createdAt, message: 'Step 3/9: training loss=0.5', type: 'metrics', data: { train_loss: 0.5 } },
  ];
  const seen = await fixture.look();
  expect(toKeys(seen.metrics)).toEqual(['3 train loss batch: event train_loss']);
  expect(seen.progress).toMatchObject({ step: 3, steps: 9, epoch: null, etaSeconds: null });
});

test('new events, new checkpoints and the result file are reported, each once, with where they are from', async () => {
  await using fixture = await startJob();
  const { state } = fixture;
  const checkpoint = (step: number, metrics: object): Record<string, unknown> => ({
    id: `ckpt-${step}`,
    created_at: createdAt + step,
    step_number: step,
    fine_tuned_model_checkpoint: `ft:x:ckpt-step-${step}`,
    metrics: { step, ...metrics },
  });
  state.events = [toStepEvent(2, 2)];
  state.checkpoints = [checkpoint(4, { train_loss: 0.3, full_valid_loss: 0.5 })];
  const first = await fixture.look();
  expect(toKeys(first.metrics)).toEqual([
    '2 train loss batch: event train_loss',
    '4 train loss batch: checkpoint train_loss',
    '4 validation loss full: checkpoint full_valid_loss',
  ]);
  expect(first.checkpoint).toBe(4);
  state.events = [toStepEvent(4, 4, { train_loss: 0.3, valid_loss: 0.4 }), ...state.events];
  const second = await fixture.look(first.cursor);
  expect(toKeys(second.metrics)).toEqual(['4 train loss batch: event train_loss', '4 validation loss batch: event valid_loss']);
  Object.assign(state.job, end, { result_files: ['file-1'] });
  state.files['file-1'] = 'step,train_loss,valid_loss\n1,0.9,\n2,0.5,0.6\n3,0.4,\n4,0.3,0.4\n6,0.2,\n';
  state.checkpoints.unshift(checkpoint(2, { train_loss: 0.5 }));
  const third = await fixture.look(second.cursor);
  const inFile = ['1 train', '2 train', '2 validation', '3 train', '4 train', '4 validation', '6 train'].map(
    (text) => `${text} loss batch: result file ${text.includes('valid') ? 'valid' : 'train'}_loss`,
  );
  expect(toKeys(third.metrics)).toEqual(['2 train loss batch: checkpoint train_loss', ...inFile]);
  expect(new Set([first, third].flatMap(({ metrics }) => metrics.map(({ origin }) => origin)))).toEqual(
    new Set(['event', 'checkpoint', 'result-file']),
  );
  expect(third.logs.map(({ text }) => text)).toEqual([
    'the weights of step 2 answer as ft:x:ckpt-step-2',
    'the weights of step 4 answer as ft:x:ckpt-step-4',
  ]);
  expect(third.metrics.at(-1)?.at).toBe('2026-11-22T12:05:00.000Z');
  state.events = [toStepEvent(6, 6), toStepEvent(8, 8), ...state.events];
  const fourth = await fixture.look(third.cursor);
  expect(toKeys(fourth.metrics), 'an event that comes after the file').toEqual([
    '8 train loss batch: event train_loss',
    '6 train loss batch: event train_loss',
  ]);
  expect(fourth).toMatchObject({ artifacts: [], notes: [] });
});

test('a success: artifact and cost, once', async () => {
  await using fixture = await startJob(end);
  const seen = await fixture.look();
  const { location } = fixture.ref;
  expect(seen.artifacts).toEqual([
    {
      kind: 'endpoint',
      uri: `openai:${end.fine_tuned_model}`,
      sha256: null,
      model: {
        kind: 'endpoint',
        identity: `${location} ${end.fine_tuned_model}`,
        location,
        name: end.fine_tuned_model,
        base: 'gpt-4.1-mini-2025-04-14',
      },
    },
  ]);
  expect(seen.cost?.usd).toBeCloseTo(0.06, 12);
  expect(seen.cost?.source).toMatch(/^12000 trained tokens at \$5 per 1M tokens \(.*2026-11-22\)$/);
  expect(seen.finishedAt).toBe('2026-11-22T12:05:00.000Z');
  expect((await fixture.look(seen.cursor)).artifacts).toEqual([]);
});

test.each([
  ['an unknown model', { model: 'gpt-9' }],
  ['preferences', { method: { type: 'dpo' } }],
  ['no tokens', { trained_tokens: null }],
])('no cost is made up for %s', async (_, change) => {
  await using fixture = await startJob({ ...end, ...change });
  expect((await fixture.look()).cost).toBeNull();
});

test.each([-1, 0.5, 2 ** 60, '12000'])('%j trained tokens are none: the cost is not known, which is noted once', async (trained_tokens) => {
  await using fixture = await startJob({ ...end, trained_tokens });
  const first = await fixture.look();
  expect(first.cost).toBeNull();
  expect(first.notes).toContainEqual({ type: 'warning', message: expect.stringContaining('trained tokens, which is no number') as string });
  expect((await fixture.look(first.cursor)).notes).toEqual([]);
});

test('"succeeded" without a model is no end, and may become a failure', async () => {
  await using fixture = await startJob({ ...end, fine_tuned_model: null });
  const first = await fixture.look();
  expect(first.status).toEqual({ phase: 'finalizing', raw: 'succeeded' });
  expect(first).toMatchObject({ artifacts: [], finishedAt: null, failure: null });
  expect(first.notes).toEqual([{ type: 'warning', message: expect.stringContaining('names no model') as string }]);
  const second = await fixture.look(first.cursor);
  expect(second.notes).toEqual([]);
  Object.assign(fixture.state.job, { status: 'failed', error: { code: 'unsafe_model', message: 'blocked', param: null } });
  const third = await fixture.look(second.cursor);
  expect(third.status.phase).toBe('failed');
  expect(third.failure?.message).toBe('OpenAI: the job has failed: blocked (unsafe_model)');
});

test.each([
  [
    { code: 'invalid_training_file', message: 'line 3', param: 'training_file' },
    'data-invalid',
    'data',
    'line 3 (invalid_training_file, training_file)',
  ],
  [{ code: 'invalid_n_examples', message: 'too few', param: null }, 'data-invalid', 'data', 'too few (invalid_n_examples)'],
  [{ code: 'exceeded_quota', message: 'no money' }, 'quota-exhausted', 'quota', 'no money (exceeded_quota)'],
  [{ code: 'server_error', message: 'oops' }, 'service-unavailable', 'provider', 'oops (server_error)'],
  [{ code: 'constructor', message: 'x' }, 'service-unavailable', 'provider', 'x (constructor)'],
  [null, 'service-unavailable', 'provider', 'it does not say why'],
  ['text', 'service-unavailable', 'provider', 'it does not say why'],
])('a failed job says why: %j', async (error, code, cause, said) => {
  await using fixture = await startJob({ status: 'failed', error, finished_at: finishedAt });
  expect((await fixture.look()).failure).toMatchObject({ code, cause, message: `OpenAI: the job has failed: ${said}` });
});

// Peers take unknown words for "queued" and poll for ever, a job that is being cancelled for cancelled, a paused one for queued.
test.each([
  ['openai', 'validating_files', 'validating'],
  ['openai', 'queued', 'queued'],
  ['openai', 'paused', 'paused'],
  ['openai', 'pausing', 'paused'],
  ['openai', 'cancelled', 'cancelled'],
  ['openai', 'created', 'unknown'],
  ['azure', 'created', 'queued'],
  ['azure', 'pending', 'queued'],
  ...['Stopping', 'CANCELLING', 'EXPIRED', 'PAUSED', 'RE_QUEUEING', 'constructor', '__proto__', ''].map(
    (word) => ['openai', word, 'unknown'] as const,
  ),
] as const)('at %s the word "%s" is "%s"', async (id, word, phase) => {
  await using fixture = await startJob({ status: word }, id);
  expect((await fixture.look()).status).toEqual({ phase, raw: word });
});

// A peer gives milliseconds where seconds are defined, and NaN (null in JSON) for a job that runs.
test('times in milliseconds, and none', async () => {
  await using fixture = await startJob({ ...end, finished_at: finishedAt * 1000 });
  fixture.state.events = [{ id: 'e', created_at: createdAt * 1000, message: 'Fine-tuning job started' }];
  expect(await fixture.look()).toMatchObject({ finishedAt: '2026-11-22T12:05:00.000Z', startedAt: '2026-11-22T12:00:00.000Z' });
  Object.assign(fixture.state.job, { finished_at: null, estimated_finish: Number.MAX_VALUE });
  expect(await fixture.look()).toMatchObject({ finishedAt: null, progress: null });
});

test('Azure may tell no hyperparameters, and calls its models otherwise', async () => {
  await using fixture = await startJob(
    {
      ...end,
      model: 'gpt-4.1-mini-2025-04-14',
      fine_tuned_model: 'gpt-4.1-mini-2025-04-14.ft-0a1b-x',
      hyperparameters: null,
      method: null,
      seed: null,
    },
    'azure',
  );
  const seen = await fixture.look();
  expect(seen.notes).toEqual([]);
  expect(seen.artifacts[0]).toMatchObject({ uri: 'azure:gpt-4.1-mini-2025-04-14.ft-0a1b-x', model: { base: 'gpt-4.1-mini-2025-04-14' } });
  expect(seen.cost, 'Azure has other prices').toBeNull();
});

test('a result file that is gone is noted and waited for no longer', async () => {
  await using fixture = await startJob({ ...end, result_files: ['file-gone'] });
  const seen = await fixture.look();
  expect(seen.status.phase).toBe('succeeded');
  expect(seen.notes).toEqual([
    { type: 'warning', message: expect.stringMatching(/the result file cannot be read: GET .*no such file/) as string },
  ]);
  expect((await fixture.look(seen.cursor)).notes).toEqual([]);
});

test('a job at another place is not asked for', async () => {
  await using fixture = await startJob();
  const job = { ...fixture.ref, location: 'https://other.example/v1' };
  const failure = await openai.training.observe(job, null, fixture.service.createContext()).catch((error: unknown) => error);
  expect(isFailure(failure, 'configuration-invalid') && failure.message).toBe(
    `OpenAI: expected the address of the job ftjob-1, https://other.example/v1, found ${fixture.ref.location}`,
  );
  expect(fixture.service.requests).toEqual([]);
});

test('a key that the service repeats is in nothing that is reported', async () => {
  await using fixture = await startJob({ status: 'failed', error: { code: 'x', message: `bad key ${canaryKey}` } });
  fixture.state.events = [{ id: 'e', created_at: createdAt, message: `key ${canaryKey}` }];
  expect(JSON.stringify(await fixture.look())).not.toContain(canaryKey);
});

test('what is stored between looks stays small', async () => {
  await using fixture = await startJob();
  let cursor: OpenAICursor | null = null;
  for (let step = 1; step <= 300; step++) fixture.state.events.unshift(toStepEvent(step, step));
  cursor = (await fixture.look(cursor)).cursor;
  expect(JSON.stringify(cursor).length).toBeLessThan(500);
});
