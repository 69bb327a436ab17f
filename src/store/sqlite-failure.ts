import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { createTooManyFiles, Failure, isFailure, toFileFailure, toSystemCode } from '../errors.ts';

/** SQLite's result code of an error (https://www.sqlite.org/rescode.html), or null; the low byte is the primary code. */
function toSqliteCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;
}

/** Whether the memory that all processes share (`state.db-shm`) cannot be created: a full disk fails there first. */
export function isWithoutSharedMemory(error: unknown): boolean {
  return [4618, 4874, 5386].includes(toSqliteCode(error) ?? 0); // SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMMAP
}

/** Whether a file of the database, or its folder, may not be written. */
export function isUnwritable(error: unknown): boolean {
  return [8, 14].includes((toSqliteCode(error) ?? 0) & 0xff); // SQLITE_READONLY, SQLITE_CANTOPEN
}

/** An error of the database or of its folder as a Failure; any other error is returned unchanged. `path` is that of the database. */
export function toStoreFailure(error: unknown, path: string): unknown {
  if (isFailure(error)) return error;
  const code = toSqliteCode(error);
  if (code === null) return toFolderFailure(error, dirname(path));
  if (isWithoutSharedMemory(error)) return createFullDiskFailure(error, path);
  switch (code & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new Failure('store-locked', `${path} is locked by another process`, {
        hint: 'run the command again when that process has ended',
        error,
      });
    case 8: // SQLITE_READONLY
    case 14: // SQLITE_CANTOPEN
      if (!canOpenFiles()) return createTooManyFiles(path, error);
      return new Failure('permission-denied', `cannot write ${path}`, {
        hint: 'change its permissions, or name another folder with --dir',
        error,
      });
    case 13: // SQLITE_FULL
      return createFullDiskFailure(error, path);
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new Failure('configuration-invalid', `${path} is not a state database, or is damaged`, {
        hint: 'name another folder with --dir, or restore a copy of the file',
        error,
      });
    case 10: // SQLITE_IOERR
      return new Failure('unexpected', `${path} cannot be read or written (${(error as Error).message})`, {
        hint: 'check the disk, or name another folder with --dir',
        error,
      });
    default:
      return error;
  }
}

function toFolderFailure(error: unknown, folder: string): unknown {
  const code = toSystemCode(error) ?? '';
  // The folder above exists, but nothing can be created in it.
  if (code === 'ENOENT') return new Failure('permission-denied', `cannot create the state folder: ${folder}`, { error });
  if (!['EEXIST', 'ENOTDIR'].includes(code)) return toFileFailure(error, 'state folder', folder);
  return new Failure('configuration-invalid', `expected a folder for the state, found a file: ${folder}`, {
    hint: 'name another folder with --dir',
    error,
  });
}

function createFullDiskFailure(error: unknown, path: string): Failure {
  return new Failure('disk-full', `no space left for ${path}`, { hint: 'free some space and run the command again', error });
}

/** A database, its log, their shared memory, and the folder. */
const filesOfDatabase = 4;

/** Whether the system lets this process open the files of a database: SQLite does not say why it could not. */
function canOpenFiles(): boolean {
  const files: number[] = [];
  try {
    for (let i = 0; i < filesOfDatabase; i++) files.push(openSync(process.execPath, 'r'));
    return true;
  } catch {
    return false;
  } finally {
    for (const file of files) closeSync(file);
  }
}
