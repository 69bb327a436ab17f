import { createRepo, downloadFile, uploadFiles, whoAmI } from '@huggingface/hub';
import { expect, test } from 'vitest';
import type { Account, Fault, RequestKind } from '../../src/sandbox/main.ts';
import { base, createJob, openHubJob, openSandbox, readHubJob, startHubJob, uploadLines } from './fixture.ts';

/** How the clients of OpenAI and of the Hub see a fault, and whether there is a job afterwards. */
const outcomes: readonly (readonly [fault: Fault, openai: unknown, hub: unknown, isMade: boolean])[] = [
  [{ type: 'ok' }, expect.objectContaining({ status: 'validating_files' }), expect.any(String), true],
  [{ type: 'drop-before' }, error('Connection error.'), error('fetch failed'), false],
  [{ type: 'drop-after' }, error('Connection error.'), error('fetch failed'), true],
  [{ type: '500-before' }, expect.objectContaining({ status: 500 }), expect.objectContaining({ statusCode: 500 }), false],
  [{ type: '500-after' }, expect.objectContaining({ status: 500 }), expect.objectContaining({ statusCode: 500 }), true],
  [{ type: '429' }, expect.objectContaining({ code: 'rate_limit_exceeded' }), expect.objectContaining({ statusCode: 429 }), false],
  [{ type: 'cut' }, error('terminated'), error('terminated'), true],
  [{ type: 'html' }, expect.stringContaining('<html>'), expect.any(SyntaxError), true],
  [{ type: 'html-before' }, expect.stringContaining('<html>'), expect.any(SyntaxError), false],
];

function error(message: string): unknown {
  return expect.objectContaining({ message });
}

test.each(outcomes)('a creation that meets %j', async (fault, ofOpenAI, ofHub, isMade) => {
  const { client, hub, account } = await openSandbox({ faults: { create: [{ type: 'ok' }, fault], 'job-create': [fault] } });
  await createJob(client);
  expect(await createJob(client).catch((reason: unknown) => reason)).toEqual(ofOpenAI);
  const plain = { hub: { ...hub, fetch } };
  expect(await startHubJob(plain).catch((reason: unknown) => reason)).toEqual(ofHub);
  const countJobs = (kind: string): number => account().bill.filter((entry) => entry.kind === kind).length;
  expect([countJobs('job'), countJobs('hub-job')]).toEqual(isMade ? [2, 1] : [1, 0]);
  const created = account().requests.filter(({ kind }) => kind === 'create' || kind === 'job-create');
  expect(created.map((request) => request.fault)).toEqual(['ok', fault.type, fault.type]);
  await createJob(client);
  await startHubJob(plain);
  expect([countJobs('job'), countJobs('hub-job')]).toEqual(isMade ? [3, 2] : [2, 1]);
});

test('429 says when to come back, in the words of each service', async () => {
  const { client, ask } = await openSandbox({
    faults: { models: [{ type: '429', retryAfterSeconds: 3 }], 'job-list': [{ type: '429', retryAfterSeconds: 12 }] },
  });
  const reason = (await client.models.list().catch((caught: unknown) => caught)) as { headers: Headers };
  expect(reason.headers.get('retry-after')).toBe('3');
  const answer = await ask('GET', '/api/jobs/demo');
  expect([answer.status, answer.headers.get('ratelimit')]).toEqual([429, '"api";r=0;t=12']);
});

test('hang-after: the job is there, and no answer comes', async () => {
  const { client, account } = await openSandbox({ faults: { create: [{ type: 'hang-after' }] } });
  const training_file = await uploadLines(client);
  await expect(client.fineTuning.jobs.create({ model: base, training_file }, { timeout: 200 })).rejects.toThrow('timed out');
  expect(account().bill).toMatchObject([{ kind: 'job', trainingFile: training_file }]);
});

test('late: the client has gone when the job comes, and a file that was deleted before keeps it away', async () => {
  const late = { type: 'late', ms: 100 } as const;
  const { client, sandbox, account, hub } = await openSandbox({ faults: { create: [late, late], 'job-create': [late] } });
  const files = [await uploadLines(client), await uploadLines(client)];
  for (const training_file of files)
    await expect(client.fineTuning.jobs.create({ model: base, training_file }, { timeout: 200 })).rejects.toThrow('timed out');
  const impatient: typeof fetch = async (input, init) => await fetch(input, { ...init, signal: AbortSignal.timeout(200) });
  await expect(startHubJob({ hub: { ...hub, fetch: impatient } })).rejects.toThrow('aborted due to timeout');
  await client.files.delete(files[1]!);
  sandbox.step(99);
  expect((await client.fineTuning.jobs.list()).data).toEqual([]);
  sandbox.step(1);
  expect((await client.fineTuning.jobs.list()).data).toHaveLength(1);
  expect(account().bill).toMatchObject([{ trainingFile: files[0] }, { kind: 'hub-job', at: '2026-11-01T00:00:00.100Z' }]);
});

