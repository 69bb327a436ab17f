import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { flushFolder } from '../model-files/write-safetensors.ts';
import { checkManifest, toManifestPath, toManifestText, type CheckpointFile, type ManifestEntry } from './checkpoint-manifest.ts';

/** What a checkpoint's files hold, in parts. */
export type CheckpointContents = Readonly<Partial<Record<CheckpointFile, Iterable<Uint8Array>>>>;

/** The newest one, and the one before it in case the newest one's place on the disk goes bad. */
const mostKept = 2;
const temporaryPrefix = '.tmp-';

/** The steps of the checkpoints in `folder`, whole or not, the newest first. */
export function listCheckpoints(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => /^step-(\d{8,15})$/.exec(name)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => b - a);
}

export function toCheckpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/**
 * Writes a checkpoint so that it is whole or not there, whatever happens meanwhile, a power cut included: into a temporary folder,
 * flushed file by file, then renamed. Once this returns it is on the disk and was read back; only then older ones are removed.
 *
 * @throws the system's error when it cannot be written, Failure `model-invalid` when what is read back is not what was written; the
 *   checkpoints that were there still are
 */
export function writeCheckpoint(folder: string, step: number, contents: CheckpointContents): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  flushFolder(dirname(folder));
  for (const name of readdirSync(folder)) if (name.startsWith(temporaryPrefix)) rmSync(join(folder, name), { recursive: true });
  const temporary = join(folder, `${temporaryPrefix}${step}`);
  const target = join(folder, toCheckpointName(step));
  try {
    mkdirSync(temporary, { mode: 0o700 });
    const entries = Object.entries(contents) as [CheckpointFile, Iterable<Uint8Array>][];
    const files = entries.map(([name, parts]): ManifestEntry => ({ name, ...writeFlushed(join(temporary, name), parts) }));
    writeFlushed(toManifestPath(temporary), [Buffer.from(toManifestText(step, files))]);
    flushFolder(temporary);
    rmSync(target, { recursive: true, force: true }); // one that was passed over when the training went on from an older one
    renameSync(temporary, target);
    flushFolder(folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  try {
    checkManifest(target, step);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    throw error;
  }
  const older = listCheckpoints(folder).filter((other) => other <= step);
  for (const other of older.slice(mostKept)) rmSync(join(folder, toCheckpointName(other)), { recursive: true });
}

/** Writes and hashes in one pass, and flushes to the disk. */
function writeFlushed(path: string, parts: Iterable<Uint8Array>): Omit<ManifestEntry, 'name'> {
  const hash = createHash('sha256');
  const file = openSync(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for (const part of parts) {
      hash.update(part);
      for (let done = 0; done < part.length;) done += writeSync(file, part, done, Math.min(part.length - done, 2 ** 30));
      bytes += part.length;
    }
    fsyncSync(file);
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    closeSync(file);
  }
}
