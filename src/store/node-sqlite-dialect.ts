import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { CompiledQuery, SqliteDialect, SqliteDriver, type DatabaseConnection, type Driver, type SqliteDialectConfig } from 'kysely';
import { toStoreFailure } from './store-failure.ts';

/** Node's own SQLite behind the interface that Kysely's SQLite dialect expects. Errors of the database become Failures. */
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

/** Takes the write lock at the start: a transaction that reads first and then writes never loses its turn to another process. */
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
