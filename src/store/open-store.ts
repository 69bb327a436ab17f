import { existsSync, mkdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Kysely } from 'kysely';
import { Failure, toSystemCode } from '../errors.ts';
import { toStoreFailure } from './sqlite-failure.ts';
import { NodeSqliteDialect, openDatabase } from './sqlite.ts';
import type { Tables } from './tables.ts';

export type Store = Kysely<Tables>;

/**
 * Opens the state database of a folder, creates both where they are absent, and brings the schema up to date. A commit has reached the
 * disk when it returns: a stored intent survives a loss of power.
 * @throws Failure `store-locked`, `store-newer`, `permission-denied`, `disk-full`, `configuration-invalid` (not a database); queries throw
 *   the same
 */
export function openStore(folder: string): Store {
  const path = join(folder, 'state.db');
  try {
    // Runs hold copies of the data: they do not belong into the repository of the job.
    if (makeFolder(folder)) writeFileSync(join(folder, '.gitignore'), '*\n');
    const network = getNetworkFileSystem(statfsSync(folder).type);
    if (network !== null) {
      throw new Failure('configuration-invalid', `${folder} is on a network file system (${network}), where database locks do not work`, {
        hint: 'name a folder on a local disk with --dir',
      });
    }
    return new Kysely<Tables>({ dialect: new NodeSqliteDialect(openDatabase(path), path) });
  } catch (error) {
    throw toStoreFailure(error, path);
  }
}

/** An empty store in memory: a command that only reads creates no state folder where there is none. */
export function openEmptyStore(): Store {
  return new Kysely<Tables>({ dialect: new NodeSqliteDialect(openDatabase(':memory:'), ':memory:') });
}

/** Asks for what writes, and changes nothing. @throws Failure `permission-denied` where the state may only be looked at */
export async function checkWritable(store: Store): Promise<void> {
  await store.deleteFrom('run').where('key', '=', '').execute(); // no run has this key
}

/**
 * Creates a folder and its parents; false where it is there already. Node's recursive option hides the reason of a failure, and never ends
 * where nothing can be created.
 */
function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    const code = toSystemCode(error);
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return false;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    return makeFolder(folder);
  }
}

/** Magic numbers of statfs(2) for network file systems, where SQLite's locks and its shared memory do not work. */
const networkFileSystems: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x5346414f: 'AFS',
};

/** The name of a network file system by its number (signed or unsigned), null for any other. */
export function getNetworkFileSystem(type: number): string | null {
  return networkFileSystems[type >>> 0] ?? null;
}
