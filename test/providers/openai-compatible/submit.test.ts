import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import type { CreateBody, Prepared } from '../../../providers/openai-compatible/request.ts';
import type { Failure } from '../../../src/errors.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { configs, canaryKey, createSandboxFixture, key, services, toInput, type SandboxFixture } from './fixture.ts';
import { startService, toJobRef, type Answer, type ReceivedRequest } from './service.ts';

interface Ready {
  readonly prepared: Prepared;
  readonly wire: CreateBody;
  readonly context: Attempt;
}

async function makeReady(fixture: SandboxFixture, attempt = 1, runKey = key): Promise<Ready> {
  const context = fixture.toAttempt(runKey, attempt);
  const { translate, prepare, bind } = fixture.provider.training;
  const { request } = translate(toInput());
  const prepared = (await prepare(request, context)) as Prepared;
  return { prepared, wire: bind(request, prepared, runKey, attempt) as CreateBody, context };
}

test.each(services)('%s: a job is created once, and found by its key', async (service) => {
  await using fixture = await createSandboxFixture({ service });
  const { prepared, wire, context } = await makeReady(fixture);
  const job = await fixture.provider.training.create(wire, context);
  expect(job).toMatchObject({ provider: service, location: configs[service].baseUrl(context), attempt: 1, url: null });
  expect(Date.parse(job.createdAt)).toBeLessThanOrEqual(context.now().getTime());
  expect(Date.parse(job.createdAt)).toBeGreaterThan(context.now().getTime() - 60_000);
  expect(await fixture.provider.training.find({}, [prepared], context)).toEqual([job]);
  expect(await fixture.provider.training.find({}, [], fixture.toAttempt('z'.repeat(32)))).toEqual([]);
  const account = fixture.sandbox.account(canaryKey);
  expect(account.bill).toHaveLength(1);
  expect(account.violations).toEqual([]);
  expect(account.jobs[0]).toMatchObject({
    metadata: { orchestrate_key: key, orchestrate_attempt: '1' },
    training_file: prepared.trainingFile,
  });
});

test('a job among pages of others is found, whichever page it stands on', async () => {
  await using fixture = await createSandboxFixture({ pageSize: 2, settings: { otherJobs: 5 } });
  const first = await makeReady(fixture);
  const job = await fixture.provider.training.create(first.wire, first.context);
  for (let i = 0; i < 4; i++) {
    const { wire, context } = await makeReady(fixture, 1, `other${i}`);
    await fixture.provider.training.create(wire, context);
  }
  expect(await fixture.provider.training.find({}, [first.prepared], first.context)).toEqual([job]);
});

test.each([
  ['drop-before', 'unknown', 0],
  ['drop-after', 'unknown', 1],
  ['500-before', 'unknown', 0],
  ['500-after', 'unknown', 1],
  ['cut', 'unknown', 1],
  ['html', 'unknown', 1],
  ['html-before', 'unknown', 0],
  ['429', 'limited', 0],
] as const)('a create that ends with "%s" is %s, is sent once, and leaves %i jobs', async (type, sent, jobs) => {
  await using fixture = await createSandboxFixture();
  const { prepared, wire, context } = await makeReady(fixture);
  fixture.sandbox.setFaults({ create: [{ type }] }, canaryKey);
  const error = await fixture.provider.training.create(wire, context).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubmitFailure);
  expect(error).toMatchObject({ sent });
  expect(fixture.sandbox.account(canaryKey).used.create).toBe(1);
  expect(await fixture.provider.training.find({}, [prepared], context)).toHaveLength(jobs);
});

