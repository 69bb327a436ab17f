/**
 * Checkpoints on the disk: folders step-00000120/ with a few files and a manifest that has the hash of each. A checkpoint is whole or
 * it is not used. The newest two are kept.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isFailure, Failure, toFailureData, toSystemCode } from '../../errors.ts';
import { flush, hashFileSync, readBoundedFile, replaceFolder, writeParts } from '../../lib/fs.ts';
import { listCheckpoints } from '../protocol.ts';

/** Every file that a checkpoint may have; `best.safetensors` only where the best weights are asked for. */
export const checkpointFiles = ['weights.safetensors', 'moments.safetensors', 'state.json', 'best.safetensors'] as const;
const neededFiles = checkpointFiles.slice(0, 3);
export type CheckpointFile = (typeof checkpointFiles)[number];

/** What a checkpoint's files hold, in parts. */
export type CheckpointContents = Readonly<Partial<Record<CheckpointFile, Iterable<Uint8Array>>>>;

/** The newest one, and the one before it in case the disk damages the newest one. */
const mostKept = 2;

export function getCheckpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/**
 * Writes a checkpoint so that it is whole or not there, whatever happens meanwhile, a power cut included. Once this returns it is on
 * the disk and was read back; only then older ones are removed.
 *
 * @throws the system's error when it cannot be written, Failure `model-invalid` when what is read back is not what was written; the
 *   checkpoints that were there still are
 */
export function writeCheckpoint(folder: string, step: number, contents: CheckpointContents): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  flush(dirname(folder));
  for (const name of readdirSync(folder)) if (name.startsWith('.')) rmSync(join(folder, name), { recursive: true }); // unfinished ones
  const target = join(folder, getCheckpointName(step));
  replaceFolder(target, (unfinished) => {
    const entries = Object.entries(contents) as [CheckpointFile, Iterable<Uint8Array>][];
    const files = entries.map(([name, parts]): ManifestEntry => ({ name, ...writeParts(join(unfinished, name), parts) }));
    writeParts(join(unfinished, manifestName), [Buffer.from(formatManifest(step, files))]);
  });
  try {
    checkManifest(target, step);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    throw error;
  }
  const older = listCheckpoints(folder).filter((other) => other <= step);
  for (const other of older.slice(mostKept)) rmSync(join(folder, getCheckpointName(other)), { recursive: true });
}

/**
 * Returns what `read` makes of the newest checkpoint that is whole; null where there is none. One that is torn or altered, or in which
 * `read` finds a fault (Failure `model-invalid`), is passed over with a reason to `skip`.
 *
 * @throws any other Failure of `read`
 */
export function findCheckpoint<T>(
  folder: string,
  { read, skip }: { read: (path: string, step: number) => T; skip: (reason: string) => void },
): T | null {
  for (const step of listCheckpoints(folder)) {
    const path = join(folder, getCheckpointName(step));
    try {
      checkManifest(path, step);
      return read(path, step);
    } catch (error) {
      // A damaged file, or a damaged disk.
      const isBroken = isFailure(error) ? ['model-invalid', 'file-missing'].includes(error.code) : toSystemCode(error) !== null;
      if (!isBroken) throw error;
      skip(`passed over the checkpoint of step ${step}: ${toFailureData(error).message}`);
    }
  }
  return null;
}

/** Raised whenever an older program could misread a checkpoint. */
const formatVersion = 1;
const manifestName = 'MANIFEST.json';
const maxManifestBytes = 2 ** 16;

const ManifestEntry = z.object({ name: z.enum(checkpointFiles), bytes: z.int(), sha256: z.string() });
type ManifestEntry = Readonly<z.infer<typeof ManifestEntry>>;
const Manifest = z
  .object({ files: z.array(ManifestEntry) })
  .transform(({ files }) => files)
  .refine((files) => new Set(files.map(({ name }) => name)).size === files.length)
  .refine((files) => neededFiles.every((needed) => files.some(({ name }) => name === needed)));

/** MANIFEST.json, byte for byte: there is one way only to write it, so that any other text is a broken one. */
function formatManifest(step: number, files: readonly ManifestEntry[]): string {
  const entries = files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  return `${JSON.stringify({ version: formatVersion, step, files: entries }, null, 2)}\n`;
}

/**
 * Compares every file of a checkpoint with its manifest: the size and each of its bytes.
 *
 * @throws Failure `model-invalid` or `file-missing` naming the file when the checkpoint is not whole
 */
export function checkManifest(folder: string, step: number): void {
  const path = join(folder, manifestName);
  const text = readBoundedFile(path, 'checkpoint manifest', maxManifestBytes).toString('latin1'); // all ASCII: no byte is read as another
  const files = parseManifest(text);
  if (files === null || text !== formatManifest(step, files)) {
    throw new Failure('model-invalid', `${path}: expected the manifest of step ${step} in format ${formatVersion}, found another text`);
  }
  for (const { name, ...expected } of files) {
    const found = hashFileSync(join(folder, name), 'checkpoint file');
    if (found.bytes === expected.bytes && found.sha256 === expected.sha256) continue;
    const [is, should] = [found, expected].map((file) => `${file.bytes} bytes with SHA-256 ${file.sha256}`);
    throw new Failure('model-invalid', `${join(folder, name)}: expected ${should}, found ${is}`);
  }
}

/** Every needed file once, and none that is not known; null for any other text. */
function parseManifest(text: string): ManifestEntry[] | null {
  try {
    return Manifest.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
