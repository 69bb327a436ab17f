import { createHash } from 'node:crypto';
import * as official from '@huggingface/hub';
import { expect, test } from 'vitest';
import { openSandbox, type SandboxFixture } from './fixture.ts';

const dataset = { type: 'dataset', name: 'demo/rows' } as const;
const model = 'demo/model';
const weights = Buffer.from(new Uint8Array(3_000_000).map((_, i) => (i * 31) % 251));
const oid = createHash('sha256').update(weights).digest('hex');

async function readBlob(blob: Blob | null): Promise<Buffer> {
  return Buffer.from(await blob!.arrayBuffer());
}

test('the official client does its whole round: create, upload, list, download, delete', async () => {
  const { hub, sent, sandbox, account } = await openSandbox();
  const ours = { ...hub, repo: dataset };
  expect(await official.whoAmI(hub)).toMatchObject({ name: 'demo', type: 'user', canPay: true });
  await official.createRepo({ ...ours, visibility: 'private' });
  await expect(official.createRepo(ours)).rejects.toMatchObject({ statusCode: 409 });
  const files = [
    { path: 'data/train.jsonl', content: new Blob(['{"text":"ä"}\n']) },
    { path: 'model.safetensors', content: new Blob([weights]) },
  ];
  const uploaded = await official.uploadFiles({ ...ours, files, commitTitle: 'rows' });
  expect(uploaded?.commit.oid).toMatch(/^[0-9a-f]{40}$/);
  const listed = await Array.fromAsync(official.listFiles({ ...ours, recursive: true }));
  expect(listed.map(({ path, type, size, lfs }) => [path, type, size, lfs?.size])).toEqual([
    ['.gitattributes', 'file', 50, undefined],
    ['data', 'directory', 0, undefined],
    ['data/train.jsonl', 'file', 14, undefined],
    ['model.safetensors', 'file', 3_000_000, 3_000_000],
  ]);
  expect(await (await official.downloadFile({ ...ours, path: 'data/train.jsonl' }))?.text()).toBe('{"text":"ä"}\n');
  const blob = await official.downloadFile({ ...ours, path: 'model.safetensors' });
  expect((await readBlob(blob)).equals(weights)).toBe(true);
  expect(await readBlob(blob!.slice(100, 110))).toEqual(weights.subarray(100, 110));
  expect(await official.downloadFile({ ...ours, path: 'none' })).toBeNull();
  expect((await Array.fromAsync(official.listCommits(ours))).map(({ title }) => title)).toEqual(['rows', 'initial commit']);
  await official.commit({ ...ours, title: 'away', operations: [{ operation: 'delete', path: 'model.safetensors' }] });
  const branches = [{ name: 'main', commits: 3, files: [{}, { path: 'data/train.jsonl', lfs: false }] }];
  expect(account().hub.repos).toMatchObject([{ type: 'dataset', name: 'demo/rows', private: true, branches }]);
  await official.deleteRepo(ours);
  expect(await official.repoExists(ours)).toBe(false);
  expect(account().hub).toMatchObject({ repos: [], leakedTokens: [] });
  const atStorage = sent.filter(({ origin }) => origin === sandbox.storageUrl);
  expect(atStorage.map(({ method, hasToken }) => [method, hasToken])).toEqual([['PUT', false]]);
});

