import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { isFailure } from '../../../src/errors.ts';
import { buildBody, canaryKey, createContext, key, providers, services, toInput, type ServiceId } from './fixture.ts';

const origin = 'https://service.example';
const baseUrl = `${origin}/v1`;
const jobs = '/v1/fine_tuning/jobs';
const now = '2026-11-22T12:00:00.000Z';

beforeAll(() => {
  nock.disableNetConnect();
});
afterEach(() => {
  const unasked = nock.pendingMocks();
  nock.cleanAll();
  if (unasked.length > 0) throw new Error(`nobody asked for ${unasked.join(', ')}`);
});
afterAll(() => {
  nock.enableNetConnect();
  nock.restore();
});

const toAttempt = (attempt = 1): Attempt => createContext(origin, { attempt, now: () => new Date(now) });
const wire = buildBody(toInput(), openai, { attempt: 2 });

/** Creates a job; the service must have been asked for exactly this one. */
async function createAnswered(status: number, answer: nock.Body): Promise<JobRef | SubmitFailure> {
  nock(origin).post(jobs, JSON.stringify(wire)).matchHeader('authorization', `Bearer ${canaryKey}`).reply(status, answer);
  return await openai.training.create(wire, toAttempt(2)).catch((error: unknown) => {
    if (error instanceof SubmitFailure) return error;
    throw error;
  });
}

const whole = { id: 'ftjob-1', object: 'fine_tuning.job', created_at: 1_763_812_800, training_file: 'file-1', metadata: {} };
const { metadata: _metadata, ...withoutMetadata } = whole;
const { created_at: _time, ...withoutTime } = whole;
const { training_file: _file, ...withoutFile } = whole;
const { object: _object, ...withoutObject } = whole;

// A job that was made is paid: an answer that lacks a field must not make it one of which nobody knows whether it is there.
test.each([
  ['everything', whole, '2025-11-22T12:00:00.000Z'],
  ['no metadata', withoutMetadata, '2025-11-22T12:00:00.000Z'],
  ['no time', withoutTime, now],
  ['no training file', withoutFile, '2025-11-22T12:00:00.000Z'],
  ['no kind of object', withoutObject, '2025-11-22T12:00:00.000Z'],
  ['its id alone', { id: 'ftjob-1' }, now],
  ['nothing but nulls beside its id', { id: 'ftjob-1', object: null, created_at: null, training_file: null, metadata: null }, now],
  ['fields of other kinds', { id: 'ftjob-1', created_at: 'soon', training_file: 3, metadata: ['x'], method: 'dpo' }, now],
  ['fields that nobody knows', { ...whole, priority: { lane: 'fast' }, eval_id: null }, '2025-11-22T12:00:00.000Z'],
])('an answer with %s is a created job', async (_, answer, createdAt) => {
  expect(await createAnswered(200, answer)).toEqual({
    provider: 'openai',
    id: 'ftjob-1',
    location: baseUrl,
    attempt: 2,
    createdAt,
    url: null,
  });
});

test('201 is a success too', async () => {
  expect(await createAnswered(201, whole)).toMatchObject({ id: 'ftjob-1' });
});

test.each<[string, nock.Body]>([
  ['nothing', {}],
  ['an empty id', { ...whole, id: '' }],
  ['an id that is a number', { ...whole, id: 7 }],
  ['a list', { object: 'list', data: [whole] }],
  ['a file', { id: 'file-1', object: 'file' }],
  ['a text', '"ftjob-1"'],
  ['null', 'null'],
  ['words', 'done'],
])('a create that is answered with %s has perhaps made a job', async (_, answer) => {
  const error = await createAnswered(200, answer);
  expect(error).toMatchObject({ sent: 'unknown', failure: { code: 'response-invalid' } });
});

/** Bodies of a refusal that are not as the service's description has them, with what may be known of the request. */
const oddErrors: readonly (readonly [nock.Body, 'refused' | 'unknown', RegExp])[] = [
  [{ error: 'no seats left' }, 'refused', /\(400\): .*no seats left/],
  [{ error: { message: 'no' } }, 'refused', /\(400\): no$/],
  [{ error: { message: 'no', code: 17, type: ['x'], param: {} } }, 'refused', /: no$/],
  [{ error: { message: `the key ${canaryKey} may not`, code: null } }, 'refused', /the key \[secret\] may not/],
  [{ error: { message: 'x'.repeat(10_000) } }, 'refused', /x{100}…$/],
  [{ error: { code: 'bad' } }, 'unknown', /no reason|JSON error/],
  [{ error: null }, 'unknown', /no reason|JSON error/],
  [{ error: [] }, 'unknown', /no reason|JSON error/],
  [{ statusCode: 400, message: 'no' }, 'refused', /: no$/], // what stands in front of Azure
  [{ detail: [{ loc: ['body', 'model'], msg: 'field required' }] }, 'unknown', /no reason|JSON error/],
  ['[]', 'unknown', /no reason|JSON error/],
  ['Bad Request', 'unknown', /no reason|JSON error/],
  ['', 'unknown', /no reason|JSON error/],
];

