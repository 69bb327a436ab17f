import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { Check } from '../../src/provider/provider.ts';
import type { RemoteResource, RunsToClean } from '../../src/provider/remote-resource.ts';
import { isTerminalPhase } from '../../src/provider/status.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import { openHub, type Hub } from '../../src/provider-kit/hub.ts';
import { getPhase, listJobs, parseTask } from './jobs.ts';
import { datasetName, isModelOf, modelName } from './names.ts';
import type { Repository } from '../../src/provider-kit/hub-files.ts';
import { removeRepository } from './repositories.ts';
import type { Prepared } from './request.ts';
import { boundItems } from '../../src/provider-kit/paging.ts';

const WhoAmI = z.looseObject({ name: z.string().min(1), canPay: z.boolean().nullish() });

/** Who the token belongs to. */
async function readAccount(hub: Hub): Promise<z.infer<typeof WhoAmI>> {
  return await hub.read(WhoAmI, '/api/whoami-v2');
}

/** Who pays and owns: what the target names, else HF_NAMESPACE, else the token's own account. */
export async function readNamespace(hub: Hub, asked: string | null, context: Context): Promise<string> {
  const named = asked ?? context.setting('HF_NAMESPACE');
  if (named === null || named === '') return (await readAccount(hub)).name;
  if (/^[A-Za-z0-9][\w.-]{0,95}$/.test(named)) return named;
  throw new Failure('configuration-invalid', 'HF_NAMESPACE: expected the name of a user or an organization, found something else');
}

const name = 'Hugging Face';

/** Whether the Hub knows the token, and the account can pay; costs nothing. Without a token nothing is asked. */
export async function check(context: Context): Promise<Check[]> {
  if (context.credential('HF_TOKEN') === null) {
    // This is not a fault: most people use some services only.
    return [{ name, ok: true, found: 'not set up: HF_TOKEN not set', hint: null }];
  }
  try {
    const hub = openHub(context, { deadlineMs: 15_000 });
    const { name: account, canPay } = await readAccount(hub);
    const namespace = context.setting('HF_NAMESPACE') ?? account;
    const found = `the token of ${account} works at ${hub.endpoint}; jobs run in ${namespace}`;
    if (canPay !== false) return [{ name, ok: true, found, hint: null }];
    return [
      { name, ok: false, found: `${found}, which cannot pay for them`, hint: 'add credit at https://huggingface.co/settings/billing' },
    ];
  } catch (error) {
    if (!isFailure(error)) throw error;
    return [{ name, ok: false, found: error.message, hint: error.hint }];
  }
}

/**
 * Repositories that were made for runs which have ended: their models, by the name and the run key in it, and their rows; of all runs also
 * rows that no run here knows. Not among them: what a run needs that has not ended, or a job of the account that has not. Reads only.
 */
export async function listResources({ ended, open, isAll }: RunsToClean<Prepared>, context: Context): Promise<RemoteResource[]> {
  const hub = openHub(context);
  const getPrepared = (runs: RunsToClean<Prepared>['ended']): Prepared[] =>
    runs.flatMap(({ prepared }) => prepared).filter(({ endpoint }) => endpoint === hub.endpoint);
  const [past, present] = [getPrepared(ended), getPrepared(open)];
  const namespaces = new Set([...past, ...present].map(({ namespace }) => namespace)).add(await readNamespace(hub, null, context));
  const used = new Set(present.flatMap(({ dataset, output }) => [formatId('dataset', dataset.repo), formatId('model', output)]));
  const rows = new Set(past.map(({ dataset }) => dataset.repo));
  const isMade = (repo: Repository): boolean => {
    if (!isOurs(repo) || used.has(formatId(repo.type, repo.name))) return false;
    if (repo.type === 'dataset') return isAll || rows.has(repo.name);
    const isOf = ({ key }: { key: string }): boolean => isModelOf(getOwnName(repo.name), key);
    return ended.some(isOf) && !open.some(isOf);
  };
  const made: RemoteResource[] = [];
  for (const namespace of namespaces) {
    for (const id of await listUsed(hub, namespace)) used.add(id);
    made.push(...(await listRepositories(hub, namespace)).filter(({ kind, name }) => isMade({ type: kind, name })));
  }
  return made;
}

/** Deletes it for good; what is gone already is no error. @throws Failure `usage` for what this program did not make */
export async function deleteResource({ id }: RemoteResource, context: Context): Promise<void> {
  const [, type, name] = /^(dataset|model):([\w.-]+\/[\w.-]+)$/.exec(id) ?? [];
  if (name === undefined || (type !== 'dataset' && type !== 'model') || !isOurs({ type, name })) {
    throw new Failure('usage', `expected a repository that this program made, found "${id}"; it was not deleted`);
  }
  await removeRepository(openHub(context), { type, name });
}

function formatId(type: Repository['type'], name: string): string {
  return `${type}:${name}`;
}

function getOwnName(name: string): string {
  return name.split('/')[1] ?? '';
}

function isOurs({ type, name }: Repository): boolean {
  return (type === 'dataset' ? datasetName : modelName).test(getOwnName(name));
}

/** The repositories that open jobs read and write, also those of other machines. */
async function listUsed(hub: Hub, namespace: string): Promise<string[]> {
  const open = (await listJobs(hub, namespace, null)).filter((job) => !isTerminalPhase(getPhase(job)));
  return open.flatMap((job) => {
    const task = parseTask(job);
    if (task === null) return [];
    return [formatId('model', task.output.repo), ...(task.dataset === null ? [] : [formatId('dataset', task.dataset.repo)])];
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
      found.push({ id: formatId(kind, name), kind, name, updatedAt: Number.isNaN(at.getTime()) ? null : at.toISOString(), url });
    };
    for await (const entry of boundItems(listDatasets(asked), 'list datasets')) add('dataset', entry);
    for await (const entry of boundItems(listModels(asked), 'list models')) add('model', entry);
    return found;
  });
}
