import { expect, test } from 'vitest';
import type { Account } from '../../src/sandbox/account.ts';
import { base, createJob, gather, openSandbox, uploadLines } from './sandbox-world.ts';

test('each key is an account of its own', async () => {
  const { sandbox, clientOf } = await openSandbox();
  const [one, other] = [clientOf('sk-sandbox-one'), clientOf('sk-sandbox-other')];
  sandbox.setFaults({ list: [{ type: '500-before' }] }, 'sk-sandbox-one');
  const job = await createJob(one, { metadata: { key: 'k' } });
  await expect(one.fineTuning.jobs.list()).rejects.toMatchObject({ status: 500 });
  expect(await gather(other.fineTuning.jobs.list())).toEqual([]);
  await expect(other.fineTuning.jobs.retrieve(job.id)).rejects.toMatchObject({ status: 404 });
  await expect(createJob(other, { training_file: job.training_file })).rejects.toMatchObject({ status: 400 });
  sandbox.step(4000);
  const { fine_tuned_model: model } = await one.fineTuning.jobs.retrieve(job.id);
  const messages = [{ role: 'user', content: 'Hello' } as const];
  await expect(other.chat.completions.create({ model: model!, messages })).rejects.toMatchObject({ status: 404 });
  expect(sandbox.account('sk-sandbox-one').bill).toEqual([
    { kind: 'job', at: '2026-11-01T00:00:00.000Z', job: job.id, model: base, trainingFile: job.training_file, metadata: { key: 'k' } },
  ]);
  expect(sandbox.account('sk-sandbox-other').bill).toEqual([]);
  expect(sandbox.account('sk-sandbox-other').requests.map(({ kind }) => kind)).toEqual(['list', 'get', 'create', 'chat']);
});

test.each([undefined, 'sk-proj-0123456789abcdef', 'sk-sandbox-', 'sk-sandbox-a b'])('a request with the key %j is refused', async (key) => {
  const { sandbox } = await openSandbox();
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  for (const path of ['/v1/models', '/sandbox/account']) {
    const response = await fetch(`${sandbox.url}${path}`, { headers });
    expect(response.status).toBe(401);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ error: { type: 'invalid_request_error', param: null } });
    expect(text).not.toContain('0123456789abcdef');
  }
});

test('other processes set and read an account by HTTP', async () => {
  const { sandbox, clientOf } = await openSandbox();
  const client = clientOf('sk-sandbox-trial');
  const control = async (method: string, path: string, body?: unknown): Promise<Response> =>
    await fetch(`${sandbox.url}/sandbox/${path}`, {
      method,
      headers: { authorization: 'Bearer sk-sandbox-trial' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  expect((await control('PUT', 'faults', { create: [{ type: 'drop-after' }, { type: 'late', ms: 5 }] })).status).toBe(200);
  expect((await control('PUT', 'settings', { listLagMs: 50, otherJobs: 2 })).status).toBe(200);
  await expect(createJob(client)).rejects.toThrow('Connection error');
  expect(await gather(client.fineTuning.jobs.list())).toHaveLength(2);
  expect(await (await control('POST', 'step', { ms: 50 })).json()).toEqual({ now: '2026-11-01T00:00:00.050Z' });
  expect(await gather(client.fineTuning.jobs.list())).toHaveLength(3);
  const account = (await (await control('GET', 'account')).json()) as Account;
  expect(account).toEqual(sandbox.account('sk-sandbox-trial'));
  expect(account).toMatchObject({ name: 'trial', bill: [{ kind: 'job' }], used: { create: 1, list: 2 }, violations: [] });
  for (const [path, body] of [
    ['faults', { create: [{ type: 'explode' }] }],
    ['faults', { create: [{ type: 'late' }] }],
    ['faults', { destroy: [] }],
    ['settings', { listLagMs: -1 }],
    ['settings', { refuse: 'maybe' }],
    ['step', {}],
  ] as const)
    expect((await control(path === 'step' ? 'POST' : 'PUT', path, body)).status).toBe(400);
  expect((await control('GET', 'secrets')).status).toBe(404);
});

test('many accounts live in one sandbox', async () => {
  const { sandbox, clientOf } = await openSandbox();
  const keys = Array.from({ length: 200 }, (_, i) => `sk-sandbox-trial-${i}`);
  const ids = await Promise.all(keys.map(async (key) => (await createJob(clientOf(key))).id));
  expect(new Set(ids).size).toBe(keys.length);
  for (const [i, key] of keys.entries()) expect(sandbox.account(key).bill).toMatchObject([{ job: ids[i] }]);
});

test('a sandbox with the same seed and clock does the same', async () => {
  const runs = [];
  for (const seed of [3, 3, 4]) {
    const { client } = await openSandbox({ seed });
    runs.push(await createJob(client));
  }
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2]!.id).not.toBe(runs[0]!.id);
});

test('on the real clock a job ends by itself', async () => {
  const { client } = await openSandbox({ clock: 'real', now: () => new Date(), settings: { jobMs: 1 } });
  const { id } = await createJob(client, { training_file: await uploadLines(client) });
  await expect.poll(async () => (await client.fineTuning.jobs.retrieve(id)).status).toBe('succeeded');
});