test.each([
  ['training_not_available', 'refused', 'training-unavailable', /local/],
  ['model_not_available', 'refused', 'model-unavailable', /gpt-4\.1-mini-2025-04-14/],
  ['insufficient_quota', 'refused', 'quota-exhausted', /credit/],
  ['invalid_api_key', 'refused', 'credentials-invalid', /key/],
  ['rate_limit_exceeded', 'limited', 'rate-limited', null],
  ['server_error', 'unknown', 'service-unavailable', null],
] as const)('a create that is refused with %s is %s: %s', async (refuse, sent, code, hint) => {
  await using fixture = await createSandboxFixture();
  const { wire, context } = await makeReady(fixture);
  fixture.sandbox.setSettings({ refuse }, canaryKey);
  const error = (await fixture.provider.training.create(wire, context).catch((thrown: unknown) => thrown)) as SubmitFailure;
  expect(error).toMatchObject({ sent, failure: { code } });
  expect(error.failure.hint ?? '').toMatch(hint ?? /^$/);
  expect(fixture.sandbox.account(canaryKey).bill).toEqual([]);
});

test('after an abort nothing is sent', async () => {
  await using fixture = await createSandboxFixture();
  const { wire } = await makeReady(fixture);
  await expect(fixture.provider.training.create(wire, fixture.toAttempt(key, 1, AbortSignal.abort()))).rejects.toMatchObject({
    sent: 'no',
  });
  expect(fixture.sandbox.account(canaryKey).used.create).toBeUndefined();
});

test('without a key nothing is sent', async () => {
  await using fixture = await createSandboxFixture();
  const { wire } = await makeReady(fixture);
  const context: Attempt = { ...fixture.toAttempt(), credential: () => null };
  await expect(fixture.provider.training.create(wire, context)).rejects.toMatchObject({
    sent: 'no',
    failure: { code: 'credentials-invalid' },
  });
});

test.each(['html', 'html-before', 'cut', '500-after', 'drop-after'] as const)(
  'a list that ends with "%s" is no list without jobs',
  async (type) => {
    await using fixture = await createSandboxFixture();
    const { prepared, wire, context } = await makeReady(fixture);
    await fixture.provider.training.create(wire, context);
    fixture.sandbox.setFaults({ list: Array.from({ length: 9 }, () => ({ type })) }, canaryKey);
    await expect(fixture.provider.training.find({}, [prepared], context)).rejects.toThrow(/GET/);
  },
);

test.each(services)('%s: a fenced attempt can no longer be created, the next one can', async (service) => {
  await using fixture = await createSandboxFixture({ service });
  const first = await makeReady(fixture);
  await fixture.provider.training.fence!(first.prepared, first.context);
  await fixture.provider.training.fence!(first.prepared, first.context);
  await expect(fixture.provider.training.create(first.wire, first.context)).rejects.toMatchObject({ sent: 'refused' });
  const next = await makeReady(fixture, 2);
  expect(next.prepared.trainingFile).not.toBe(first.prepared.trainingFile);
  await expect(fixture.provider.training.create(next.wire, next.context)).resolves.toMatchObject({ attempt: 2 });
});

test.each(services)('%s: discard deletes what was uploaded, and may be repeated', async (service) => {
  const { facts } = toInput();
  await using fixture = await createSandboxFixture({ service, facts: { ...facts, validation: facts.train } });
  const { prepared, context } = await makeReady(fixture);
  expect(prepared.validationFile).not.toBe(null);
  expect(fixture.sandbox.account(canaryKey).files).toHaveLength(2);
  await fixture.provider.training.discard!(prepared, context);
  await fixture.provider.training.discard!(prepared, context);
  expect(fixture.sandbox.account(canaryKey).files).toEqual([]);
});

test('a fence without an answer is no fence', async () => {
  await using fixture = await createSandboxFixture();
  const { prepared, context } = await makeReady(fixture);
  for (const type of ['html-before', 'drop-before', '500-before', '429'] as const) {
    fixture.sandbox.setFaults({ delete: [{ type }] }, canaryKey);
    await expect(fixture.provider.training.fence!(prepared, context)).rejects.toThrow(/DELETE/);
  }
  expect(fixture.sandbox.account(canaryKey).files).toHaveLength(1);
});

