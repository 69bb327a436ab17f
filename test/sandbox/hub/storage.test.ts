import { createHash } from 'node:crypto';
import { createRepo, uploadFiles } from '@huggingface/hub';
import { expect, test } from 'vitest';
import { openHubFixture, type HubFixture } from './hub-world.ts';

const repo = 'rehearsal/model';
const bytes = Buffer.from('some weights');
const oid = createHash('sha256').update(bytes).digest('hex');

async function grantUpload({ hub, ask }: HubFixture): Promise<string> {
  await createRepo({ ...hub, repo });
  const objects = [{ oid, size: bytes.length }];
  const answer = await ask('POST', `/${repo}.git/info/lfs/objects/batch`, { operation: 'upload', transfers: ['basic'], objects });
  const batch = (await answer.json()) as { objects: { actions: { upload: { href: string } } }[] };
  return batch.objects[0]?.actions.upload.href ?? '';
}

test('a token that arrives at the storage is refused and written down', async () => {
  const fixture = await openHubFixture();
  const href = await grantUpload(fixture);
  expect(new URL(href).origin).toBe(fixture.sandbox.storageUrl);
  const { accessToken } = fixture.hub;
  const shown = await fetch(href, { method: 'PUT', body: bytes, headers: { authorization: `Bearer ${accessToken}` } });
  expect(shown.status).toBe(400);
  expect((await fetch(`${href}&token=${accessToken}`, { method: 'PUT', body: bytes })).status).toBe(400);
  const request = `PUT /rehearsal/${oid}`;
  expect(fixture.account().hub.leakedTokens).toMatchObject([
    { request, where: 'authorization' },
    { request, where: 'url' },
  ]);
  expect(JSON.stringify(fixture.account().hub.leakedTokens)).not.toContain(accessToken);
  expect((await fetch(href, { method: 'PUT', body: bytes })).status).toBe(200);
});

test('a signed address allows one object, one operation, for an hour', async () => {
  const fixture = await openHubFixture();
  const href = await grantUpload(fixture);
  expect((await fetch(href)).status).toBe(403);
  expect((await fetch(href.replace(oid, '0'.repeat(64)), { method: 'PUT', body: bytes })).status).toBe(403);
  expect((await fetch(href.split('?')[0] ?? '', { method: 'PUT', body: bytes })).status).toBe(403);
  expect((await fetch(href, { method: 'PUT', body: 'others' })).status).toBe(400);
  fixture.sandbox.step(3_600_000);
  expect((await fetch(href, { method: 'PUT', body: bytes })).status).toBe(403);
});

test('a commit of an object that was not uploaded is refused', async () => {
  const { hub, account } = await openHubFixture({ faults: { 'lfs-upload': [{ type: '500-before' }] } });
  await createRepo({ ...hub, repo });
  const files = [{ path: 'model.safetensors', content: new Blob([bytes]) }];
  await expect(uploadFiles({ ...hub, repo, files })).rejects.toMatchObject({ statusCode: 500 });
  const lines = [
    { key: 'header', value: { summary: 'x' } },
    { key: 'lfsFile', value: { path: 'model.safetensors', algo: 'sha256', oid, size: bytes.length } },
  ];
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  const headers = { authorization: `Bearer ${hub.accessToken}`, 'content-type': 'application/x-ndjson' };
  const answer = await fetch(`${hub.hubUrl}/api/models/${repo}/commit/main`, { method: 'POST', body, headers });
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: expect.stringContaining('does not exist') }]);
  expect(account().hub.repos[0]?.branches[0]?.commits).toBe(1);
  await uploadFiles({ ...hub, repo, files });
  expect(account().hub.repos[0]?.branches[0]).toMatchObject({ commits: 2, files: [{}, { path: 'model.safetensors', lfs: true }] });
});

test('files are answered with what their kind needs: part, size, commit, and the address of the storage', async () => {
  const { hub, ask } = await openHubFixture();
  await createRepo({ ...hub, repo, files: [{ path: 'a.txt', content: new Blob(['0123456789']) }] });
  const uploaded = await uploadFiles({ ...hub, repo, files: [{ path: 'model.safetensors', content: new Blob([bytes]) }] });
  const commit = uploaded?.commit.oid ?? null;
  const small = await ask('HEAD', `/${repo}/resolve/main/a.txt`);
  expect([small.status, small.headers.get('x-repo-commit'), small.headers.get('content-length')]).toEqual([200, commit, '10']);
  const large = await ask('HEAD', `/${repo}/resolve/${commit}/model.safetensors`);
  expect([large.status, large.headers.get('x-linked-size'), large.headers.get('x-linked-etag')]).toEqual([302, '12', `"${oid}"`]);
  const parts = ['bytes=2-3', 'bytes=8-', 'bytes=-3', 'bytes=10-'].map(async (range) => {
    const answer = await ask('GET', `/${repo}/resolve/main/a.txt`, undefined, { range });
    return [answer.status, await answer.text(), answer.headers.get('content-range')];
  });
  expect(await Promise.all(parts)).toEqual([
    [206, '23', 'bytes 2-3/10'],
    [206, '89', 'bytes 8-9/10'],
    [206, '789', 'bytes 7-9/10'],
    [416, '', 'bytes */10'],
  ]);
  const missing = await ask('GET', `/${repo}/resolve/none/a.txt`);
  expect([missing.status, missing.headers.get('x-error-code')]).toEqual([404, 'RevisionNotFound']);
});
