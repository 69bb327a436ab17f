import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bringData } from '../../../providers/huggingface/dataset.ts';
import type { Fault } from '../../../src/sandbox/main.ts';
import { createHubTrial, type HubTrial } from '../local/hub-fixture.ts';

interface DatasetTrial extends HubTrial {
  /** Puts files into a repository of the sandbox's account, a new one where there is none; the commit. */
  put(files: Readonly<Record<string, Uint8Array | string>>, options?: { readonly isPrivate?: boolean }): Promise<string>;
  /** Where datasets are kept. */
  readonly folder: string;
}

const rows = '{"text":"a","label":"x"}\n';
const parquet = readFileSync('fixtures/parquet/reviews-zstd.parquet');
const card =
  '---\nconfigs:\n- config_name: plain\n  data_files:\n  - split: train\n    path: plain/train-*\n  - split: test\n    path: plain/test-*\n---\n# Rows\n';

async function createTrial(): Promise<DatasetTrial> {
  const trial = await createHubTrial();
  const { url } = trial.sandbox;
  const ask = async (path: string, type: string, body: string): Promise<unknown> => {
    const headers = { authorization: 'Bearer hf_sandbox_demo', 'content-type': type };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return await answer.json();
  };
  const folder = join(trial.cache, 'datasets');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  let isThere = false;
  return {
    ...trial,
    folder,
    toContext: (values = {}, signal) => trial.toContext({ ORCHESTRATE_DATASETS: folder, ...values }, signal),
    async put(files, { isPrivate = false } = {}) {
      const encoded = Object.entries(files).map(([path, content]) => ({
        path,
        content: Buffer.from(content).toString('base64'),
        encoding: 'base64',
      }));
      const create = { name: 'rows', type: 'dataset', private: isPrivate };
      if (!isThere) await ask('/api/repos/create', 'application/json', JSON.stringify(create));
      isThere = true;
      const lines = [{ key: 'header', value: { summary: 'rows' } }, ...encoded.map((value) => ({ key: 'file', value }))];
      const body = lines.map((line) => JSON.stringify(line)).join('\n');
      const made = await ask('/api/datasets/demo/rows/commit/main', 'application/x-ndjson', body);
      return (made as { commitOid: string }).commitOid;
    },
  };
}

test('the files of a split are downloaded once, by their commit, and their origin names it', async () => {
  const { put, toContext, asked, folder, said } = await createTrial();
  const commit = await put({
    'README.md': card,
    'plain/train-0.parquet': parquet,
    'plain/train-1.parquet': parquet,
    'plain/test-0.parquet': parquet,
  });
  asked.length = 0;
  const { files, warning } = await bringData('hub:demo/rows#plain/train', toContext());
  expect(warning).toBeNull();
  expect(files.map(({ origin }) => origin)).toEqual([0, 1].map((i) => `hub:demo/rows@${commit}:plain/train-${i}.parquet`));
  for (const { path } of files) expect(readFileSync(path).equals(parquet)).toBe(true);
  expect(files[0]!.path.startsWith(folder)).toBe(true);
  expect(said.at(-1)).toMatch(/^demo\/rows: .* downloaded$/);
  expect(asked.filter((path) => path.includes('/resolve/')).length).toBe(2);
  asked.length = 0;
  expect(await bringData('hub:demo/rows#train', toContext())).toEqual({ files, warning: null });
  expect(asked.filter((path) => path.includes('/resolve/'))).toEqual([]);
  asked.length = 0;
  expect(await bringData(`hub:demo/rows@${commit}#train`, toContext())).toEqual({ files, warning: null });
  expect(asked).toEqual([]); // a commit does not change
});

test('a branch that has moved is another commit', async () => {
  const { put, toContext } = await createTrial();
  await put({ 'rows.jsonl': rows });
  const first = await bringData('hub:demo/rows', toContext());
  const commit = await put({ 'rows.jsonl': `${rows}${rows}` });
  const second = await bringData('hub:demo/rows', toContext());
  expect(second.files[0]!.origin).toBe(`hub:demo/rows@${commit}:rows.jsonl`);
  expect(second.files[0]!.path).not.toBe(first.files[0]!.path);
  expect(readFileSync(first.files[0]!.path, 'utf8')).toBe(rows);
});

test('what is not there, not to be seen, or not readable is one failure with a way out', async () => {
  const { put, toContext } = await createTrial();
  const context = toContext();
  await expect(bringData('hub:demo/rows', context)).rejects.toMatchObject({
    code: 'file-missing',
    message: expect.stringMatching(/^hub:demo\/rows: expected a dataset at .* that everybody may see \(HF_TOKEN is not set\), found none/),
    hint: expect.stringContaining('hf download demo/rows --repo-type dataset'),
  });
  await put({ 'rows.py': 'x' });
  await expect(bringData('hub:demo/rows', context)).rejects.toMatchObject({ message: expect.stringContaining('found a program') });
  await expect(bringData('hub:demo/rows@v9', context)).rejects.toMatchObject({ code: 'file-missing' });
});

test('a private dataset needs the token', async () => {
  const { put, toContext } = await createTrial();
  await put({ 'rows.jsonl': rows }, { isPrivate: true });
  await expect(bringData('hub:demo/rows', toContext())).rejects.toMatchObject({ hint: expect.stringContaining('set HF_TOKEN') });
  expect((await bringData('hub:demo/rows', toContext({ HF_TOKEN: 'hf_sandbox_demo' }))).files.length).toBe(1);
});

const token = { HF_TOKEN: 'hf_sandbox_demo' };
const often = (type: Fault['type'] & ('cut' | 'drop-before')): Fault[] => Array.from({ length: 20 }, () => ({ type }));

test('without a network a branch is what it was, with a warning; one that was never seen is a failure', async () => {
  const { put, toContext, sandbox } = await createTrial();
  const commit = await put({ 'rows.jsonl': rows });
  const { files } = await bringData('hub:demo/rows', toContext(token));
  sandbox.setFaults({ repo: often('drop-before') });
  const warning = expect.stringContaining(
    `the Hub does not answer: demo/rows is taken as it was on 2026-11-22, at the commit ${commit}`,
  ) as string;
  expect(await bringData('hub:demo/rows', toContext(token))).toEqual({ files, warning });
  sandbox.setFaults({ repo: often('drop-before') });
  await expect(bringData('hub:demo/rows@other', toContext(token))).rejects.toMatchObject({ code: 'service-unavailable' });
});

test('a download that is cut short leaves no file', async () => {
  const { put, toContext, sandbox, folder } = await createTrial();
  await put({ 'rows.jsonl': rows });
  sandbox.setFaults({ resolve: often('cut') });
  await expect(bringData('hub:demo/rows', toContext(token))).rejects.toMatchObject({ code: 'service-unavailable' });
  expect(readdirSync(folder, { recursive: true }).filter((path) => String(path).endsWith('rows.jsonl'))).toEqual([]);
  sandbox.setFaults({});
  expect((await bringData('hub:demo/rows', toContext(token))).files.length).toBe(1);
});
