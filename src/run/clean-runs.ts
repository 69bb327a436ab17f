import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../store/open-store.ts';
import { findRuns } from './find-runs.ts';
import { deleteRun, listRuns, type StoredRun } from './run-store.ts';
import { toRunId } from './run-view.ts';
import { isEnded } from './transitions.ts';

export interface CleanOptions {
  /** The runs of this address; all when absent. */
  readonly address?: string | undefined;
  /** Only runs that were accepted so long ago. */
  readonly olderThanMs?: number | undefined;
  readonly dryRun: boolean;
}

export interface CleanedRun {
  readonly id: string;
  /** Of its folder. */
  readonly bytes: number;
}

export async function findOldRuns(
  store: Store,
  { address, olderThanMs = 0 }: Omit<CleanOptions, 'isRehearsal'>,
  now: Date,
): Promise<StoredRun[]> {
  const until = now.getTime() - olderThanMs;
  const found = address === undefined ? await listRuns(store) : await findRuns(store, address);
  return found.filter(({ record }) => Date.parse(record.times.created) <= until);
}

/**
 * Deletes ended runs with their folders and models, and kept data files that no run needs any more. A rehearsal only tells.
 * A run that has not ended is never touched: forgetting it could have it paid for again; nor one whose model is deployed, which costs.
 */
export async function cleanRuns(
  store: Store,
  dir: string,
  { runs, dryRun }: { readonly runs: readonly StoredRun[]; readonly dryRun: boolean },
): Promise<CleanedRun[]> {
  const cleaned: CleanedRun[] = [];
  for (const run of runs.filter(({ record }) => isEnded(record.state) && record.deployment === null)) {
    const folder = join(dir, 'runs', run.key);
    cleaned.push({ id: toRunId(run.record), bytes: await countBytes(folder) });
    if (dryRun) continue;
    await deleteRun(store, run.key);
    await rm(folder, { recursive: true, force: true });
  }
  if (!dryRun) await deleteUnusedData(store, dir);
  return cleaned;
}

async function deleteUnusedData(store: Store, dir: string): Promise<void> {
  const used = new Set<string>();
  for (const { record } of await listRuns(store)) {
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
