import { readFileSync } from 'node:fs';

/**
 * How many processes the system has ended for lack of memory since it was started, those of limited containers among them; null where it
 * does not say so (it does on Linux). An end of this kind leaves no other trace in the process.
 */
export function countMemoryKills(path = '/proc/vmstat'): number | null {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync(path, 'utf8'))?.[1];
    return count === undefined ? null : Number(count);
  } catch {
    return null; // another system
  }
}