test.each(oddErrors)('a refusal in the words %j is %s', async (answer, sent, message) => {
  const error = (await createAnswered(400, answer)) as SubmitFailure;
  expect(error).toMatchObject({ sent, failure: { message: expect.stringMatching(message) as string } });
  expect(error.failure.message).toMatch(
    /^POST https:\/\/service\.example\/v1\/fine_tuning\/jobs: the service (?:refused the request|answered with an error) \(400\): /,
  );
  expect(JSON.stringify(error.failure)).not.toMatch(/undefined|\[object|canary/);
  expect(error.failure.message.length).toBeLessThan(700);
});

test('find takes jobs that lack what nobody needs', async () => {
  nock(origin)
    .get(jobs)
    .query(true)
    .reply(200, { data: [{ id: 'a' }, { id: 'b', metadata: { orchestrate_key: key } }] });
  const ids = async (): Promise<string[]> =>
    (await openai.training.find({}, [{ trainingFile: 'file-1', validationFile: null }], toAttempt())).map(({ id }) => id);
  expect(await ids()).toEqual(['b']);
  nock(origin)
    .get(jobs)
    .query(true)
    .reply(200, { data: [{ id: 'c', training_file: 'file-1' }], has_more: null, first_id: 7, total: '1' });
  expect(await ids()).toEqual(['c']);
});

// A file that is gone for sure is the proof that no job can come of it.
test.each<[number, nock.Body | undefined, string]>([
  [204, undefined, 'is taken'],
  [200, { id: 'file-1', object: 'file', deleted: true }, 'is taken'],
  [200, { deleted: true }, 'is taken'],
  [200, '', 'is not taken'],
  [200, 'null', 'is not taken'],
  [200, {}, 'is not taken'],
  [202, { status: 'deleting' }, 'is not taken'],
])('a deletion that is answered with %i %j %s for one', async (status, answer, end) => {
  nock(origin).delete('/v1/files/file-1').reply(status, answer);
  const ended = await openai.training.fence!({ trainingFile: 'file-1', validationFile: null }, toAttempt()).then(
    () => 'is taken',
    (error: unknown) => (isFailure(error, 'response-invalid') ? 'is not taken' : error),
  );
  expect(ended).toBe(end);
});

const base = { id: 'ftjob-1', status: 'running', model: 'gpt-4.1-mini-2025-04-14', created_at: 1_763_812_800 };
const ref: JobRef = { provider: 'openai', id: 'ftjob-1', location: baseUrl, attempt: 1, createdAt: now, url: null };

/** One look at a job of a service that answers so. */
async function look(
  answers: { readonly job?: object; readonly events?: nock.Body; readonly checkpoints?: nock.Body } = {},
  service: ServiceId = 'openai',
): Promise<Observation<unknown>> {
  const { job = {}, events = { data: [] }, checkpoints = { data: [] } } = answers;
  const path = service === 'azure' ? '/openai/v1/fine_tuning/jobs' : jobs;
  nock(origin)
    .get(`${path}/ftjob-1`)
    .reply(200, { ...base, ...job })
    .get(`${path}/ftjob-1/checkpoints`)
    .query(true)
    .reply(200, checkpoints)
    .get(`${path}/ftjob-1/events`)
    .query(true)
    .reply(200, events);
  const location = service === 'azure' ? `${origin}/openai/v1` : baseUrl;
  return await providers[service].training.observe({ ...ref, provider: service, location }, null, toAttempt());
}

describe.each(services)('%s', (service) => {
  test.each(['pausing_soon', 'Running', 'RUNNING', ' running', 'done', 'deleted', 'hasOwnProperty'])(
    'the word "%s" is unknown, which is no end',
    async (status) => {
      expect(await look({ job: { status } }, service)).toMatchObject({
        status: { phase: 'unknown', raw: status },
        failure: null,
        finishedAt: null,
      });
    },
  );

  test.each<[string, object]>([
    ['no settings at all', {}],
    ['nulls', { hyperparameters: null, method: null, seed: null }],
    ['a method without its settings', { method: { type: 'supervised', supervised: null } }],
    ['a method without a name', { method: { type: null, supervised: { hyperparameters: { n_epochs: 3 } } } }],
    ['a method of another name', { method: { type: 'distillation', supervised: { hyperparameters: { n_epochs: 3 } } } }],
    ['settings that the service has not chosen yet', { hyperparameters: { n_epochs: 'auto', batch_size: null } }],
    ['texts', { hyperparameters: 'auto', method: 'supervised', seed: '7' }],
  ])('%s are no settings that were used', async (_, job) => {
    expect((await look({ job }, service)).notes).toEqual([]);
  });

  test('settings stand inside the method or outside, and the inner ones count', async () => {
    const method = { type: 'supervised', supervised: { hyperparameters: { n_epochs: 4 } } };
    const { notes } = await look({ job: { hyperparameters: { n_epochs: 3, batch_size: 8 }, method, seed: 7 } }, service);
    expect(notes).toEqual([
      { type: 'defaulted', field: 'training.seed', value: 7 },
      { type: 'defaulted', field: 'training.epochs', value: 4 },
      { type: 'defaulted', field: 'training.batchSize', value: 8 },
    ]);
  });

  test('events of kinds that nobody knows are lines of the log, and what is no event is left out', async () => {
    const time = base.created_at;
    const { logs, metrics, startedAt } = await look(
      {
        events: {
          data: [
            { id: 'e5', created_at: time + 5, level: 'debug', type: 'moderation_checks', message: 'Policy checked', data: { step: 'x' } },
            { id: 'e4', created_at: time + 4, level: null, type: null, message: null, data: 'text' },
            { id: 'e3', level: 'info', message: 'without a time' },
            { created_at: time, message: 'without an id' },
            null,
            'text',
            { id: 'e2', created_at: time + 2, object: 'tomorrow.event', message: 'Step 1/2: something else', extra: [1] },
          ],
          has_more: false,
        },
      },
      service,
    );
    expect(logs.map(({ text }) => text)).toEqual(['Step 1/2: something else', '', 'debug: Policy checked']);
    expect({ metrics, startedAt }).toEqual({ metrics: [], startedAt: null });
  });

  test('checkpoints without a step, a model or measures', async () => {
    const time = base.created_at;
    const data = [
      { id: 'c4', created_at: time, step_number: 4, metrics: { train_loss: 0.5, step: 4, note: 'x', valid_loss: null } },
      { id: 'c3', created_at: time, step_number: 3, metrics: null, fine_tuned_model_checkpoint: null },
      { id: 'c2', created_at: time, step_number: '2', metrics: { train_loss: 1 } },
      { id: 'c1', created_at: time },
      { id: 'c0', step_number: 0 },
    ];
    const { metrics, checkpoint } = await look({ checkpoints: { data } }, service);
    expect(metrics.map(({ step, source }) => [step, source])).toEqual([[4, 'checkpoint train_loss']]);
    expect(checkpoint).toBe(4);
  });
});

test.each<[string, nock.Body]>([
  ['no status', { ...base, status: null }],
  ['no model', { id: 'ftjob-1', status: 'running' }],
  ['an error with status 200', { error: { message: 'no' } }],
  ['a list', { data: [base] }],
])('an answer with %s is no job: nothing is made up', async (_, answer) => {
  nock(origin).get(`${jobs}/ftjob-1`).reply(200, answer);
  const error: unknown = await openai.training.observe(ref, null, toAttempt()).catch((thrown: unknown) => thrown);
  expect(isFailure(error, 'response-invalid')).toBe(true);
});

test('jobs of the account without times, and models with odd fields, are listed', async () => {
  const model = { id: 'ft:gpt-4.1-mini-2025-04-14:me:a:1', created: 'soon', shutdown_date: 20_270_101, capabilities: 3, deprecation: 'x' };
  nock(origin)
    .get('/v1/models')
    .times(2)
    .reply(200, { data: [model] })
    .get(jobs)
    .query(true)
    .reply(200, { data: [{ id: 'ftjob-1', status: 'of_tomorrow', model: 'gpt-9', fine_tuned_model: 5, organization_id: null }] });
  expect(await Array.fromAsync(openai.account!.models!(toAttempt()))).toMatchObject([{ name: model.id, kind: 'tuned', createdAt: null }]);
  expect(await Array.fromAsync(openai.account!.jobs!(toAttempt()))).toMatchObject([
    { job: { id: 'ftjob-1' }, status: { phase: 'unknown', raw: 'of_tomorrow' }, model: null, end: null },
  ]);
});
