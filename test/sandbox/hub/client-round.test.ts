import {
  commit,
  createBranch,
  createRepo,
  deleteBranch,
  deleteRepo,
  downloadFile,
  fileDownloadInfo,
  fileExists,
  listCommits,
  listDatasets,
  listFiles,
  listModels,
  modelInfo,
  pathsInfo,
  repoExists,
  uploadFiles,
  whoAmI,
} from '@huggingface/hub';
import { expect, test } from 'vitest';
import { openHubFixture } from './hub-world.ts';

const repo = { type: 'dataset', name: 'rehearsal/rows' } as const;
const weights = new Uint8Array(3_000_000).map((_, i) => (i * 31) % 251);

async function toBytes(blob: Blob | null | undefined): Promise<Buffer> {
  return Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer(0));
}

test('the official client does its whole round: create, upload, list, download, delete', async () => {
  const { hub, sent, sandbox, account } = await openHubFixture();
  expect(await whoAmI(hub)).toMatchObject({ name: 'rehearsal', type: 'user', canPay: true });
  expect(await createRepo({ ...hub, repo, visibility: 'private' })).toMatchObject({ repoUrl: `${sandbox.url}/datasets/rehearsal/rows` });
  await expect(createRepo({ ...hub, repo })).rejects.toMatchObject({
    statusCode: 409,
    message: expect.stringContaining('already created'),
  });
  const files = [
    { path: 'data/train.jsonl', content: new Blob(['{"text":"ä"}\n']) },
    { path: 'model.safetensors', content: new Blob([weights]) },
  ];
  const uploaded = await uploadFiles({ ...hub, repo, files, commitTitle: 'rows' });
  expect(uploaded?.commit.oid).toMatch(/^[0-9a-f]{40}$/);
  const listed = await Array.fromAsync(listFiles({ ...hub, repo, recursive: true }));
  expect(listed.map(({ path, type, size, lfs }) => [path, type, size, lfs?.size])).toEqual([
    ['.gitattributes', 'file', 50, undefined],
    ['data', 'directory', 0, undefined],
    ['data/train.jsonl', 'file', 14, undefined],
    ['model.safetensors', 'file', 3_000_000, 3_000_000],
  ]);
  const flat = await Array.fromAsync(listFiles({ ...hub, repo }));
  expect(flat.map(({ path }) => path)).toEqual(['.gitattributes', 'data', 'model.safetensors']);
  expect(await (await downloadFile({ ...hub, repo, path: 'data/train.jsonl' }))?.text()).toBe('{"text":"ä"}\n');
  const blob = await downloadFile({ ...hub, repo, path: 'model.safetensors' });
  expect(blob?.size).toBe(weights.length);
  expect((await toBytes(blob)).equals(weights)).toBe(true);
  expect(await toBytes(blob?.slice(100, 110))).toEqual(Buffer.from(weights.subarray(100, 110)));
  expect(await downloadFile({ ...hub, repo, path: 'none' })).toBeNull();
  expect(await fileExists({ ...hub, repo, path: 'model.safetensors' })).toBe(true);
  expect(await fileExists({ ...hub, repo, path: 'none' })).toBe(false);
  expect(await fileDownloadInfo({ ...hub, repo, path: 'model.safetensors', raw: true })).toMatchObject({ size: 132 });
  const [info] = await pathsInfo({ ...hub, repo, paths: ['model.safetensors', 'none'], expand: true });
  expect(info).toMatchObject({ size: 3_000_000, lastCommit: { id: uploaded?.commit.oid, title: 'rows' } });
  expect((await Array.fromAsync(listCommits({ ...hub, repo }))).map(({ title }) => title)).toEqual(['rows', 'initial commit']);
  await commit({ ...hub, repo, title: 'away', operations: [{ operation: 'delete', path: 'model.safetensors' }] });
  expect(await fileExists({ ...hub, repo, path: 'model.safetensors' })).toBe(false);
  const branches = [{ name: 'main', commits: 3, files: [{}, { path: 'data/train.jsonl', lfs: false }] }];
  expect(account().hub.repos).toMatchObject([{ type: 'dataset', name: 'rehearsal/rows', private: true, branches }]);
  await deleteRepo({ ...hub, repo });
  await expect(deleteRepo({ ...hub, repo })).rejects.toMatchObject({ statusCode: 404 });
  expect(await repoExists({ ...hub, repo })).toBe(false);
  expect(account().hub).toMatchObject({ repos: [], leakedTokens: [] });
  const kinds = ['whoami', 'repo-create', 'preupload', 'lfs-batch', 'lfs-upload', 'commit', 'tree', 'resolve', 'lfs-download', 'repo'];
  expect(new Set(account().requests.map(({ kind }) => kind))).toEqual(new Set([...kinds, 'repo-delete']));
  const atStorage = sent.filter(({ origin }) => origin === sandbox.storageUrl);
  expect(atStorage.map(({ method, hasToken }) => [method, hasToken])).toEqual([['PUT', false]]);
});

test('an object that is there already is not asked for again', async () => {
  const { hub, account } = await openHubFixture();
  for (const name of ['rehearsal/one', 'rehearsal/two']) {
    await createRepo({ ...hub, repo: name });
    await uploadFiles({ ...hub, repo: name, files: [{ path: 'model.safetensors', content: new Blob([weights]) }] });
  }
  expect(account().used).toMatchObject({ 'lfs-batch': 2, 'lfs-upload': 1, commit: 2 });
});

