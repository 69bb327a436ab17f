import { dirname } from 'node:path';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../errors.ts';

/** SQLite's result code of an error (https://www.sqlite.org/rescode.html), or null; the low byte is the primary one. */
function toSqliteCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;
}

/** Whether there was no room for the memory that all processes share (`state.db-shm`): where the disk is full, that is missing first. */
export function isWithoutSharedMemory(error: unknown): boolean {
  return [4618, 4874, 5386].includes(toSqliteCode(error) ?? 0); // SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMMAP
}

/** An error of the database, or of its folder, as a Failure; `path` is the database's. What is no such error comes back as it is. */
export function toStoreFailure(error: unknown, path: string): unknown {
  if (isFailure(error)) return error;
  const code = toSqliteCode(error);
  if (code === null) {
    const isFile = ['EEXIST', 'ENOTDIR'].includes(toSystemCode(error) ?? '');
    // The folder above is there, and takes none.
    if (toSystemCode(error) === 'ENOENT')
      return new Failure('permission-denied', `cannot make the state folder: ${dirname(path)}`, { error });
    if (!isFile) return toFileFailure(error, 'state folder', dirname(path));
    return new Failure('configuration-invalid', `expected a folder for the state, found a file: ${dirname(path)}`, {
      hint: 'name another folder with --dir',
      error,
    });
  }
  if (isWithoutSharedMemory(error)) return toFullDisk(error, path);
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
      return toFullDisk(error, path);
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new Failure('configuration-invalid', `${path} is not a state database, or is damaged`, {
        hint: 'name another folder with --dir, or put a copy of the file back',
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

function toFullDisk(error: unknown, path: string): Failure {
  return new Failure('disk-full', `no space left for ${path}`, { hint: 'free some space and run the command again', error });
}