test('the key is in no error, no file and no answer', async () => {
  await using fixture = await createSandboxFixture();
  const { prepared, wire, context } = await makeReady(fixture);
  const seen: unknown[] = [prepared, wire];
  const collect = async (call: Promise<unknown>): Promise<void> => void seen.push(await call.catch((error: unknown) => error));
  for (const type of ['cut', 'html', '500-before', 'drop-before', '429'] as const) {
    const faults = [{ type }, { type }, { type }, { type }];
    fixture.sandbox.setFaults({ create: faults, list: faults, delete: faults, upload: faults, file: faults }, canaryKey);
    await collect(fixture.provider.training.create(wire, context));
    await collect(fixture.provider.training.find({}, [prepared], context));
    await collect(fixture.provider.training.fence!(prepared, context));
    await collect(makeReady(fixture));
  }
  const shown = inspect(seen, { depth: Infinity, maxStringLength: Infinity, showHidden: true });
  expect(shown).not.toContain(canaryKey);
  expect(shown).not.toContain(Buffer.from(canaryKey).toString('base64').replace(/=+$/, ''));
  expect(readFileSync(join(context.workDir, 'train.jsonl'), 'utf8')).not.toContain(canaryKey);
});

function toJob(id: string, change: object = {}): object {
  return {
    id,
    object: 'fine_tuning.job',
    created_at: 1_763_812_800,
    status: 'running',
    training_file: 'file-other',
    metadata: null,
    ...change,
  };
}

const mine = toJob('ftjob-mine', { metadata: { orchestrate_key: key, orchestrate_attempt: '3' } });
const byFile = toJob('ftjob-file', { training_file: 'file-mine' });

const mineOnly = { trainingFile: 'file-mine', validationFile: null };

async function findAt(answer: (request: ReceivedRequest) => object): Promise<{ ids: string[]; asked: number }> {
  await using service = await startService((request) => ({ body: answer(request) }));
  const jobs = await openai.training.find({}, [mineOnly], service.createContext());
  return { ids: jobs.map(({ id }) => id), asked: service.requests.length };
}

test('a service may ignore the filter: only our jobs are taken, also one that has lost its metadata', async () => {
  const list = {
    object: 'list',
    data: [toJob('ftjob-1'), mine, byFile, toJob('ftjob-2', { metadata: { orchestrate_key: 'other' } })],
    has_more: false,
  };
  expect(await findAt(() => list)).toEqual({ ids: ['ftjob-mine', 'ftjob-file'], asked: 1 });
});

test('the filter is asked for, and every page read', async () => {
  const pages = [[toJob('ftjob-1')], [toJob('ftjob-1'), toJob('ftjob-2')], [mine]];
  const paths: string[] = [];
  const { ids } = await findAt(({ path, query }) => {
    paths.push(`${path}?${decodeURIComponent(query.toString())}`);
    return { object: 'list', data: pages[paths.length - 1], has_more: paths.length < pages.length };
  });
  expect(ids).toEqual(['ftjob-mine']);
  expect(paths).toEqual([
    `/v1/fine_tuning/jobs?limit=100&metadata[orchestrate_key]=${key}`,
    `/v1/fine_tuning/jobs?limit=100&after=ftjob-1&metadata[orchestrate_key]=${key}`,
    `/v1/fine_tuning/jobs?limit=100&after=ftjob-2&metadata[orchestrate_key]=${key}`,
  ]);
});

test.each([
  ['the same page for ever', { object: 'list', data: [mine], has_more: true }],
  ['empty pages for ever', { object: 'list', data: [], has_more: true }],
  ['no list', { error: null }],
  ['a text', 'please log in'],
  ['jobs without ids', { object: 'list', data: [{}], has_more: false }],
])('%s is no complete list', async (_, answer) => {
  await expect(findAt(() => answer as object)).rejects.toMatchObject({ code: 'response-invalid' });
});

// Portkey gave milliseconds where the service gives seconds.
test.each([
  [1_763_812_800, '2025-11-22T12:00:00.000Z'],
  [1_763_812_800_000, '2025-11-22T12:00:00.000Z'],
  [null, '2026-11-22T12:00:00.000Z'],
  ['soon', '2026-11-22T12:00:00.000Z'],
  [Number.MAX_SAFE_INTEGER, '2026-11-22T12:00:00.000Z'],
])('a job created at %s was created at %s', async (createdAt, time) => {
  await using service = await startService(() => ({
    body: { data: [toJob('a', { training_file: 'file-mine', created_at: createdAt })] },
  }));
  const context = service.createContext({ attempt: 2, now: () => new Date('2026-11-22T12:00:00Z') });
  expect(await openai.training.find({}, [mineOnly], context)).toEqual([
    { provider: 'openai', id: 'a', location: `${service.url}/v1`, attempt: 2, createdAt: time, url: null },
  ]);
});