test('branches: one caller can make each; a commit that another one has overtaken is refused', async () => {
  const { hub, account } = await openHubFixture();
  const model = 'rehearsal/model';
  await createRepo({ ...hub, repo: model });
  const { sha: before } = await modelInfo({ ...hub, name: model, additionalFields: ['sha'] });
  await createBranch({ ...hub, repo: model, branch: 'claim' });
  await expect(createBranch({ ...hub, repo: model, branch: 'claim' })).rejects.toMatchObject({ statusCode: 409 });
  await createBranch({ ...hub, repo: model, branch: 'claim', overwrite: true });
  const operations = [{ operation: 'addOrUpdate' as const, path: 'a.txt', content: new Blob(['a']) }];
  await commit({ ...hub, repo: model, title: 'first', operations, parentCommit: before });
  await expect(commit({ ...hub, repo: model, title: 'second', operations, parentCommit: before })).rejects.toMatchObject({
    statusCode: 412,
  });
  await commit({ ...hub, repo: model, title: 'elsewhere', operations, branch: 'claim', parentCommit: before });
  await expect(commit({ ...hub, repo: model, title: 'nowhere', operations, branch: 'none' })).rejects.toMatchObject({ statusCode: 404 });
  expect(account().hub.repos[0]?.branches.map(({ name, commits }) => [name, commits])).toEqual([
    ['main', 2],
    ['claim', 2],
  ]);
  const { filePaths } = await modelInfo({ ...hub, name: model, additionalFields: ['filePaths'], revision: before });
  expect(filePaths).toEqual(['.gitattributes']);
  await deleteBranch({ ...hub, repo: model, branch: 'claim' });
  await expect(deleteBranch({ ...hub, repo: model, branch: 'claim' })).rejects.toMatchObject({ statusCode: 404 });
});

test('private repositories are of one account; public ones and base models are for all to read', async () => {
  const { hub, hubOf } = await openHubFixture();
  const other = hubOf('other');
  const { hubUrl } = hub;
  await createRepo({ ...hub, repo: 'rehearsal/secret', visibility: 'private' });
  await createRepo({ ...hub, repo: 'rehearsal/open', visibility: 'public', files: [{ path: 'x', content: new Blob(['x']) }] });
  await expect(createRepo({ ...other, repo: 'rehearsal/mine' })).rejects.toMatchObject({ statusCode: 403 });
  expect(await repoExists({ ...other, repo: 'rehearsal/secret' })).toBe(false);
  expect(await (await downloadFile({ ...other, repo: 'rehearsal/open', path: 'x' }))?.text()).toBe('x');
  expect(await (await downloadFile({ hubUrl, repo: 'rehearsal/open', path: 'x' }))?.text()).toBe('x');
  await expect(downloadFile({ hubUrl, repo: 'rehearsal/secret', path: 'x' })).rejects.toMatchObject({ statusCode: 401 });
  const mine = [{ path: 'y', content: new Blob(['y']) }];
  await expect(uploadFiles({ ...other, repo: 'rehearsal/open', files: mine })).rejects.toMatchObject({ statusCode: 403 });
  const config = await downloadFile({ ...other, repo: 'google-bert/bert-base-uncased', path: 'config.json' });
  expect(JSON.parse((await config?.text()) ?? '')).toMatchObject({ model_type: 'bert' });
  await expect(whoAmI({ hubUrl, accessToken: 'hf_real' })).rejects.toMatchObject({ statusCode: 401 });
});

test('the repositories of an account are listed page by page, the private ones for itself alone', async () => {
  const { hub, hubOf } = await openHubFixture({ pageSize: 2 });
  const names = ['one', 'two', 'three'].map((name) => `rehearsal/${name}`);
  for (const name of names) await createRepo({ ...hub, repo: name, visibility: name.endsWith('two') ? 'private' : 'public' });
  await createRepo({ ...hub, repo });
  const search = { owner: 'rehearsal' };
  expect((await Array.fromAsync(listModels({ ...hub, search }))).map(({ name }) => name)).toEqual(names);
  expect(await Array.fromAsync(listDatasets({ ...hub, search }))).toMatchObject([
    { name: 'rehearsal/rows', private: false, updatedAt: new Date('2026-11-01') },
  ]);
  const others = await Array.fromAsync(listModels({ ...hubOf('other'), search }));
  expect(others.map(({ name }) => name)).toEqual(['rehearsal/one', 'rehearsal/three']);
  expect(await Array.fromAsync(listModels({ ...hub, search: { owner: 'nobody' } }))).toEqual([]);
});

test('trees come in pages of the size that the sandbox has', async () => {
  const { hub, account } = await openHubFixture({ pageSize: 2 });
  const files = ['a', 'b', 'c', 'd'].map((path) => ({ path, content: new Blob([path]) }));
  await createRepo({ ...hub, repo, files });
  const listed = await Array.fromAsync(listFiles({ ...hub, repo }));
  expect(listed.map(({ path }) => path)).toEqual(['.gitattributes', 'a', 'b', 'c', 'd']);
  expect(account().used['tree']).toBe(3);
});
