import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../failure.ts';
import { findNetworkFileSystem } from './network-file-system.ts';
import { NodeSqliteDialect } from './node-sqlite-dialect.ts';
import { migrations, type Tables } from './tables.ts';

export type Store = Kysely<Tables>;

/** How long a statement waits for another process's transaction. */
const busyMs = 5000;

/**
 * Opens the state database of a folder, creating both where they are absent, and brings its schema up to date.
 * Every commit is on the disk when it returns (`synchronous=FULL`): a stored intent survives a loss of power.
 * @throws Failure `store-locked`, `store-newer`, `permission-denied`, `configuration-invalid` (not a database)
 */
export function openStore(folder: string): Store {
  const path = join(folder, 'state.db');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const network = findNetworkFileSystem(folder);
    if (network !== null) {
      throw new Failure('configuration-invalid', `${folder} lies on ${network}, where the database's locks do not hold`, {
        hint: 'name a folder on a disk of this machine with --dir',
      });
    }
    const database = new DatabaseSync(path, { timeout: busyMs, enableForeignKeyConstraints: true });
    try {
      database.exec('pragma journal_mode=wal; pragma synchronous=full; pragma trusted_schema=off');
      migrate(database, path);
    } catch (error) {
      database.close();
      throw error;
    }
    return new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) });
  } catch (error) {
    throw toStoreFailure(error, path);
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
    database.exec('rollback');
    throw error;
  }
}

/** SQLite's result codes (https://www.sqlite.org/rescode.html); the low byte is the primary one. */
function toStoreFailure(error: unknown, path: string): unknown {
  if (isFailure(error)) return error;
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) {
    const isFile = ['EEXIST', 'ENOTDIR'].includes(toSystemCode(error) ?? '');
    if (!isFile) return toFileFailure(error, 'state folder', path);
    return new Failure('configuration-invalid', `expected a folder for the state, found a file: ${dirname(path)}`, {
      hint: 'name another folder with --dir',
      error,
    });
  }
  switch (code & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new Failure('store-locked', `${path} is locked by another process`, {
        hint: 'run the command again when it has ended',
        error,
      });
    case 8: // SQLITE_READONLY
    case 14: // SQLITE_CANTOPEN
      return new Failure('permission-denied', `cannot write ${path}`, {
        hint: 'mend its permissions, or name another folder with --dir',
        error,
      });
    case 13: // SQLITE_FULL
      return new Failure('disk-full', `no space left for ${path}`, { hint: 'free some space and run the command again', error });
    case 26: // SQLITE_NOTADB
      return new Failure('configuration-invalid', `${path} is not a state database`, { hint: 'name another folder with --dir', error });
    default:
      return error;
  }
}