test('branches: one caller can make each; a commit that another one has overtaken is refused', async () => {
  const { hub, account } = await openSandbox();
  const ours = { ...hub, repo: model };
  await official.createRepo(ours);
  const { sha: before } = await official.modelInfo({ ...hub, name: model, additionalFields: ['sha'] });
  await official.createBranch({ ...ours, branch: 'claim' });
  await expect(official.createBranch({ ...ours, branch: 'claim' })).rejects.toMatchObject({ statusCode: 409 });
  const operations = [{ operation: 'addOrUpdate' as const, path: 'a.txt', content: new Blob(['a']) }];
  await official.commit({ ...ours, title: 'first', operations, parentCommit: before });
  const second = official.commit({ ...ours, title: 'second', operations, parentCommit: before });
  await expect(second).rejects.toMatchObject({ statusCode: 412 });
  await official.commit({ ...ours, title: 'elsewhere', operations, branch: 'claim', parentCommit: before });
  expect(account().hub.repos[0]?.branches).toMatchObject([
    { name: 'main', commits: 2 },
    { name: 'claim', commits: 2 },
  ]);
  const old = await official.modelInfo({ ...hub, name: model, additionalFields: ['filePaths'], revision: before });
  expect(old.filePaths).toEqual(['.gitattributes']);
  await official.deleteBranch({ ...ours, branch: 'claim' });
  await expect(official.deleteBranch({ ...ours, branch: 'claim' })).rejects.toMatchObject({ statusCode: 404 });
});

test('private repositories belong to one account; everybody may read public ones and base models', async () => {
  const { hub, hubOf } = await openSandbox();
  const other = hubOf('other');
  const anonymous = { hubUrl: hub.hubUrl };
  const files = [{ path: 'x', content: new Blob(['x']) }];
  await official.createRepo({ ...hub, repo: 'demo/secret', visibility: 'private' });
  await official.createRepo({ ...hub, repo: 'demo/open', visibility: 'public', files });
  await expect(official.createRepo({ ...other, repo: 'demo/mine' })).rejects.toMatchObject({ statusCode: 403 });
  expect(await official.repoExists({ ...other, repo: 'demo/secret' })).toBe(false);
  for (const who of [other, anonymous])
    expect(await (await official.downloadFile({ ...who, repo: 'demo/open', path: 'x' }))?.text()).toBe('x');
  const hidden = official.downloadFile({ ...anonymous, repo: 'demo/secret', path: 'x' });
  await expect(hidden).rejects.toMatchObject({ statusCode: 401 });
  await expect(official.uploadFiles({ ...other, repo: 'demo/open', files })).rejects.toMatchObject({ statusCode: 403 });
  const config = await official.downloadFile({ ...other, repo: 'google-bert/bert-base-uncased', path: 'config.json' });
  expect(JSON.parse((await config?.text()) ?? '')).toMatchObject({ model_type: 'bert' });
  const search = { owner: 'demo' };
  const listNames = async (who: typeof other): Promise<string[]> =>
    (await Array.fromAsync(official.listModels({ ...who, search }))).map(({ name }) => name);
  expect([await listNames(hub), await listNames(other)]).toEqual([['demo/secret', 'demo/open'], ['demo/open']]);
});

test('trees and repositories come in pages of the size that the sandbox has', async () => {
  const { hub, account } = await openSandbox({ pageSize: 2 });
  const files = ['a', 'b', 'c', 'd'].map((path) => ({ path, content: new Blob([path]) }));
  for (const name of ['one', 'two', 'three']) await official.createRepo({ ...hub, repo: `demo/${name}`, files });
  const listed = await Array.fromAsync(official.listFiles({ ...hub, repo: 'demo/one' }));
  expect(listed.map(({ path }) => path)).toEqual(['.gitattributes', 'a', 'b', 'c', 'd']);
  expect(account().used['tree']).toBe(3);
  expect(await Array.fromAsync(official.listModels({ ...hub, search: { owner: 'demo' } }))).toHaveLength(3);
});

async function grantUpload({ hub, ask }: SandboxFixture): Promise<string> {
  await official.createRepo({ ...hub, repo: model });
  const body = { operation: 'upload', transfers: ['basic'], objects: [{ oid, size: weights.length }] };
  const answer = await ask('POST', `/${model}.git/info/lfs/objects/batch`, body);
  const batch = (await answer.json()) as { objects: { actions: { upload: { href: string } } }[] };
  return batch.objects[0]!.actions.upload.href;
}

