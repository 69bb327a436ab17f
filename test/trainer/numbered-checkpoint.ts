import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toStreamKey, toUint32 } from '../../src/lib/random.ts';
import { checkpointFiles, findCheckpoint, type CheckpointContents } from '../../src/trainer/checkpoint/checkpoint-folder.ts';

/** The files of a checkpoint with contents that depend on the step only, in two parts each. */
export function toNumberedContents(step: number, bytes: number): CheckpointContents {
  return Object.fromEntries(checkpointFiles.map((name) => [name, [toNoise(step, name, bytes), toNoise(-step, name, 10)]]));
}

function toNoise(step: number, name: string, bytes: number): Uint8Array {
  const key = toStreamKey(step, name);
  return Uint8Array.from({ length: bytes }, (_, i) => toUint32(key, i));
}

/** The step of the checkpoint that a trainer would go on from, 0 where there is none. Throws where its files are not those of its step. */
export function loadNumbered(folder: string, bytes: number): { readonly step: number; readonly skipped: string[] } {
  const skipped: string[] = [];
  const step = findCheckpoint(folder, {
    skip: (reason) => skipped.push(reason),
    read: (path, found) => {
      for (const [name, parts] of Object.entries(toNumberedContents(found, bytes))) {
        if (!readFileSync(join(path, name)).equals(Buffer.concat([...parts]))) throw new Error(`${path}/${name} is not of step ${found}`);
      }
      return found;
    },
  });
  return { step: step ?? 0, skipped };
}
