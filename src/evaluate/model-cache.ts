import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../provider/context.ts';
import type { FolderModel, ModelRef, RepositoryModel } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import { Failure } from '../errors.ts';
import { readModelFolder } from '../trainer/model-folder.ts';

/** Where a model in a repository is brought to, and who answers with it from there. */
export interface ModelCache {
  /** Whole or absent. */
  readonly folder: string;
  /** The provider of this machine. */
  readonly provider: Provider;
}

export function getCacheFolder(
  { dir, provider }: { readonly dir: string; provider(id: string, target: string): Provider },
  key: string,
  name: 'model' | 'base',
): ModelCache {
  return { folder: join(dir, 'runs', key, name), provider: provider('local', name) };
}

/** Why no row can be answered with a model; null where that is possible. */
export function findPredictProblem(provider: Provider, model: ModelRef): string | null {
  if (model.kind !== 'repository') return provider.inference?.predict === undefined ? 'its provider answers no rows' : null;
  if (provider.inference?.download === undefined) return 'its provider cannot bring its model to this machine';
  return model.labels.length > 0 ? null : 'its model writes text, and this machine answers with classifiers only';
}

export function isCached({ folder }: ModelCache): boolean {
  return existsSync(folder);
}

/**
 * A model in a repository as a folder of this machine; one that is there already is not asked for again. What a broken download has
 * brought is kept for the next one.
 * @throws Failure of the provider, and `model-invalid` for what this machine cannot answer with
 */
export async function downloadModel(
  { provider, model, cache }: { readonly provider: Provider; readonly model: RepositoryModel; readonly cache: ModelCache },
  context: Context,
): Promise<FolderModel> {
  const { folder } = cache;
  if (!isCached(cache)) {
    const partial = `${folder}.partial`;
    await provider.inference!.download!(model, partial, context);
    await rename(partial, folder).catch(async (error: unknown) => {
      if (!isCached(cache)) throw error;
      await rm(partial, { recursive: true, force: true }); // another process was faster
    });
  }
  const labels = model.labels.length > 0 ? model.labels : (readModelFolder(folder).labels ?? []);
  if (labels.length === 0) {
    throw new Failure(
      'model-invalid',
      `${model.repository}: expected a classifier, found none: this machine answers with classifiers only`,
    );
  }
  return { kind: 'folder', identity: model.identity, path: folder, labels, seed: 0, maxLength: model.maxLength };
}
