/**
 * The models of the Hub on this machine, for all jobs and state folders of a user: large, the same for everybody, and free to delete. So they
 * are in the cache folder of the user and not in the state folder:
 *
 *     CACHE/HOST/OWNER--NAME/branches.json   which commit each branch had when it was last asked for
 *     CACHE/HOST/OWNER--NAME/COMMIT.json     what the Hub says of a commit (see hub-model.ts)
 *     CACHE/HOST/OWNER--NAME/COMMIT/         its files; appears by rename, whole
 *     CACHE/HOST/OWNER--NAME/COMMIT.part/    what has come of it so far: each file in it is whole
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { Failure, toFileFailure } from '../../src/errors.ts';
import { flush } from '../../src/lib/fs.ts';
import { takeRunLock, type RunLock } from '../../src/lib/run-lock.ts';
import { formatBytes } from '../../src/lib/text.ts';
import type { Context } from '../../src/provider/context.ts';
import { parseEndpoint } from '../../src/provider-kit/hub.ts';
import { copyHubFile } from '../../src/provider-kit/hub-files.ts';
import type { HubModel } from './hub-model.ts';

/** `ORCHESTRATE_MODELS`, else the user's cache folder as the XDG rules have it. */
export function getCacheFolder(context: Pick<Context, 'setting'>): string {
  const own = context.setting('ORCHESTRATE_MODELS');
  if (own !== null) return resolve(own);
  const cache = context.setting('XDG_CACHE_HOME') ?? join(context.setting('HOME') ?? homedir(), '.cache');
  return join(cache, 'orchestrate', 'models');
}

/** Models of one name at two Hubs are two models. */
export function getRepositoryFolder(
  { endpoint, repository }: Pick<HubModel, 'endpoint' | 'repository'>,
  context: Pick<Context, 'setting'>,
): string {
  const host = new URL(endpoint).host.replaceAll(':', '_');
  return join(getCacheFolder(context), host, repository.replace('/', '--'));
}

export function getModelFolder(model: Pick<HubModel, 'endpoint' | 'repository' | 'commit'>, context: Pick<Context, 'setting'>): string {
  return join(getRepositoryFolder(model, context), model.commit);
}

/** The model that a folder of the cache is of, at the Hub that is asked now; null for any other folder. */
export function parseModelFolder(folder: string, context: Context): Pick<HubModel, 'endpoint' | 'repository' | 'commit'> | null {
  const [host, name, commit, ...more] = relative(getCacheFolder(context), folder).split(sep);
  if (host === undefined || name === undefined || commit === undefined || more.length > 0) return null;
  const model = { endpoint: parseEndpoint(context), repository: name.replace('--', '/'), commit };
  return getModelFolder(model, context) === resolve(folder) ? model : null;
}

export function countBytes({ files }: Pick<HubModel, 'files'>): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

const lockPauseMs = 500;

/**
 * Brings the files of a model to this machine, each compared with the hash that the Hub lists, and returns their folder: it is there whole or
 * not at all. Of several processes one downloads, and the others wait for it. An interrupted download goes on with the files that it lacks.
 * @throws Failure `disk-full`, `permission-denied`, `response-invalid`, and what the requests throw
 */
export async function fetchModel(model: HubModel, context: Context): Promise<string> {
  const folder = getModelFolder(model, context);
  if (await isComplete(folder, model)) return folder;
  const part = `${folder}.part`;
  await mkdir(part, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the model', part);
  });
  const lock = await takeLock(`${folder}.lock.db`, model, context);
  try {
    if (await isComplete(folder, model)) return folder; // another process was faster
    if (existsSync(folder)) await takeBack(folder, part);
    await mkdir(part, { recursive: true });
    await copyFiles(model, part, context);
    flush(part);
    await rename(part, folder);
    return folder;
  } finally {
    lock.release();
  }
}

/** Whether the folder is there with all files in their sizes. What is in them was compared when they came, and is not read again. */
export async function isComplete(folder: string, { files }: HubModel): Promise<boolean> {
  if (!existsSync(folder)) return false;
  const whole = await Promise.all(files.map(async ({ path, size }) => await isWhole(join(folder, path), size)));
  return !whole.includes(false);
}

/** A folder in which files are missing or cut short becomes a download that was interrupted: those come again. */
async function takeBack(folder: string, part: string): Promise<void> {
  await rm(part, { recursive: true, force: true });
  await rename(folder, part);
}

/** The system drops the lock of a process that dies. */
async function takeLock(path: string, { repository }: HubModel, context: Context): Promise<RunLock> {
  for (let isFirst = true; ; isFirst = false) {
    context.signal.throwIfAborted();
    const lock = takeRunLock(path, 0);
    if (lock !== null) return lock;
    if (isFirst) context.report?.(`waiting for another process that downloads ${repository}`);
    await context.wait(lockPauseMs);
  }
}

async function copyFiles(model: HubModel, part: string, context: Context): Promise<void> {
  const missing = [];
  for (const file of model.files) if (!(await isWhole(join(part, file.path), file.size))) missing.push(file);
  await checkSpace(part, countBytes({ files: missing }));
  const all = countBytes(model);
  let done = all - countBytes({ files: missing });
  const report = createReport(model, { all, part }, context);
  for (const file of missing) {
    context.signal.throwIfAborted();
    report(done);
    const copy = { file, path: join(part, file.path), isPublic: true, onBytes: (bytes: number) => report(done + bytes) };
    await copyHubFile({ repository: model.repository, revision: model.commit }, copy, context);
    done += file.size;
  }
  context.report?.(`${model.repository}: ${formatBytes(all)} downloaded`);
}

/** A file has its name once all its bytes were compared. */
async function isWhole(path: string, size: number): Promise<boolean> {
  return (await stat(path).catch(() => null))?.size === size;
}

async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new Failure('disk-full', `the model needs ${formatBytes(bytes)}, and ${folder} has ${formatBytes(bavail * bsize)} left`, {
    hint: 'free some space, or set ORCHESTRATE_MODELS to a folder on another disk',
  });
}

const reportMs = 250;

function createReport(
  { repository }: HubModel,
  { all, part }: { readonly all: number; readonly part: string },
  context: Context,
): (done: number) => void {
  let last = -Infinity;
  return (done) => {
    const now = context.now().getTime();
    if (now - last < reportMs) return;
    last = now;
    const share = all === 0 ? 100 : Math.floor((100 * done) / all);
    context.report?.(`downloading ${repository}: ${share} % of ${formatBytes(all)} to ${part.replace(/\.part$/, '')}`);
  };
}
