/** The models of the Hub on this machine. Beside what hub-cache.ts says, COMMIT.part/ holds what has come of a model so far. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { toFileFailure } from '../../src/errors.ts';
import { flush } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import { copySnapshot, getRepositoryFolder, takeDownloadLock } from '../../src/provider-kit/hub-cache.ts';
import type { HubModel } from './hub-model.ts';

export function getModelFolder(
  { endpoint, repository, commit }: Pick<HubModel, 'endpoint' | 'repository' | 'commit'>,
  context: Pick<Context, 'setting'>,
): string {
  return join(getRepositoryFolder({ type: 'model', endpoint, repository }, context), commit);
}

/**
 * Brings the files of a model to this machine, each compared with the hash that the Hub lists, and returns their folder: it is there whole or
 * not at all. Of several processes one downloads, and the others wait for it. An interrupted download goes on with the files that it lacks.
 * @throws Failure `disk-full`, `permission-denied`, `response-invalid`, and what the requests throw
 */
export async function fetchModel(model: HubModel, context: Context): Promise<string> {
  const folder = getModelFolder(model, context);
  if (existsSync(folder)) return folder;
  const part = `${folder}.part`;
  await mkdir(part, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the model', part);
  });
  const lock = await takeDownloadLock(`${folder}.lock.db`, model.repository, context);
  try {
    if (existsSync(folder)) return folder; // another process was faster
    await mkdir(part, { recursive: true });
    await copySnapshot({ ...model, type: 'model' }, part, context, folder);
    flush(part);
    await rename(part, folder);
    return folder;
  } finally {
    lock.release();
  }
}
