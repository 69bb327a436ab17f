import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, toFileFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { openRegularFile, hashFileSync } from '../lib/fs.ts';

/** Raised whenever an older program could misread a checkpoint. */
const formatVersion = 1;
const manifestName = 'MANIFEST.json';
const maxManifestBytes = 2 ** 16;

/** Every file that a checkpoint may have; `best.safetensors` only where the best weights are asked for. */
export const checkpointFiles = ['weights.safetensors', 'moments.safetensors', 'state.json', 'best.safetensors'] as const;
export type CheckpointFile = (typeof checkpointFiles)[number];

/** One file of a checkpoint. */
export interface ManifestEntry {
  readonly name: CheckpointFile;
  readonly bytes: number;
  readonly sha256: string;
}

/** MANIFEST.json, byte for byte: there is one way only to write it, so that any other text is a broken one. */
export function toManifestText(step: number, files: readonly ManifestEntry[]): string {
  const entries = files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  return `${JSON.stringify({ version: formatVersion, step, files: entries }, null, 2)}\n`;
}

export function toManifestPath(folder: string): string {
  return join(folder, manifestName);
}

/**
 * Reads a checkpoint's manifest and holds every file against it: its size and each of its bytes.
 *
 * @throws Failure `model-invalid` or `file-missing` naming the file when the checkpoint is not whole
 */
export function checkManifest(folder: string, step: number): readonly ManifestEntry[] {
  const path = toManifestPath(folder);
  const text = readText(path);
  const files = toEntries(text);
  if (files === null || text !== toManifestText(step, files)) {
    throw new Failure('model-invalid', `${path}: expected the manifest of step ${step} in format ${formatVersion}, found another text`);
  }
  for (const { name, bytes, sha256 } of files) {
    const found = hashFileSync(join(folder, name), 'checkpoint file');
    if (found.bytes !== bytes || found.sha256 !== sha256) {
      const [is, should] = [found, { bytes, sha256 }].map((file) => `${file.bytes} bytes with SHA-256 ${file.sha256}`);
      throw new Failure('model-invalid', `${join(folder, name)}: expected ${should}, found ${is}`);
    }
  }
  return files;
}

function readText(path: string): string {
  const file = openRegularFile(path, 'checkpoint manifest');
  try {
    const { size } = fstatSync(file);
    if (size > maxManifestBytes) throw new Failure('model-invalid', `${path}: expected at most ${maxManifestBytes} bytes, found ${size}`);
    return readFileSync(file, 'latin1'); // all ASCII, and no byte is read as another
  } catch (error) {
    throw toFileFailure(error, 'checkpoint manifest', path);
  } finally {
    closeSync(file);
  }
}

/** The entries as the text has them, or null where it is no manifest at all: every needed file once, none that is not known. */
function toEntries(text: string): ManifestEntry[] | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const files = isObject(json) && Array.isArray(json['files']) ? (json['files'] as unknown[]).filter(isObject) : [];
  const names = files.map(({ name }) => name);
  const needed = checkpointFiles.slice(0, 3);
  const isComplete = needed.every((name) => names.includes(name)) && names.every((name) => checkpointFiles.some((known) => known === name));
  return isComplete && new Set(names).size === names.length ? (files as unknown as ManifestEntry[]) : null;
}
