import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A file system of its own, so small that a test can fill it. */
export interface SmallDisk {
  readonly folder: string;
  /** Leaves so many bytes free, counted in blocks of 4 KiB. */
  fill(free: number): void;
  /** Makes room again. */
  empty(): void;
  resize(bytes: number): void;
  setReadOnly(): void;
}

/** Whether this process may mount one: root on a machine of its own. */
export const canMount = ((): boolean => {
  try {
    createMount(4096)();
    return true;
  } catch {
    return false;
  }
})();

function createMount(bytes: number, folder = mkdtempSync(join(tmpdir(), 'orchestrate-disk-'))): () => void {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'orchestrate-test', folder], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  return () => {
    execFileSync('umount', ['--lazy', folder]); // a trainer may still hold a file
    rmdirSync(folder);
  };
}

/** A small disk of the running test's own, taken away when it ends. */
export function createSmallDisk(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-disk-'));
  onTestFinished(createMount(bytes, folder));
  const remount = (option: string): void => void execFileSync('mount', ['-o', `remount,${option}`, folder]);
  const filler = join(folder, 'filler');
  return {
    folder,
    fill(free) {
      rmSync(filler, { force: true });
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - free)));
    },
    empty: () => rmSync(filler, { force: true }),
    resize: (size) => remount(`size=${size}`),
    setReadOnly: () => remount('ro'),
  };
}
