import { join } from 'node:path';
import { isFailure, toFailureData, toSystemCode } from '../errors.ts';
import { checkManifest } from './checkpoint-manifest.ts';
import { listCheckpoints, toCheckpointName } from './write-checkpoint.ts';

/**
 * What `read` makes of the newest checkpoint that is whole; null where there is none. One that is torn or altered, or that `read`
 * finds to be so (Failure `model-invalid`), is passed over, and `skip` is told why.
 *
 * @throws any other Failure of `read`
 */
export function findCheckpoint<T>(
  folder: string,
  { read, skip }: { read: (path: string, step: number) => T; skip: (reason: string) => void },
): T | null {
  for (const step of listCheckpoints(folder)) {
    const path = join(folder, toCheckpointName(step));
    try {
      checkManifest(path, step);
      return read(path, step);
    } catch (error) {
      if (!isBroken(error)) throw error;
      skip(`passed over the checkpoint of step ${step}: ${toFailureData(error).message}`);
    }
  }
  return null;
}

/** What a bad file, or a bad place on the disk, ends in. */
function isBroken(error: unknown): boolean {
  return isFailure(error) ? ['model-invalid', 'file-missing'].includes(error.code) : toSystemCode(error) !== null;
}