test.each([
  [404, { error: { message: 'No such File object: file-mine', code: null } }, 'resolves'],
  [404, { error: { message: 'Unknown request URL: DELETE /files/file-mine', code: 'unknown_url' } }, 'rejects'],
  [404, { detail: 'Not Found' }, 'rejects'],
  [403, { error: { message: 'You have insufficient permissions', code: null } }, 'rejects'],
  [200, { id: 'file-mine', deleted: false }, 'rejects'],
  [200, { id: 'file-mine', deleted: true }, 'resolves'],
])('a fence answered with %i %o %s', async (status, json, end) => {
  await using service = await startService(() => ({ status, body: json }));
  const ended = await openai.training.fence!(mineOnly, service.createContext()).then(
    () => 'resolves',
    () => 'rejects',
  );
  expect(ended).toBe(end);
  expect(service.requests).toMatchObject([{ method: 'DELETE', path: '/v1/files/file-mine' }]);
});

/** The failures of a create and of a read that are answered so. */
async function refuse(answer: Answer): Promise<{ created: SubmitFailure; read: Failure }> {
  await using service = await startService(() => answer);
  const context = service.createContext();
  const [created, read] = await Promise.allSettled([
    openai.training.create({ model: 'm' }, context),
    openai.training.observe(toJobRef(service), null, context),
  ]);
  return { created: (created as PromiseRejectedResult).reason as SubmitFailure, read: (read as PromiseRejectedResult).reason as Failure };
}

test.each([
  [403, { message: 'winding down', code: 'training_not_available' }, 'refused', 'training-unavailable', /2027-01-06/],
  [400, { message: 'no such model', code: 'model_not_available' }, 'refused', 'model-unavailable', /dated name/],
  [404, { message: 'no such model', code: 'model_not_found' }, 'refused', 'model-unavailable', /dated name/],
  [429, { message: 'quota', code: 'insufficient_quota', type: 'insufficient_quota' }, 'refused', 'quota-exhausted', /credit/],
  [400, { message: 'hard limit', code: 'billing_hard_limit_reached' }, 'refused', 'quota-exhausted', /credit/],
  [401, { message: 'bad key', code: 'invalid_api_key' }, 'refused', 'credentials-invalid', /revoked/],
  [401, { message: 'Access denied', code: '401' }, 'refused', 'credentials-invalid', /revoked/],
  [403, { message: 'insufficient permissions', code: null }, 'refused', 'credentials-invalid', /write permission/],
  [400, { message: 'bad seed', code: 'invalid_value' }, 'refused', 'request-refused', null],
  [429, { message: 'slow down', code: 'rate_limit_exceeded' }, 'limited', 'rate-limited', null],
  [500, { message: 'no such model', code: 'model_not_found' }, 'unknown', 'service-unavailable', null],
  [409, { message: 'conflict', code: 'training_not_available' }, 'unknown', 'service-unavailable', null],
  [401, { message: `Incorrect API key provided: ${canaryKey}.`, code: 'invalid_api_key' }, 'refused', 'credentials-invalid', /revoked/],
] as const)('%i %o is %s: %s', async (status, error, sent, code, hint) => {
  const { created, read } = await refuse({ status, body: { error } });
  expect(created).toMatchObject({ sent, failure: { code } });
  const words = error.message.replace(canaryKey, '\\[secret\\]');
  const message = new RegExp(
    `^POST http://127.*/v1/fine_tuning/jobs: the service (?:refused the key|refused the request|answered with an error) \\(${status}\\): ${words}$`,
  );
  expect(created.failure.message).toMatch(message);
  expect(created.failure.hint ?? '').toMatch(hint ?? /^$/);
  expect(read).toMatchObject({ code, status, hint: created.failure.hint });
});
