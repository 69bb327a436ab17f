/** A model of its own in a folder: from an adapter and its base model, or from a run whose model has its adapter merged already. */
import { cpSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';
import type { ModelName } from '../job/run-spec.ts';
import { replaceFolder } from '../lib/fs.ts';
import type { MergedModel } from '../provider/provider.ts';
import { readModelFolder } from '../trainer/model-folder.ts';
import { findNewestRuns, getOnlyRun } from './find-runs.ts';
import type { Workspace } from './workspace.ts';

export interface MergeOptions {
  /** Where the model is written; it must not be there. */
  readonly out: string;
  readonly base: ModelName | null;
  readonly labels: readonly string[] | null;
}

/** @throws Failure `usage` for a folder that is there, `run-not-found`, and of `Inference.merge` */
export async function mergeModel(workspace: Workspace, source: string, options: MergeOptions): Promise<MergedModel> {
  const folder = resolve(options.out);
  if (existsSync(folder) && !(statSync(folder).isDirectory() && readdirSync(folder).length === 0)) {
    throw new Failure('usage', `expected a new folder, found one with files: ${folder}`, { hint: 'name another one with --out' });
  }
  if (existsSync(join(source, 'adapter_config.json'))) {
    const { base, labels } = options;
    const { inference } = workspace.provider('local', 'local');
    return await inference!.merge!({ adapter: resolve(source), folder, base, labels }, workspace.context);
  }
  const model = existsSync(source) ? source : await findModelFolder(workspace, source);
  if (options.base !== null || options.labels !== null) {
    throw new Failure('usage', `--base and --labels belong to a folder with an adapter_config.json, and there is none in ${model}`);
  }
  return copyModel(model, folder);
}

/** The model of a run on this machine. Matrices that it trained are merged into its weights. @throws Failure `run-not-found` */
export async function findModelFolder({ store }: Pick<Workspace, 'store'>, address: string): Promise<string> {
  const run = getOnlyRun(await findNewestRuns(store, address));
  const model = run.record.artifacts.map((artifact) => artifact.model).find(({ kind }) => kind === 'folder');
  if (model?.kind === 'folder') return model.path;
  throw new Failure('run-not-found', `${address} has no model on this machine`, {
    hint: 'a finished run of the provider local has one; an adapter from elsewhere is named by its folder',
  });
}

function copyModel(source: string, folder: string): MergedModel {
  const { labels, revision } = readModelFolder(source);
  try {
    replaceFolder(folder, (part) => {
      for (const name of readdirSync(source)) if (name !== 'adapter') cpSync(join(source, name), join(part, name));
    });
  } catch (error) {
    throw toFileFailure(error, 'model', folder);
  }
  return { folder, labels: labels ?? [], maps: 0, sha256: revision };
}
