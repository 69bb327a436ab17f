import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { readModelFolder } from '../model-files/model-folder.ts';
import type { Context } from '../provider/context.ts';
import type { FolderModel, ModelRef, RepositoryModel } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';

/** Where a model in a repository is downloaded to: whole or absent. `key` is a run's key, or names a model that no run has made. */
export function getCacheFolder(dir: string, key: string, name: 'model' | 'base'): string {
  return join(dir, 'runs', key, name);
}

/** Why a model can answer no row; null where it can. */
export function findPredictProblem({ inference }: Provider, model: ModelRef): string | null {
  if (model.kind !== 'repository') return inference?.predict === undefined ? 'its provider answers no rows' : null;
  if (inference?.download === undefined) return 'its provider cannot download its model to this machine';
  return model.labels.length > 0 ? null : 'its model writes text, and this machine can run classifiers only';
}

/**
 * A model in a repository as a folder of this machine, downloaded once. Whatever an interrupted download has brought is kept for the
 * next one.
 * @throws Failure of the provider, and `model-invalid` for a model that this machine cannot run
 */
export async function downloadModel(
  { provider, cacheFolder }: { readonly provider: Provider; readonly cacheFolder: string },
  model: RepositoryModel,
  context: Context,
): Promise<FolderModel> {
  if (!existsSync(cacheFolder)) {
    const partial = `${cacheFolder}.partial`;
    await provider.inference!.download!(model, partial, context);
    await rename(partial, cacheFolder).catch(async (error: unknown) => {
      if (!existsSync(cacheFolder)) throw error;
      await rm(partial, { recursive: true, force: true }); // another process was faster
    });
  }
  const labels = model.labels.length > 0 ? model.labels : (readModelFolder(cacheFolder).labels ?? []);
  if (labels.length === 0) {
    throw new Failure('model-invalid', `${model.repository} is no classifier, and this machine can run classifiers only`);
  }
  return { kind: 'folder', identity: model.identity, path: cacheFolder, labels, seed: 0, maxLength: model.maxLength };
}
