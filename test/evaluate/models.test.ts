import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RepositoryModel } from '../../src/provider/model.ts';
import type { Inference, Provider } from '../../src/provider/provider.ts';
import { downloadModel, findPredictProblem, getCacheFolder } from '../../src/evaluate/models.ts';
import { tinyBert } from '../cli/write-job.ts';
import { createMemoryService } from '../run/memory-provider.ts';
import { createScratchFolder } from '../scratch.ts';
import { createWorkspace } from './answering-service.ts';

const { context } = createWorkspace('/nowhere');

const model: RepositoryModel = {
  kind: 'repository',
  identity: 'a model',
  location: 'https://hub.example',
  repository: 'acme/model',
  revision: 'a'.repeat(40),
  labels: ['no', 'yes'],
  maxLength: 32,
};

/** A provider that downloads a model without a head, and the folders that it was asked for. */
function createService(fault?: Error): { provider: Provider; asked: string[] } {
  const asked: string[] = [];
  const download: Inference['download'] = async (of, folder) => {
    asked.push(folder);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'begun'), '');
    if (fault !== undefined) throw fault;
    cpSync(tinyBert, folder, { recursive: true });
    return await Promise.resolve({
      kind: 'folder',
      identity: of.identity,
      path: folder,
      labels: of.labels,
      seed: 0,
      maxLength: of.maxLength,
    });
  };
  return { provider: { ...createMemoryService().provider, inference: { ...createMemoryService().provider.inference, download } }, asked };
}

test('a model is downloaded once, as a whole, and then found without its service', async () => {
  const { provider, asked } = createService();
  const cacheFolder = getCacheFolder(createScratchFolder(), 'a-key', 'model');
  expect(existsSync(cacheFolder)).toBe(false);
  const brought = await downloadModel({ provider, cacheFolder }, model, context);
  expect(brought).toEqual({ kind: 'folder', identity: 'a model', path: cacheFolder, labels: ['no', 'yes'], seed: 0, maxLength: 32 });
  expect(existsSync(cacheFolder)).toBe(true);
  expect(await downloadModel({ provider, cacheFolder }, model, context)).toEqual(brought);
  expect(asked).toEqual([`${cacheFolder}.partial`]);
});

test('a download that breaks off leaves no model, and its files are kept for the next one', async () => {
  const { provider } = createService(new Error('cut'));
  const cacheFolder = getCacheFolder(createScratchFolder(), 'a-key', 'base');
  await expect(downloadModel({ provider, cacheFolder }, model, context)).rejects.toThrow('cut');
  expect(existsSync(cacheFolder)).toBe(false);
  expect(existsSync(join(`${cacheFolder}.partial`, 'begun'))).toBe(true);
  const { provider: working } = createService();
  await downloadModel({ provider: working, cacheFolder }, model, context);
  expect(existsSync(`${cacheFolder}.partial`)).toBe(false);
});

test('a model without known labels is no classifier', async () => {
  const { provider } = createService();
  const cacheFolder = getCacheFolder(createScratchFolder(), 'a-key', 'model');
  await expect(downloadModel({ provider, cacheFolder }, { ...model, labels: [] }, context)).rejects.toMatchObject({
    code: 'model-invalid',
  });
});

test('a model that cannot run is found before anything is downloaded', () => {
  const { provider } = createService();
  expect(findPredictProblem(provider, model)).toBeNull();
  expect(findPredictProblem(provider, { ...model, labels: [] })).toContain('writes text');
  expect(findPredictProblem(createMemoryService().provider, model)).toContain('cannot download');
});
