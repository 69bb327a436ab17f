import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Failure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import type { Context } from '../../src/provider/context.ts';
import type { AdapterMerge, MergedModel } from '../../src/provider/provider.ts';
import { readPeftFolder } from '../../src/trainer/adapters/index.ts';
import { mergeAdapter } from '../../src/trainer/merge-adapter.ts';
import { inspectHubModel } from './hub-model.ts';
import { fetchModel } from './model-cache.ts';

/** Makes one model of an adapter and its base model, which is downloaded where it is one of the Hub. */
export async function merge({ adapter, base, labels, folder }: AdapterMerge, context: Context): Promise<MergedModel> {
  const name = base ?? toBase(readPeftFolder(adapter).base);
  const merged = mergeAdapter({ adapter, target: folder, labels, ...(await findFolder(name, context)) });
  return { folder, ...merged };
}

/** The base model that adapter_config.json names: a folder that is there, or a name of the Hub. @throws Failure `configuration-invalid` */
function toBase(base: string | null): ModelName {
  if (base !== null && existsSync(resolve(base, 'config.json'))) return { kind: 'folder', path: resolve(base) };
  if (base !== null && /^[\w.-]+\/[\w.-]+$/.test(base)) return { kind: 'hub', name: base, revision: null };
  throw new Failure('configuration-invalid', `the adapter names no base model that can be found here: ${base ?? 'none'}`, {
    hint: 'name it: --base ./models/name, or --base hub:owner/name',
  });
}

async function findFolder(model: ModelName, context: Context): Promise<{ readonly base: string; readonly name: string }> {
  if (model.kind === 'folder') return { base: model.path, name: model.path };
  if (model.kind === 'hub') return { base: await fetchModel((await inspectHubModel(model, context)).model, context), name: model.name };
  throw new Failure('usage', `--base: expected a folder such as ./models/name, or hub:owner/name, found "${model.name}"`);
}
