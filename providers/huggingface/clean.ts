import type { Context } from '../../src/contract/context.ts';
import { Failure } from '../../src/failure.ts';
import { openHub } from './client.ts';
import { datasetName, modelName } from './names.ts';
import { readNamespace } from './namespace.ts';
import { removeRepository, type Repository } from './repositories.ts';

/** A repository that this program made at the Hub. */
export interface MadeThing {
  /** What `removeMade` is given: `dataset:owner/name` or `model:owner/name`. */
  readonly id: string;
  readonly kind: Repository['type'];
  /** `owner/name`. */
  readonly name: string;
  /** When it last changed, ISO 8601. */
  readonly updatedAt: string;
  readonly url: string;
}

/** Everything of ours in the namespace, found by its names: rows by their hash, models by their run key. Reads only. */
export async function listMade(c: Context): Promise<MadeThing[]> {
  const hub = openHub(c);
  const namespace = await readNamespace(hub, null, c);
  const { listDatasets, listModels } = await import('@huggingface/hub');
  const asked = { ...hub.params, search: { owner: namespace } };
  return await hub.call(`list repositories of ${namespace}`, async () => {
    const made: MadeThing[] = [];
    const add = (kind: Repository['type'], { name, updatedAt }: { name: string; updatedAt: Date }): void => {
      const at = Number.isNaN(updatedAt.getTime()) ? '' : updatedAt.toISOString();
      const url = `${hub.endpoint}/${kind === 'dataset' ? 'datasets/' : ''}${name}`;
      if (isOurs({ type: kind, name })) made.push({ id: `${kind}:${name}`, kind, name, updatedAt: at, url });
    };
    for await (const entry of listDatasets(asked)) add('dataset', entry);
    for await (const entry of listModels(asked)) add('model', entry);
    return made;
  });
}

/** Deletes them for good. @throws Failure `usage` for an id that is none of ours, before anything is deleted */
export async function removeMade(ids: readonly string[], c: Context): Promise<void> {
  const repos = ids.map(parseId);
  const hub = openHub(c);
  for (const repo of repos) {
    c.signal.throwIfAborted();
    await removeRepository(hub, repo);
  }
}

function parseId(id: string): Repository {
  const [, type, name] = /^(dataset|model):([\w.-]+\/[\w.-]+)$/.exec(id) ?? [];
  if (name !== undefined && (type === 'dataset' || type === 'model') && isOurs({ type, name })) return { type, name };
  throw new Failure('usage', `expected a repository that this program made, found "${id}"; nothing was deleted`);
}

function isOurs({ type, name }: Repository): boolean {
  const own = name.split('/')[1] ?? '';
  return (type === 'dataset' ? datasetName : modelName).test(own);
}
