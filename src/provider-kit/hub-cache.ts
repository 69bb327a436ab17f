/**
 * Repositories of the Hub on this machine, for all jobs and state folders of a user: large, the same for everybody, and free to delete. So
 * they are in the cache folder of the user and not in the state folder:
 *
 *     CACHE/HOST/OWNER--NAME/branches.json   which commit each branch had when it was last asked for
 *     CACHE/HOST/OWNER--NAME/COMMIT.json     what the Hub says of a commit (hub-records.ts)
 *     CACHE/HOST/OWNER--NAME/COMMIT/         its files, each whole
 */
import { mkdir, stat, statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';
import { takeRunLock, type RunLock } from '../lib/run-lock.ts';
import { formatBytes } from '../lib/text.ts';
import type { Context } from '../provider/context.ts';
import { copyHubFile, type HubFile, type Repository } from './hub-files.ts';

/** A repository at a Hub. */
export interface CachedRepository {
  readonly type: Repository['type'];
  readonly endpoint: string;
  /** `owner/name`. */
  readonly repository: string;
}

/** Files of a repository at one commit. */
export interface Snapshot extends CachedRepository {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

const settings: Readonly<Record<Repository['type'], string>> = { model: 'ORCHESTRATE_MODELS', dataset: 'ORCHESTRATE_DATASETS' };

/** `ORCHESTRATE_MODELS` or `ORCHESTRATE_DATASETS`, else the user's cache folder as the XDG rules have it. */
export function getCacheFolder(type: Repository['type'], context: Pick<Context, 'setting'>): string {
  const own = context.setting(settings[type]);
  if (own !== null) return resolve(own);
  const cache = context.setting('XDG_CACHE_HOME') ?? join(context.setting('HOME') ?? homedir(), '.cache');
  return join(cache, 'orchestrate', `${type}s`);
}

/** Repositories of one name at two Hubs are two. */
export function getRepositoryFolder({ type, endpoint, repository }: CachedRepository, context: Pick<Context, 'setting'>): string {
  const host = new URL(endpoint).host.replaceAll(':', '_');
  return join(getCacheFolder(type, context), host, repository.replace('/', '--'));
}

export function countBytes(files: readonly Pick<HubFile, 'size'>[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

const lockPauseMs = 500;

/** The lock of a download, which the system drops when its process dies. Others wait for it. */
export async function takeDownloadLock(path: string, repository: string, context: Context): Promise<RunLock> {
  for (let isFirst = true; ; isFirst = false) {
    context.signal.throwIfAborted();
    const lock = takeRunLock(path, 0);
    if (lock !== null) return lock;
    if (isFirst) context.report?.(`waiting for another process that downloads ${repository}`);
    await context.wait(lockPauseMs);
  }
}

/** The files of a snapshot that are not in the folder yet: a file has its name once all its bytes were compared. */
export async function findMissing({ files }: Snapshot, folder: string): Promise<HubFile[]> {
  const missing = [];
  for (const file of files) if ((await stat(join(folder, file.path)).catch(() => null))?.size !== file.size) missing.push(file);
  return missing;
}

/**
 * Copies the files that the folder lacks, each compared with the hash that the Hub lists.
 * @param shown the folder as messages name it
 * @throws Failure `disk-full`, `permission-denied`, `response-invalid`, and what the requests throw
 */
export async function copySnapshot(snapshot: Snapshot, folder: string, context: Context, shown = folder): Promise<void> {
  const { type, repository, commit: revision, files } = snapshot;
  const missing = await findMissing(snapshot, folder);
  await checkSpace(snapshot, { folder, bytes: countBytes(missing) });
  const all = countBytes(files);
  let done = all - countBytes(missing);
  const report = createReport({ all, repository, folder: shown }, context);
  for (const file of missing) {
    context.signal.throwIfAborted();
    report(done);
    const path = join(folder, file.path);
    await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
      throw toFileFailure(error, `folder of the ${type}`, path);
    });
    const copy = { file, path, isPublic: true, onBytes: (bytes: number) => report(done + bytes) };
    await copyHubFile({ type, repository, revision }, copy, context);
    done += file.size;
  }
  context.report?.(`${repository}: ${formatBytes(all)} downloaded`);
}

async function checkSpace({ type }: Snapshot, { folder, bytes }: { readonly folder: string; readonly bytes: number }): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new Failure('disk-full', `the ${type} needs ${formatBytes(bytes)}, and ${folder} has ${formatBytes(bavail * bsize)} left`, {
    hint: `free some space, or set ${settings[type]} to a folder on another disk`,
  });
}

const reportMs = 250;

function createReport(
  { all, repository, folder }: { readonly all: number; readonly repository: string; readonly folder: string },
  context: Context,
): (done: number) => void {
  let last = -Infinity;
  return (done) => {
    const now = context.now().getTime();
    if (now - last < reportMs) return;
    last = now;
    const share = all === 0 ? 100 : Math.floor((100 * done) / all);
    context.report?.(`downloading ${repository}: ${share} % of ${formatBytes(all)} to ${folder}`);
  };
}
