import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseEnv } from 'node:util';
import { Failure, toFileFailure } from '../errors.ts';
import { isJobFile } from '../run/find-runs.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Settings {
  readonly environment: Environment;
  /** The settings that came from the file, in one line without their values; null where none did. */
  describe(): string | null;
}

interface EnvFile {
  readonly path: string;
  readonly values: Environment;
  /** Whether a person named it. */
  readonly isNamed: boolean;
}

/**
 * The environment, and what it lacks from an env file: the named one, or `.env` beside the job file, or here.
 *
 * @throws Failure `file-missing` or `permission-denied`
 */
export function readSettings(
  own: Environment,
  { path, address }: { readonly path?: string | undefined; readonly address?: string | undefined },
): Settings {
  const file = readEnvFile(path, address);
  if (file === null) return { environment: own, describe: () => null };
  const used = new Set<string>();
  const environment: Record<string, string | undefined> = { ...own };
  for (const [name, value] of Object.entries(file.values)) {
    if (own[name]) continue;
    const get = (): string | undefined => {
      checkAddress(name, own, file);
      used.add(name);
      return value;
    };
    Object.defineProperty(environment, name, { get, enumerable: true, configurable: true });
  }
  return { environment, describe: () => (used.size === 0 ? null : `from ${relative('', file.path)}: ${[...used].sort().join(', ')}`) };
}

function readEnvFile(named: string | undefined, address: string | undefined): EnvFile | null {
  const folder = address !== undefined && isJobFile(address) ? dirname(address) : '.';
  const path = named ?? join(folder, '.env');
  if (named === undefined && !(existsSync(path) && statSync(path).isFile())) return null;
  try {
    return { path, values: parseEnv(readFileSync(path, 'utf8')), isNamed: named !== undefined };
  } catch (error) {
    throw toFileFailure(error, 'env file', path);
  }
}

/**
 * A file that happens to lie beside a job, perhaps somebody else's, must not decide where a key of the environment is sent.
 *
 * @throws Failure `configuration-invalid`
 */
function checkAddress(name: string, own: Environment, { path, isNamed }: EnvFile): void {
  const [, service] = /^(\w+?)_(?:BASE_URL|ENDPOINT)$/.exec(name) ?? [];
  if (isNamed || service === undefined) return;
  const credential = Object.keys(own).find((other) => other.startsWith(`${service}_`) && /(?:KEY|TOKEN)$/.test(other) && own[other]);
  if (credential === undefined) return;
  throw new Failure('configuration-invalid', `${path} sets ${name}, and ${credential} is set in the environment`, {
    hint: `A key of the environment is not sent to an address that a file names by itself: unset ${credential}, or use --env-file ${path}.`,
  });
}
