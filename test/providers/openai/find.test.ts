import { expect, test } from 'vitest';
import { fence, find } from '../../../providers/openai/submit.ts';
import { startRecordingServer, type RecordedRequest } from './recording-server.ts';
import { createSandboxFixture, dialects, key } from './fixture.ts';

const { openai } = dialects;
const prepared = { trainingFile: 'file-mine', validationFile: null };

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

async function findAt(answer: (request: RecordedRequest) => object): Promise<{ ids: string[]; asked: number }> {
  await using server = await startRecordingServer((request) => ({ json: answer(request) }));
  await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: `${server.url}/v1` } });
  const jobs = await find(openai, [prepared], fixture.toAttempt());
  return { ids: jobs.map(({ id }) => id), asked: server.requests.length };
}

test('of a service that ignores the filter only our jobs are taken, also one that has lost its metadata', async () => {
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
  const { ids } = await findAt(({ path }) => {
    paths.push(decodeURIComponent(path));
    return { object: 'list', data: pages[paths.length - 1], has_more: paths.length < pages.length };
  });
  expect(ids).toEqual(['ftjob-mine']);
  expect(paths).toEqual([
    `/v1/fine_tuning/jobs?limit=100&metadata[orchestrate_key]=${key}`,
    `/v1/fine_tuning/jobs?limit=100&metadata[orchestrate_key]=${key}&after=ftjob-1`,
    `/v1/fine_tuning/jobs?limit=100&metadata[orchestrate_key]=${key}&after=ftjob-2`,
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
  await using server = await startRecordingServer(() => ({
    json: { data: [toJob('a', { training_file: 'file-mine', created_at: createdAt })] },
  }));
  await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: `${server.url}/v1` } });
  expect(await find(openai, [prepared], fixture.toAttempt(key, 2))).toEqual([
    { provider: 'openai', id: 'a', location: `${server.url}/v1`, attempt: 2, createdAt: time, url: null },
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
  await using server = await startRecordingServer(() => ({ status, json }));
  await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: `${server.url}/v1` } });
  const ended = await fence(openai, prepared, fixture.toAttempt()).then(
    () => 'resolves',
    () => 'rejects',
  );
  expect(ended).toBe(end);
  expect(server.requests).toMatchObject([{ method: 'DELETE', path: '/v1/files/file-mine' }]);
});
