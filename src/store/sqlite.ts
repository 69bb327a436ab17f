import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CompiledQuery, SqliteDialect, SqliteDriver, type DatabaseConnection, type Driver, type SqliteDialectConfig } from 'kysely';
import { Failure } from '../errors.ts';
import { migrations } from './migrations.ts';
import { isUnwritable, isWithoutSharedMemory, toStoreFailure } from './sqlite-failure.ts';

/** How long a statement waits for the transaction of another process. */
const busyMs = 5000;

/**
 * Opens a database, creates it where it is absent, and brings its schema up to date. Every commit is on the disk when it returns
 * (`synchronous=full`). On a full disk a store can still be read: alone, without the memory that is shared with other processes; and so can
 * one that may not be written.
 * @throws Failure `store-newer`, and errors of SQLite
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    return openLocking(path, 'normal');
  } catch (error) {
    if (isWithoutSharedMemory(error)) return openLocking(path, 'exclusive');
    if (isUnwritable(error) && statSync(path, { throwIfNoEntry: false })?.isFile() === true) return openReadOnly(path);
    throw error;
  }
}

/**
 * Opens a database where nothing may be written: what it holds can be seen, and whatever writes is refused by SQLite.
 * @throws errors of SQLite, and of the system where it may not be read either
 */
function openReadOnly(path: string): DatabaseSync {
  closeSync(openSync(path, 'r')); // its error says more than SQLite's
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  const plain = (): DatabaseSync => openPresent(path);
  // Without a log nobody writes, and no file is needed beside the database.
  const immutable = (): DatabaseSync => openPresent(Object.assign(pathToFileURL(path), { search: '?immutable=1' }));
  for (const open of log === undefined || log.size === 0 ? [plain, immutable] : [plain]) {
    try {
      return open();
    } catch (error) {
      if (!isUnwritable(error) && !isWithoutSharedMemory(error)) throw error;
    }
  }
  return openCopy(path);
}

function openPresent(path: string | URL): DatabaseSync {
  const sqlite = process.getBuiltinModule('node:sqlite');
  const database = new sqlite.DatabaseSync(path, { timeout: busyMs, readOnly: true });
  try {
    migrate(database, typeof path === 'string' ? path : fileURLToPath(path)); // an older schema cannot be written
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A copy can be brought up to date, with what stands in a log that a process has left. It is gone when this process has ended. */
function openCopy(path: string): DatabaseSync {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  try {
    for (const ending of ['', '-wal']) if (existsSync(path + ending)) copyFileSync(path + ending, join(folder, `state.db${ending}`));
    const database = openLocking(join(folder, 'state.db'), 'exclusive');
    database.exec('pragma query_only=on');
    return database;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openLocking(path: string, locking: 'normal' | 'exclusive'): DatabaseSync {
  // Not imported: an old version of Node has no such module, and would say that instead of its age.
  const sqlite = process.getBuiltinModule('node:sqlite');
  const database = new sqlite.DatabaseSync(path, { timeout: busyMs, enableForeignKeyConstraints: true });
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
        `${path} was written by a newer version of this program (schema ${version}; this version knows schemas up to ${migrations.length})`,
        { hint: 'install the newer version, or name another folder with --dir' },
      );
    }
    for (const step of migrations.slice(version).flat()) {
      if (typeof step === 'string') database.exec(step);
      else step(database);
    }
    database.exec(`pragma user_version=${migrations.length}`);
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback'); // a full disk has ended it already
    throw error;
  }
}

/** Node's SQLite with the interface that Kysely's SQLite dialect expects. Errors of the database become Failures. */
function toKyselyDatabase(
  database: DatabaseSync,
  path: string,
): NonNullable<Exclude<SqliteDialectConfig['database'], (...args: never) => unknown>> {
  const attempt = <T>(use: () => T): T => {
    try {
      return use();
    } catch (error) {
      throw toStoreFailure(error, path);
    }
  };
  return {
    close: () => database.close(),
    prepare(sql) {
      const statement = attempt(() => database.prepare(sql));
      const toInput = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => attempt(() => statement.all(...toInput(parameters))),
        run: (parameters) => attempt(() => statement.run(...toInput(parameters))),
        iterate: (parameters) => statement.iterate(...toInput(parameters)),
      };
    },
  };
}

/** Takes the write lock when a transaction begins: one that reads first and then writes never loses its turn to another process. */
class ImmediateDriver extends SqliteDriver {
  readonly #database: DatabaseSync;

  constructor(config: SqliteDialectConfig, database: DatabaseSync) {
    super(config);
    this.#database = database;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  /** An error such as a full disk may have ended the transaction already. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.isTransaction) await super.rollbackTransaction(connection);
  }
}

export class NodeSqliteDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;
  readonly #database: DatabaseSync;

  /** `path` is for messages. */
  constructor(database: DatabaseSync, path: string) {
    const config = { database: toKyselyDatabase(database, path) };
    super(config);
    this.#config = config;
    this.#database = database;
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.#config, this.#database);
  }
}