test('a signed address allows one object, one operation, for an hour; a token that arrives there is refused and written down', async () => {
  const fixture = await openSandbox();
  const { hub, sandbox, account } = fixture;
  const href = await grantUpload(fixture);
  const put = async (url: string, body: Buffer | string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(url, { method: 'PUT', body, headers })).status;
  expect(new URL(href).origin).toBe(sandbox.storageUrl);
  expect(await put(href, weights, { authorization: `Bearer ${hub.accessToken}` })).toBe(400);
  expect(await put(`${href}&token=${hub.accessToken}`, weights)).toBe(400);
  const request = `PUT /demo/${oid}`;
  expect(account().hub.leakedTokens).toMatchObject([
    { request, where: 'authorization' },
    { request, where: 'url' },
  ]);
  expect((await fetch(href)).status).toBe(403);
  expect(await put(href.replace(oid, '0'.repeat(64)), weights)).toBe(403);
  expect(await put(href.split('?')[0]!, weights)).toBe(403);
  expect(await put(href, 'others')).toBe(400);
  expect(await put(href, weights)).toBe(200);
  sandbox.step(3_600_000);
  expect(await put(href, weights)).toBe(403);
});

test('a commit of an object that was not uploaded is refused, and one that is there is not asked for again', async () => {
  const { hub, ask, account } = await openSandbox({ faults: { 'lfs-upload': [{ type: '500-before' }] } });
  for (const repo of [model, 'demo/second']) await official.createRepo({ ...hub, repo });
  const files = [{ path: 'model.safetensors', content: new Blob([weights]) }];
  await expect(official.uploadFiles({ ...hub, repo: model, files })).rejects.toMatchObject({ statusCode: 500 });
  const lines = [
    { key: 'header', value: { summary: 'x' } },
    { key: 'lfsFile', value: { path: 'model.safetensors', algo: 'sha256', oid, size: weights.length } },
  ];
  const answer = await ask('POST', `/api/models/${model}/commit/main`, lines.map((line) => JSON.stringify(line)).join('\n'));
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: expect.stringContaining('does not exist') }]);
  for (const repo of [model, 'demo/second']) await official.uploadFiles({ ...hub, repo, files });
  expect(account().used).toMatchObject({ 'lfs-batch': 3, 'lfs-upload': 2, commit: 3 });
  expect(account().hub.repos[0]?.branches[0]).toMatchObject({ commits: 2, files: [{}, { path: 'model.safetensors', lfs: true }] });
});

test('files are answered with what their kind needs: part, size, commit, and the address of the storage', async () => {
  const { hub, ask } = await openSandbox();
  await official.createRepo({ ...hub, repo: model, files: [{ path: 'a.txt', content: new Blob(['0123456789']) }] });
  const files = [{ path: 'model.safetensors', content: new Blob([weights]) }];
  const commit = (await official.uploadFiles({ ...hub, repo: model, files }))!.commit.oid;
  const small = await ask('HEAD', `/${model}/resolve/main/a.txt`);
  expect([small.status, small.headers.get('x-repo-commit'), small.headers.get('content-length')]).toEqual([200, commit, '10']);
  const large = await ask('HEAD', `/${model}/resolve/${commit}/model.safetensors`);
  expect([large.status, large.headers.get('x-linked-size'), large.headers.get('x-linked-etag')]).toEqual([302, '3000000', `"${oid}"`]);
  const parts = ['bytes=2-3', 'bytes=8-', 'bytes=-3', 'bytes=10-'].map(async (range) => {
    const answer = await ask('GET', `/${model}/resolve/main/a.txt`, undefined, { range });
    return [answer.status, await answer.text()];
  });
  expect(await Promise.all(parts)).toEqual([
    [206, '23'],
    [206, '89'],
    [206, '789'],
    [416, ''],
  ]);
  const missing = await ask('GET', `/${model}/resolve/none/a.txt`);
  expect([missing.status, missing.headers.get('x-error-code')]).toEqual([404, 'RevisionNotFound']);
});
