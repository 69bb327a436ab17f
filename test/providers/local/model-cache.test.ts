import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { bringModel, bringModelAgain } from '../../../providers/local/base-model.ts';
import { inspectHubModel, type HubModel } from '../../../providers/local/hub-model.ts';
import { fetchModel, getModelFolder } from '../../../providers/local/model-cache.ts';
import { getCacheFolder } from '../../../src/provider-kit/hub-cache.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { createHubTrial, readTinyBert, type HubTrial } from './hub-fixture.ts';

const name = { kind: 'hub', name: 'acme/tiny', revision: null } as const;
const needed = ['config.json', 'model.safetensors', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json'];

async function createTrial(): Promise<HubTrial & { readonly model: HubModel; readonly folder: string }> {
  const trial = await createHubTrial();
  const { model } = await inspectHubModel(name, trial.toContext());
  trial.asked.length = 0;
  return { ...trial, model, folder: getModelFolder(model, trial.toContext()) };
}

/** What was downloaded, by the names of the files. */
function toDownloads(asked: readonly string[]): string[] {
  return asked.filter((path) => path.includes('/resolve/')).map((path) => path.split('/').at(-1)!);
}

test('only what the trainer needs is downloaded, once, with its progress', async () => {
  const { toContext, asked, model, folder, said } = await createTrial();
  expect(await fetchModel(model, toContext())).toBe(folder);
  expect(readdirSync(folder).sort()).toEqual(needed);
  expect(readFileSync(join(folder, 'model.safetensors')).equals(readTinyBert().get('model.safetensors')!)).toBe(true);
  expect(readdirSync(dirname(folder)).filter((file) => file.endsWith('.part'))).toEqual([]);
  expect(said[0]).toMatch(/^downloading acme\/tiny: 0 % of 2\.0 MB to /);
  expect(said.at(-1)).toBe('acme/tiny: 2.0 MB downloaded');
  expect(toDownloads(asked).sort()).toEqual(needed);
  asked.length = 0;
  expect(await fetchModel(model, toContext())).toBe(folder);
  expect(asked).toEqual([]);
});

test('of two at once one downloads, and the other waits for it', async () => {
  const { toContext, asked, model, folder, said } = await createTrial();
  expect(await Promise.all([fetchModel(model, toContext()), fetchModel(model, toContext())])).toEqual([folder, folder]);
  expect(toDownloads(asked).sort()).toEqual(needed);
  expect(said).toContain('waiting for another process that downloads acme/tiny');
});

test('an interrupted download leaves no model, and goes on with the files that it lacks', async () => {
  const { toContext, asked, model, folder } = await createTrial();
  const stop = new AbortController();
  let ms = 0;
  const report = (text: string): void => void (text.includes(': 0 %') || stop.abort(new Error('Ctrl-C')));
  const interrupted = fetchModel(model, { ...toContext({}, stop.signal), now: () => new Date((ms += 1000)), report });
  await expect(interrupted).rejects.toThrow('Ctrl-C');
  expect(existsSync(folder)).toBe(false);
  const before = readdirSync(`${folder}.part`).filter((file) => needed.includes(file));
  expect(before.length).toBeGreaterThan(0);
  asked.length = 0;
  await fetchModel(model, toContext());
  expect(toDownloads(asked).sort()).toEqual(needed.filter((file) => !before.includes(file)));
  expect(readModelFolder(folder).revision).toBe(readModelFolder('fixtures/models/tiny-bert').revision);
});

test.each(['config.json', 'model.safetensors'])('other bytes of %s than the Hub lists are no model', async (path) => {
  const { toContext, model, folder } = await createTrial();
  const files = model.files.map((file) => {
    if (file.path !== path) return file;
    return file.sha256 === null ? { ...file, oid: '0'.repeat(40) } : { ...file, sha256: '0'.repeat(64) };
  });
  await expect(fetchModel({ ...model, files }, toContext())).rejects.toMatchObject({ code: 'response-invalid' });
  expect(existsSync(folder)).toBe(false);
  expect(readdirSync(`${folder}.part`)).not.toContain(path);
});

test('a model that is larger than the disk is refused with both numbers before anything is written', async () => {
  const { toContext, asked, model } = await createTrial();
  const files = model.files.map((file) => ({ ...file, size: file.size * 1e9 }));
  await expect(fetchModel({ ...model, files }, toContext())).rejects.toMatchObject({
    code: 'disk-full',
    message: expect.stringMatching(/needs \d+\.\d GB, and .* has \d+\.\d GB left/) as string,
  });
  expect(asked).toEqual([]);
});

test('a run brings the commit of its plan, also after the branch has moved, and again where the cache was emptied', async () => {
  const { toContext, model, folder, sandbox } = await createTrial();
  const context = toContext();
  const { endpoint, repository, commit } = model;
  await bringModel({ folder, revision: commit, hub: { endpoint, repository, commit } }, context);
  expect(readModelFolder(folder).config.layers).toBe(2);
  rmSync(folder, { recursive: true });
  await bringModelAgain(context);
  expect(readModelFolder(folder).config.layers).toBe(2);
  await sandbox.close();
  await bringModelAgain(context); // nothing is asked where it is there
});

test('a folder of the user must be what it was in the plan', async () => {
  const { toContext, cache } = await createTrial();
  const folder = join(cache, 'own');
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of readTinyBert()) writeFileSync(join(folder, path), bytes);
  await bringModel({ folder, revision: readModelFolder(folder).revision }, toContext());
  await expect(bringModel({ folder, revision: 'another' }, toContext())).rejects.toMatchObject({ code: 'model-invalid' });
});

test('models are in the cache of the user, or where ORCHESTRATE_MODELS says', () => {
  const toFolder = (values: Readonly<Record<string, string>>): string => getCacheFolder('model', { setting: (key) => values[key] ?? null });
  expect(toFolder({ HOME: '/home/a' })).toBe('/home/a/.cache/orchestrate/models');
  expect(toFolder({ HOME: '/home/a', XDG_CACHE_HOME: '/tmp/cache' })).toBe('/tmp/cache/orchestrate/models');
  expect(toFolder({ HOME: '/home/a', ORCHESTRATE_MODELS: '/data/models' })).toBe('/data/models');
});

test('the same name at two Hubs is two models', async () => {
  const { model, toContext, folder } = await createTrial();
  expect(getModelFolder({ ...model, endpoint: 'https://huggingface.co' }, toContext())).not.toBe(folder);
});
