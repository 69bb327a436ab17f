import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Context } from '../../src/provider/context.ts';
import type { RepositoryModel } from '../../src/provider/model.ts';
import type { Inference, Provider } from '../../src/provider/provider.ts';
import { downloadModel, findPredictProblem, isCached, getCacheFolder } from '../../src/evaluate/model-cache.ts';
import { tinyBert } from '../cli/write-job.ts';
import { createMemoryService } from '../run/memory-provider.ts';
import { createScratchFolder } from '../scratch.ts';

const context: Context = {
  signal: new AbortController().signal,
  now: () => new Date(0),
  wait: async () => await Promise.resolve(),
  setting: () => null,
  credential: () => null,
};

const model: RepositoryModel = {
  kind: 'repository',
  identity: 'a model',
  location: 'https://hub.example',
  repository: 'acme/model',
  revision: 'a'.repeat(40),
  labels: ['no', 'yes'],
  maxLength: 32,
};

/** A provider that brings a model without a head, and what it was asked. */
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

test('a model is brought once, whole, and then found without its service', async () => {
  const { provider, asked } = createService();
  const cache = getCacheFolder({ dir: createScratchFolder(), provider: () => provider }, 'a-key', 'model');
  expect(isCached(cache)).toBe(false);
  const brought = await downloadModel({ provider, model, cache }, context);
  expect(brought).toEqual({ kind: 'folder', identity: 'a model', path: cache.folder, labels: ['no', 'yes'], seed: 0, maxLength: 32 });
  expect(isCached(cache)).toBe(true);
  expect(await downloadModel({ provider, model, cache }, context)).toEqual(brought);
  expect(asked).toEqual([`${cache.folder}.partial`]);
});

test('a download that breaks off leaves no model, and what came is kept for the next one', async () => {
  const { provider } = createService(new Error('cut'));
  const cache = getCacheFolder({ dir: createScratchFolder(), provider: () => provider }, 'a-key', 'base');
  await expect(downloadModel({ provider, model, cache }, context)).rejects.toThrow('cut');
  expect(isCached(cache)).toBe(false);
  expect(existsSync(join(`${cache.folder}.partial`, 'begun'))).toBe(true);
  const { provider: working } = createService();
  await downloadModel({ provider: working, model, cache }, context);
  expect(existsSync(`${cache.folder}.partial`)).toBe(false);
});

test('a model without labels that nobody knows is no classifier', async () => {
  const { provider } = createService();
  const cache = getCacheFolder({ dir: createScratchFolder(), provider: () => provider }, 'a-key', 'model');
  await expect(downloadModel({ provider, model: { ...model, labels: [] }, cache }, context)).rejects.toMatchObject({
    code: 'model-invalid',
  });
});

test('what cannot answer is told before anything is brought', () => {
  const { provider } = createService();
  expect(findPredictProblem(provider, model)).toBeNull();
  expect(findPredictProblem(provider, { ...model, labels: [] })).toContain('writes text');
  expect(findPredictProblem(createMemoryService().provider, model)).toContain('cannot bring');
});
