/**
 * A lock that the operating system drops when its holder dies, however it dies: an exclusive SQLite transaction on a file of its
 * own. A process that can take it knows that no other holder is alive.
 */
export interface RunLock {
  release(): void;
}

/** Takes the lock, or returns null where another process holds it for longer than `waitMs`. */
export function takeRunLock(path: string, waitMs: number): RunLock | null {
  const sqlite = process.getBuiltinModule('node:sqlite'); // see src/store/sqlite.ts
  const database = new sqlite.DatabaseSync(path, { timeout: waitMs });
  try {
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    const busy = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
    if (busy === 5) return null; // SQLITE_BUSY
    throw error;
  }
  return { release: () => database.close() };
}
