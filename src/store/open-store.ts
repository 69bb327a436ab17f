import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { Failure, toSystemCode } from '../errors.ts';
import { findNetworkFileSystem } from './network-file-system.ts';
import { NodeSqliteDialect } from './node-sqlite-dialect.ts';
import { isWithoutSharedMemory, toStoreFailure } from './store-failure.ts';
import { migrations, type Tables } from './tables.ts';

export type Store = Kysely<Tables>;

/** How long a statement waits for another process's transaction. */
const busyMs = 5000;

/**
 * Opens the state database of a folder, creating both where they are absent, and brings its schema up to date.
 * Every commit is on the disk when it returns (`synchronous=FULL`): a stored intent survives a loss of power.
 * @throws Failure `store-locked`, `store-newer`, `permission-denied`, `disk-full`, `configuration-invalid` (not a database); queries throw
 *   the same
 */
export function openStore(folder: string): Store {
  const path = join(folder, 'state.db');
  try {
    makeFolder(folder);
    const network = findNetworkFileSystem(folder);
    if (network !== null) {
      throw new Failure('configuration-invalid', `${folder} lies on ${network}, where the database's locks do not hold`, {
        hint: 'name a folder on a disk of this machine with --dir',
      });
    }
    return new Kysely<Tables>({ dialect: new NodeSqliteDialect(openDatabase(path), path) });
  } catch (error) {
    throw toStoreFailure(error, path);
  }
}

/** A store that was never written: empty, in memory, so that reading where no state folder is leaves none behind. */
export function openEmptyStore(): Store {
  return new Kysely<Tables>({ dialect: new NodeSqliteDialect(openAs(':memory:', 'normal'), ':memory:') });
}

/** Makes a folder with those above it. Node's own way to do that hides why it cannot, and where nobody can make one it never ends. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const code = toSystemCode(error);
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    makeFolder(folder);
  }
}

/** On a full disk a store can still be read: alone, without the memory that is shared with other processes. */
function openDatabase(path: string): DatabaseSync {
  try {
    return openAs(path, 'normal');
  } catch (error) {
    if (!isWithoutSharedMemory(error)) throw error;
    return openAs(path, 'exclusive');
  }
}

function openAs(path: string, locking: 'normal' | 'exclusive'): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs, enableForeignKeyConstraints: true });
  try {
    database.exec(`pragma locking_mode=${locking}; pragma journal_mode=wal; pragma synchronous=full; pragma trusted_schema=off`);
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const readVersion = (): number => (database.prepare('pragma user_version').get() as { user_version: number }).user_version;
  if (readVersion() === migrations.length) return;
  database.exec('begin immediate');
  try {
    const version = readVersion();
    if (version > migrations.length) {
      throw new Failure(
        'store-newer',
        `${path} was written by a newer version of this program (schema ${version}, known up to ${migrations.length})`,
        {
          hint: 'install the newer version, or name another folder with --dir',
        },
      );
    }
    for (const statement of migrations.slice(version).flat()) database.exec(statement);
    database.exec(`pragma user_version=${migrations.length}`);
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback'); // a full disk has ended it already
    throw error;
  }
}
