/**
 * A package of TensorFlow.js that computes outside of JavaScript. It is not a part of this program: the user has it, in one of these places,
 * the first one that has it:
 *
 *     ORCHESTRATE_TFJS/node_modules      a folder that the user names
 *     node_modules                       beside this program, or at or above the current folder
 *     CACHE/orchestrate/BACKEND/node_modules   where `orchestrate doctor --install BACKEND` has built it
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Setting } from '../backend.ts';

/** The version of TensorFlow.js that is a part of this program: another one has other kernels. */
export const tfjsVersion = '4.22.0';

/** The setting that names a folder with such a package. */
export const folderSetting = 'ORCHESTRATE_TFJS';

/** Settings that say where such packages are. */
export const placeSettings = [folderSetting, 'XDG_CACHE_HOME', 'HOME'] as const;

const readEnvironment: Setting = (name) => process.env[name] ?? null;

export interface NativePackage {
  readonly name: string;
  readonly version: string;
  /** Its folder, absolute. */
  readonly folder: string;
}

/** Where `doctor --install` puts a backend: it is free to delete, so it is in the cache folder of the user, as the XDG rules have it. */
export function getInstallFolder(backend: string, setting: Setting = readEnvironment): string {
  const cache = setting('XDG_CACHE_HOME') ?? join(setting('HOME') ?? homedir(), '.cache');
  return join(cache, 'orchestrate', backend);
}

/** The package in the first place that has it; null where none has. */
export function findPackage(name: string, backend: string, setting: Setting = readEnvironment): NativePackage | null {
  const named = setting(folderSetting);
  const places = named === null ? [import.meta.dirname, process.cwd(), getInstallFolder(backend, setting)] : [resolve(named)];
  for (const place of places) {
    const folder = resolvePackage(name, place);
    if (folder === null) continue;
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { name, version, folder };
  }
  return null;
}

/** Looks as Node does: in `node_modules` of the folder and of those above it. */
function resolvePackage(name: string, from: string): string | null {
  const folder = join(from, 'node_modules', name);
  if (existsSync(join(folder, 'package.json'))) return folder;
  const above = dirname(from);
  return above === from ? null : resolvePackage(name, above);
}

/** Why a package cannot be used: it is in none of the places, or is one of TensorFlow.js of another version; else null. */
export function explainPackage(name: string, backend: string, setting: Setting = readEnvironment): string | null {
  const found = findPackage(name, backend, setting);
  if (found === null) {
    const named = setting(folderSetting);
    return `${name} is not installed${named === null ? '' : ` in ${resolve(named)}, which ${folderSetting} names`}`;
  }
  if (name.startsWith('@tensorflow/') && found.version !== tfjsVersion)
    return `expected ${name} ${tfjsVersion}, found ${found.version} in ${found.folder}`;
  return null;
}

/** Why a package with a native part cannot be used; null where it can, as far as its files tell. */
export function explainAbsence(name: string, backend: string, setting: Setting = readEnvironment): string | null {
  const problem = explainPackage(name, backend, setting);
  if (problem !== null) return problem;
  const { folder } = findPackage(name, backend, setting)!;
  if (existsSync(join(folder, 'lib'))) return null;
  return `${folder} lacks its native part: its own install script has not run, or has failed`;
}

/** Loads the package and gives what it exports. Its own copy of TensorFlow.js shares engine and kernels with ours: both keep them in globals of the process. */
export function requirePackage({ folder }: Pick<NativePackage, 'folder'>): unknown {
  const load = createRequire(join(folder, 'package.json'));
  const util = load('node:util') as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined; // Node 23 took it away
  util['isArray'] = Array.isArray; // the same, without a warning
  return load(folder) as unknown;
}
