import { createRepo, downloadFile, uploadFiles, whoAmI } from '@huggingface/hub';
import { expect, test } from 'vitest';
import type { Fault, RequestKind } from '../../../src/sandbox/faults.ts';
import { openHubFixture } from './hub-world.ts';
import { lookAt, startJob } from './jobs-world.ts';

interface Outcome {
  readonly fault: Fault;
  /** What the client makes of it. */
  readonly outcome: unknown;
  readonly jobs: number;
}

const dropped: unknown = expect.objectContaining({ message: 'fetch failed' });

test.each<Outcome>([
  { fault: { type: 'ok' }, outcome: expect.any(String), jobs: 1 },
  { fault: { type: 'drop-before' }, outcome: dropped, jobs: 0 },
  { fault: { type: 'drop-after' }, outcome: dropped, jobs: 1 },
  { fault: { type: '500-before' }, outcome: expect.objectContaining({ statusCode: 500 }), jobs: 0 },
  { fault: { type: '500-after' }, outcome: expect.objectContaining({ statusCode: 500 }), jobs: 1 },
  { fault: { type: '429', retryAfterSeconds: 12 }, outcome: expect.objectContaining({ statusCode: 429 }), jobs: 0 },
  { fault: { type: 'cut' }, outcome: expect.objectContaining({ message: 'terminated' }), jobs: 1 },
  { fault: { type: 'html' }, outcome: expect.any(SyntaxError), jobs: 1 },
  { fault: { type: 'html-before' }, outcome: expect.any(SyntaxError), jobs: 0 },
])('a creation of a job that meets $fault.type', async ({ fault, outcome, jobs }) => {
  const fixture = await openHubFixture({ faults: { 'job-create': [fault] } });
  const { hubUrl, accessToken } = fixture.hub;
  const plain = { ...fixture, hub: { hubUrl, accessToken, fetch } };
  expect(await startJob(plain).catch((error: unknown) => error)).toEqual(outcome);
  expect(fixture.account().bill).toHaveLength(jobs);
  await startJob(plain);
  expect(fixture.account().bill).toHaveLength(jobs + 1);
});

test('429 says in the words of the Hub when to come back', async () => {
  const { ask } = await openHubFixture({ faults: { 'job-list': [{ type: '429', retryAfterSeconds: 12 }] } });
  const answer = await ask('GET', '/api/jobs/rehearsal');
  expect([answer.status, answer.headers.get('ratelimit'), await answer.json()]).toEqual([
    429,
    '"api";r=0;t=12',
    { error: 'Too Many Requests' },
  ]);
});

test('a late job comes after its client has gone', async () => {
  const fixture = await openHubFixture({ faults: { 'job-create': [{ type: 'late', ms: 1000 }] } });
  const late = startJob({
    ...fixture,
    hub: { ...fixture.hub, fetch: async (input, init) => await fetch(input, { ...init, signal: AbortSignal.timeout(100) }) },
  });
  await expect(late).rejects.toThrow('aborted due to timeout');
  expect(fixture.account().hub.jobs).toEqual([]);
  fixture.sandbox.step(1000);
  await whoAmI(fixture.hub);
  expect(fixture.account().hub.jobs).toMatchObject([{ createdAt: '2026-11-01T00:00:01.000Z' }]);
});

test('each kind of request has faults of its own', async () => {
  const kinds = [
    'whoami',
    'repo-create',
    'preupload',
    'lfs-batch',
    'lfs-upload',
    'commit',
    'resolve',
    'lfs-download',
    'job-get',
    'job-cancel',
  ] as const;
  const faults = Object.fromEntries(kinds.map((kind): [RequestKind, Fault[]] => [kind, [{ type: '500-before' }]]));
  const fixture = await openHubFixture({ faults });
  const { hub, account, ask } = fixture;
  const repo = 'rehearsal/model';
  const files = [{ path: 'model.safetensors', content: new Blob(['weights']) }];
  const upload = async (): Promise<unknown> => await uploadFiles({ ...hub, repo, files });
  await expect(whoAmI(hub)).rejects.toMatchObject({ statusCode: 500 });
  await expect(createRepo({ ...hub, repo })).rejects.toMatchObject({ statusCode: 500 });
  await createRepo({ ...hub, repo });
  for (const kind of ['preupload', 'lfs-batch', 'lfs-upload', 'commit'] as const) {
    await expect(upload()).rejects.toMatchObject({ statusCode: 500 });
    expect(account().requests.at(-1)).toMatchObject({ kind, fault: '500-before' });
  }
  await upload();
  const download = async (): Promise<unknown> => await downloadFile({ ...hub, repo, path: 'model.safetensors' });
  await expect(download()).rejects.toMatchObject({ statusCode: 500 });
  await expect(download()).rejects.toMatchObject({ statusCode: 500, data: { message: expect.stringContaining('InternalError') } });
  await download();
  const id = await startJob(fixture);
  await expect(lookAt(fixture, id)).rejects.toMatchObject({ statusCode: 500 });
  expect((await ask('POST', `/api/jobs/rehearsal/${id}/cancel`)).status).toBe(500);
  expect((await lookAt(fixture, id)).status.stage).toBe('SCHEDULING');
});

test('control over HTTP takes the token of the Hub, and one account has both services', async () => {
  const { ask, account, hub } = await openHubFixture();
  expect((await ask('PUT', '/sandbox/faults', { whoami: [{ type: '500-before' }], 'job-logs': [{ type: 'early-end' }] })).status).toBe(200);
  await expect(whoAmI(hub)).rejects.toMatchObject({ statusCode: 500 });
  expect((await ask('PUT', '/sandbox/settings', { hiddenFailure: true })).status).toBe(200);
  expect((await ask('PUT', '/sandbox/settings', { hiddenFailures: true })).status).toBe(400);
  const told = (await (await ask('GET', '/sandbox/account')).json()) as { name: string };
  expect(told).toEqual(account());
  expect(account()).toMatchObject({ name: 'rehearsal', settings: { hiddenFailure: true }, used: { whoami: 1 } });
});