test('each kind of request has faults of its own', async () => {
  const kinds = ['whoami', 'repo-create', 'preupload', 'lfs-batch', 'lfs-upload', 'commit', 'resolve', 'lfs-download', 'job-get'] as const;
  const faults = Object.fromEntries(
    [...kinds, 'list', 'delete', 'chat'].map((kind): [string, Fault[]] => [kind, [{ type: '500-before' }]]),
  );
  const fixture = await openSandbox({ faults });
  const { client, hub, account } = fixture;
  const failing = async (kind: RequestKind, call: () => Promise<unknown>): Promise<void> => {
    await expect(call()).rejects.toBeInstanceOf(Error);
    expect(account().requests.at(-1)).toMatchObject({ kind, fault: '500-before' });
  };
  await failing('list', async () => await client.fineTuning.jobs.list());
  await failing('delete', async () => await client.files.delete('file-1'));
  await failing('whoami', async () => await whoAmI(hub));
  await failing('repo-create', async () => await createRepo({ ...hub, repo: 'demo/model' }));
  await createRepo({ ...hub, repo: 'demo/model' });
  const files = [{ path: 'model.safetensors', content: new Blob(['weights']) }];
  for (const kind of ['preupload', 'lfs-batch', 'lfs-upload', 'commit'] as const)
    await failing(kind, async () => await uploadFiles({ ...hub, repo: 'demo/model', files }));
  await uploadFiles({ ...hub, repo: 'demo/model', files });
  for (const kind of ['resolve', 'lfs-download'] as const)
    await failing(kind, async () => await downloadFile({ ...hub, repo: 'demo/model', path: 'model.safetensors' }));
  const id = await openHubJob(fixture);
  await failing('job-get', async () => await readHubJob(fixture, id));
  expect((await readHubJob(fixture, id)).status.stage).toBe('SCHEDULING');
});

test('each key is an account of its own, with faults, settings and a bill of its own', async () => {
  const { sandbox, clientOf } = await openSandbox();
  const [one, other] = [clientOf('sk-sandbox-one'), clientOf('sk-sandbox-other')];
  sandbox.setFaults({ list: [{ type: '500-before' }] }, 'sk-sandbox-one');
  const job = await createJob(one, { metadata: { key: 'k' } });
  await expect(one.fineTuning.jobs.list()).rejects.toMatchObject({ status: 500 });
  expect((await other.fineTuning.jobs.list()).data).toEqual([]);
  await expect(other.fineTuning.jobs.retrieve(job.id)).rejects.toMatchObject({ status: 404 });
  await expect(createJob(other, { training_file: job.training_file })).rejects.toMatchObject({ status: 400 });
  const at = '2026-11-01T00:00:00.000Z';
  const entry = { kind: 'job', at, job: job.id, model: base, trainingFile: job.training_file, metadata: { key: 'k' } };
  expect(sandbox.account('sk-sandbox-one').bill).toEqual([entry]);
  expect(sandbox.account('sk-sandbox-other')).toMatchObject({
    bill: [],
    requests: [{ kind: 'list' }, { kind: 'get' }, { kind: 'create' }],
  });
});

test('other processes set and read an account by HTTP', async () => {
  const { client, ask, account, sandbox } = await openSandbox();
  expect((await ask('PUT', '/sandbox/faults', { create: [{ type: 'drop-after' }, { type: 'late', ms: 5 }] })).status).toBe(200);
  expect((await ask('PUT', '/sandbox/settings', { listLagMs: 50, otherJobs: 2 })).status).toBe(200);
  await expect(createJob(client)).rejects.toThrow('Connection error');
  expect((await client.fineTuning.jobs.list()).data).toHaveLength(2);
  expect(await (await ask('POST', '/sandbox/step', { ms: 50 })).json()).toEqual({ now: '2026-11-01T00:00:00.050Z' });
  expect((await client.fineTuning.jobs.list()).data).toHaveLength(3);
  const token = { authorization: `Bearer ${sandbox.env.HF_TOKEN}` };
  const reported = (await (await ask('GET', '/sandbox/account', undefined, token)).json()) as Account;
  expect(reported).toEqual(account());
  expect(reported).toMatchObject({ name: 'demo', bill: [{ kind: 'job' }], used: { create: 1, list: 2 }, violations: [] });
});

test.each<[string, string, unknown]>([
  ['PUT', 'faults', { create: [{ type: 'explode' }] }],
  ['PUT', 'faults', { create: [{ type: 'late' }] }],
  ['PUT', 'faults', { destroy: [] }],
  ['PUT', 'settings', { listLagMs: -1 }],
  ['PUT', 'settings', { hiddenFailures: true }],
  ['POST', 'step', {}],
])('%s /sandbox/%s with %j is refused', async (method, path, body) => {
  const { ask } = await openSandbox();
  expect((await ask(method, `/sandbox/${path}`, body)).status).toBe(400);
});

test.each([undefined, 'sk-proj-0123456789abcdef', 'sk-sandbox-', 'sk-sandbox-a b'])('a request with the key %j is refused', async (key) => {
  const { sandbox } = await openSandbox();
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  for (const path of ['/v1/models', '/sandbox/account', '/api/whoami-v2']) {
    const response = await fetch(`${sandbox.url}${path}`, { headers });
    expect([response.status, await response.text()]).toEqual([401, expect.not.stringContaining('0123456789abcdef')]);
  }
});
