/**
 * Loaded before the program (`--import`): numbers every boundary at which the outside world, the disk or the database changes or is
 * asked, writes each one's name to a trace file, and stops the process at one of them.
 *
 * KILLS_TRACE: the file. KILLS_AT: the number of the boundary, or a name: its first one. KILLS_SIGNAL: SIGKILL, or SIGSTOP.
 */
import { appendFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { DatabaseSync, StatementSync } from 'node:sqlite';

const { KILLS_TRACE, KILLS_AT = '', KILLS_SIGNAL = 'SIGKILL' } = process.env;
const write = appendFileSync;
let points = 0;
let isOver = false;

function reach(name: string): void {
  points++;
  write(KILLS_TRACE!, `${points} ${name}\n`);
  if (isOver || (KILLS_AT !== String(points) && KILLS_AT !== name)) return;
  isOver = true; // of a name only the first counts
  process.kill(process.pid, KILLS_SIGNAL);
}

type Anything = Record<string, unknown>;

/** Puts a boundary before and after a function; after a promise when it has ended. */
function wrap(owner: object, property: string, toName: (args: readonly unknown[]) => string | null): void {
  const original = (owner as Anything)[property] as (...args: unknown[]) => unknown;
  (owner as Anything)[property] = function (this: unknown, ...args: unknown[]): unknown {
    const name = toName(args);
    if (name === null) return original.apply(this, args);
    reach(`before ${name}`);
    const result = original.apply(this, args);
    if (!(result instanceof Promise)) {
      reach(`after ${name}`);
      return result;
    }
    return result.finally(() => reach(`after ${name}`));
  };
}

wrap(DatabaseSync.prototype, 'exec', ([sql]) => `exec ${toShort(sql)}`);
for (const name of ['run', 'get', 'all', 'iterate']) {
  const original = (StatementSync.prototype as unknown as Anything)[name] as (...args: unknown[]) => unknown;
  (StatementSync.prototype as unknown as Anything)[name] = function (this: StatementSync, ...args: unknown[]): unknown {
    const sql = toShort(this.sourceSQL);
    reach(`before ${name} ${sql}`);
    const result = original.apply(this, args);
    reach(`after ${name} ${sql}`);
    return result;
  };
}

wrap(globalThis, 'fetch', ([input, init]) => {
  const request = input instanceof Request ? input : null;
  const path = new URL(request?.url ?? String(input)).pathname.split('/').slice(2);
  const method = request?.method ?? (init as RequestInit | undefined)?.method ?? 'GET';
  return `fetch ${method} ${path.map((part) => (part.includes('-') ? 'ID' : part)).join('/')}`;
});
for (const name of ['text', 'json', 'arrayBuffer', 'bytes']) wrap(Response.prototype, name, () => 'body');

const require = createRequire(import.meta.url);
const writes = ['writeFile', 'appendFile', 'rename', 'copyFile', 'link', 'symlink', 'mkdir', 'rm', 'unlink', 'rmdir', 'truncate', 'utimes'];
const isForWriting = (flags: unknown): boolean => typeof flags === 'string' && /[wa+]/.test(flags);
for (const [module, suffix] of [
  ['node:fs', 'Sync'],
  ['node:fs/promises', ''],
] as const) {
  const fs = require(module) as Anything;
  for (const name of writes) wrap(fs, `${name}${suffix}`, ([path]) => (path === KILLS_TRACE ? null : name));
  wrap(fs, `open${suffix}`, ([, flags]) => (isForWriting(flags) ? 'open for writing' : null));
}
wrap(require('node:child_process') as object, 'spawn', () => 'spawn');
syncBuiltinESMExports();

function toShort(sql: unknown): string {
  return String(sql).replaceAll(/\s+/g, ' ').slice(0, 40);
}
