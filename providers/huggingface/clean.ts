import type { Context } from '../../src/provider/context.ts';
import type { RemoteResource, RunsToClean } from '../../src/provider/remote-resource.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { Failure } from '../../src/errors.ts';
import { openHub, type Hub } from './client.ts';
import { listJobs } from './jobs-api.ts';
import { datasetName, isModelOf, modelName } from './names.ts';
import { readNamespace } from './namespace.ts';
import { toPhase } from './observe.ts';
import { parseTask } from './parse-task.ts';
import { removeRepository, type Repository } from './repositories.ts';
import type { Prepared } from './request.ts';

/**
 * Repositories that were made for runs which have ended: their models, by the name and the run key in it, and their rows. Of all runs also
 * rows that no run here knows of. What a run needs that has not ended, or a job of the account that has not, is none of them. Reads only.
 */
export async function listResources({ ended, open, isAll }: RunsToClean<Prepared>, context: Context): Promise<RemoteResource[]> {
  const hub = openHub(context);
  const toPrepared = (runs: RunsToClean<Prepared>['ended']): Prepared[] =>
    runs.flatMap(({ prepared }) => prepared).filter(({ endpoint }) => endpoint === hub.endpoint);
  const [past, present] = [toPrepared(ended), toPrepared(open)];
  const namespaces = new Set([...past, ...present].map(({ namespace }) => namespace)).add(await readNamespace(hub, null, context));
  const used = new Set(present.flatMap(({ dataset, output }) => [toId('dataset', dataset.repo), toId('model', output)]));
  const rows = new Set(past.map(({ dataset }) => dataset.repo));
  const isMade = ({ type, name }: Repository): boolean => {
    if (!isOurs({ type, name }) || used.has(toId(type, name))) return false;
    if (type === 'dataset') return isAll || rows.has(name);
    const isOf = ({ key }: { key: string }): boolean => isModelOf(toOwnName(name), key);
    return ended.some(isOf) && !open.some(isOf);
  };
  const made: RemoteResource[] = [];
  for (const namespace of namespaces) {
    for (const id of await listUsed(hub, namespace)) used.add(id);
    made.push(...(await listRepositories(hub, namespace)).filter(({ kind, name }) => isMade({ type: kind, name })));
  }
  return made;
}

/** Deletes it for good; what is gone already is no error. @throws Failure `usage` for what is none of ours */
export async function deleteResource({ id }: RemoteResource, context: Context): Promise<void> {
  const [, type, name] = /^(dataset|model):([\w.-]+\/[\w.-]+)$/.exec(id) ?? [];
  if (name === undefined || (type !== 'dataset' && type !== 'model') || !isOurs({ type, name })) {
    throw new Failure('usage', `expected a repository that this program made, found "${id}"; it was not deleted`);
  }
  await removeRepository(openHub(context), { type, name });
}

function toId(type: Repository['type'], name: string): string {
  return `${type}:${name}`;
}

function toOwnName(name: string): string {
  return name.split('/')[1] ?? '';
}

function isOurs({ type, name }: Repository): boolean {
  return (type === 'dataset' ? datasetName : modelName).test(toOwnName(name));
}

/** What jobs that have not ended read and write, whoever made them. */
async function listUsed(hub: Hub, namespace: string): Promise<string[]> {
  const jobs = (await listJobs(hub, namespace, null)).filter(({ status }) => !isTerminalPhase(toPhase(status.stage)));
  return jobs.flatMap((job) => {
    const task = parseTask(job);
    if (task === null) return [];
    return [toId('model', task.output.repo), ...(task.dataset === null ? [] : [toId('dataset', task.dataset.repo)])];
  });
}

type OwnRepository = RemoteResource & { readonly kind: Repository['type'] };

async function listRepositories(hub: Hub, namespace: string): Promise<OwnRepository[]> {
  const { listDatasets, listModels } = await import('@huggingface/hub');
  const asked = { ...hub.params, search: { owner: namespace } };
  return await hub.call(`list repositories of ${namespace}`, async () => {
    const found: OwnRepository[] = [];
    const add = (kind: Repository['type'], { name, updatedAt: at }: { name: string; updatedAt: Date }): void => {
      const url = `${hub.endpoint}/${kind === 'dataset' ? 'datasets/' : ''}${name}`;
      found.push({ id: toId(kind, name), kind, name, updatedAt: Number.isNaN(at.getTime()) ? null : at.toISOString(), url });
    };
    for await (const entry of listDatasets(asked)) add('dataset', entry);
    for await (const entry of listModels(asked)) add('model', entry);
    return found;
  });
}
