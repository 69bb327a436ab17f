import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Provider } from '../provider/provider.ts';
import type { PreparedRun, RemoteResource } from '../provider/remote-resource.ts';
import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import { findRuns } from './find-runs.ts';
import { toRunId } from './record.ts';
import { deleteRun, listAllRuns, listRuns, type StoredRun } from './run-store.ts';
import { isEnded } from './transitions.ts';
import type { Workspace } from './workspace.ts';

export interface CleanOptions {
  /** The runs of this address; all when absent. */
  readonly address?: string | undefined;
  /** Only runs that were accepted at least so long ago. */
  readonly olderThanMs?: number | undefined;
  /** Lists what would be deleted, and deletes nothing. */
  readonly dryRun: boolean;
}

export interface CleanedRun {
  readonly id: string;
  /** The size of its folder. */
  readonly bytes: number;
}

type CleanWorkspace = Pick<Workspace, 'store' | 'dir' | 'context'>;

/**
 * Deletes ended runs with their folders and models, and copies of data files that no run needs any more. A run that has not ended is never
 * deleted, because it could be paid for again; nor is one whose model is deployed, which costs money.
 */
export async function cleanRuns(workspace: CleanWorkspace, options: CleanOptions): Promise<CleanedRun[]> {
  const { store, dir } = workspace;
  await listAllRuns(store); // or it throws: it is unknown what a damaged run needs
  const cleaned: CleanedRun[] = [];
  for (const run of await findOldRuns(workspace, options)) {
    if (!isEnded(run.record.state) || run.record.deployment !== null) continue;
    const folder = join(dir, 'runs', run.key);
    cleaned.push({ id: toRunId(run.record), bytes: await countBytes(folder) });
    if (options.dryRun) continue;
    await deleteRun(store, run.key);
    await rm(folder, { recursive: true, force: true });
  }
  if (!options.dryRun) await deleteUnusedData(store, dir);
  return cleaned;
}

async function findOldRuns({ store, context }: CleanWorkspace, { address, olderThanMs = 0 }: CleanOptions): Promise<StoredRun[]> {
  const until = context.now().getTime() - olderThanMs;
  const found = address === undefined ? await listRuns(store) : await findRuns(store, address);
  return found.filter(({ record }) => Date.parse(record.times.created) <= until);
}

async function deleteUnusedData(store: Store, dir: string): Promise<void> {
  const used = new Set<string>();
  for (const { record } of await listAllRuns(store)) {
    const { train, validation, test } = record.plan.facts;
    for (const part of [train, ...(validation === null ? [] : [validation]), ...Object.values(test)]) {
      for (const { sha256 } of part.sources) used.add(sha256);
    }
  }
  const folder = join(dir, 'data');
  for (const name of await readdir(folder).catch(() => [])) {
    if (!used.has(name.split('.')[0]!)) await rm(join(folder, name));
  }
}

async function countBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.filter((entry) => entry.isFile()).map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Deletes the files and repositories that the provider created at its service for ended runs; the runs themselves stay. Without an address
 * and an age it also deletes those that no run of this store needs.
 * @throws Failure `usage` for a provider that keeps no such resources, and those of the provider
 */
export async function cleanService(workspace: CleanWorkspace, provider: Provider, options: CleanOptions): Promise<RemoteResource[]> {
  const { store, context } = workspace;
  const resources = provider.account?.resources;
  if (resources === undefined) {
    throw new Failure('usage', `the provider "${provider.id}" keeps nothing that can be deleted from here`, {
      hint: '`orchestrate clean` without --provider deletes runs on this machine',
    });
  }
  const isOwn = ({ record }: StoredRun): boolean => record.plan.spec.provider === provider.id;
  const toPrepared = ({ key, record: { prepared } }: StoredRun): PreparedRun<unknown> => ({ key, prepared });
  const chosen = (await findOldRuns(workspace, options)).filter(isOwn);
  const open = (await listAllRuns(store)).filter(isOwn).filter(({ record }) => !isEnded(record.state));
  const found = await resources.list(
    {
      ended: chosen.filter(({ record }) => isEnded(record.state)).map(toPrepared),
      open: open.map(toPrepared),
      isAll: options.address === undefined && options.olderThanMs === undefined,
    },
    context,
  );
  if (!options.dryRun) for (const resource of found) await resources.delete(resource, context);
  return found;
}
