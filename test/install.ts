import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inject } from 'vitest';

export interface InstalledPackage {
  /** The folder into which the package was installed, otherwise empty. */
  readonly folder: string;
  /** The package's own folder, below `node_modules`. */
  readonly root: string;
  /** The command `orchestrate`. */
  readonly command: string;
  /** What to start it with: this Node comes first, and nothing of the npm that may have started the tests is left. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Packs the project as it would be published and installs it in an empty folder. It happens once in a test run,
 * whichever test file comes first; the others wait for it.
 */
export function installPackage(): InstalledPackage {
  const folder = join(inject('scratchFolder'), 'installed');
  const installed = {
    folder,
    root: join(folder, 'node_modules/finetune-orchestrator'),
    command: join(folder, 'node_modules/.bin/orchestrate'),
    env: toEnvironment(),
  };
  // SQLite waits for a lock that another process holds, and gives up the lock of one that dies.
  const lock = new DatabaseSync(join(inject('scratchFolder'), 'install.lock.db'), { timeout: 60_000 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    if (!existsSync(installed.command)) packAndInstall(installed);
  } finally {
    lock.close();
  }
  return installed;
}

function packAndInstall({ folder, env }: InstalledPackage): void {
  const packed = join(folder, '../packed');
  mkdirSync(packed);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packed], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private": true}');
  const [tarball] = readdirSync(packed);
  execFileSync('npm', ['install', '--silent', '--prefer-offline', join(packed, tarball!)], { env, cwd: folder, stdio: 'inherit' });
}

function toEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) && name !== 'NODE_OPTIONS');
  return { ...Object.fromEntries(own), PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };
}
