/** The models of the Hub on this machine. Beside what hub-cache.ts says, COMMIT.part/ holds what has come of a model so far. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { toFileFailure } from '../../src/errors.ts';
import { flush } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import { copySnapshot, findMissing, getCacheFolder, getRepositoryFolder, takeDownloadLock } from '../../src/provider-kit/hub-cache.ts';
import { parseEndpoint } from '../../src/provider-kit/hub.ts';
import type { HubModel } from './hub-model.ts';

export function getModelFolder(
  { endpoint, repository, commit }: Pick<HubModel, 'endpoint' | 'repository' | 'commit'>,
  context: Pick<Context, 'setting'>,
): string {
  return join(getRepositoryFolder({ type: 'model', endpoint, repository }, context), commit);
}

/** The model that a folder of the cache is of, at the Hub that is asked now; null for any other folder. */
export function parseModelFolder(folder: string, context: Context): Pick<HubModel, 'endpoint' | 'repository' | 'commit'> | null {
  const [host, name, commit, ...more] = relative(getCacheFolder('model', context), folder).split(sep);
  if (host === undefined || name === undefined || commit === undefined || more.length > 0) return null;
  const model = { endpoint: parseEndpoint(context), repository: name.replace('--', '/'), commit };
  return getModelFolder(model, context) === resolve(folder) ? model : null;
}

/** Whether the folder is there with all files in their sizes. What is in them was compared when they came, and is not read again. */
export async function isComplete(folder: string, model: HubModel): Promise<boolean> {
  return existsSync(folder) && (await findMissing({ ...model, type: 'model' }, folder)).length === 0;
}

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
  const lock = await takeDownloadLock(`${folder}.lock.db`, model.repository, context);
  try {
    if (await isComplete(folder, model)) return folder; // another process was faster
    if (existsSync(folder)) await takeBack(folder, part);
    await mkdir(part, { recursive: true });
    await copySnapshot({ ...model, type: 'model' }, part, context, folder);
    flush(part);
    await rename(part, folder);
    return folder;
  } finally {
    lock.release();
  }
}

/** A folder in which files are missing or cut short becomes a download that was interrupted: those come again. */
async function takeBack(folder: string, part: string): Promise<void> {
  await rm(part, { recursive: true, force: true });
  await rename(folder, part);
}
