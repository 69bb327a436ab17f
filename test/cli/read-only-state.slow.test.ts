/** A state folder that may not be written, such as one of a colleague or of a backup: it can be looked at, and what writes says so. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished, expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';
import { canMount } from './small-disk.ts';
import { twoRows, writeJob } from './write-job.ts';

interface Place {
  readonly dir: string;
  lock(): void;
}

/** Permissions do not bind root, who can mount a folder once more, for reading, where other processes go on writing. */
function createPlace(): Place {
  const dir = join(createScratchFolder(), 'state');
  return {
    dir,
    lock() {
      if (canMount) {
        execFileSync('mount', ['--bind', dir, dir]);
        onTestFinished(() => void execFileSync('umount', ['--lazy', dir]));
        execFileSync('mount', ['-o', 'remount,ro,bind', dir]);
      } else {
        onTestFinished(() => chmodSync(dir, 0o700));
        chmodSync(dir, 0o500);
        for (const name of readdirSync(dir).filter((one) => one.startsWith('state.db'))) chmodSync(join(dir, name), 0o400);
      }
    },
  };
}

async function createScoredRun({ dir }: Place): Promise<(...args: readonly string[]) => Promise<Ended>> {
  const fields = { name: 'small', training: { steps: 2 }, data: { train: './train.jsonl', test: './test.jsonl' } };
  const cwd = dirname(writeJob({ rows: twoRows.repeat(30), fields }));
  writeFileSync(join(cwd, 'test.jsonl'), twoRows);
  const run = async (...args: readonly string[]): Promise<Ended> => await startCli([...args, '--dir', dir], { cwd }).ended;
  expect(await run('submit', 'job.json', '--wait', '-q')).toMatchObject({ status: 0 });
  return run;
}

const refusal = (dir: string): string =>
  `orchestrate: cannot write ${join(dir, 'state.db')}\n  change its permissions, or name another folder with --dir\n`;

test('what is there can be seen, and each command that writes says in one message that it cannot', async () => {
  const place = createPlace();
  const run = await createScoredRun(place);
  const looks = [
    ['status'],
    ['status', 'small'],
    ['metrics', 'small'],
    ['logs', 'small'],
    ['compare', 'small'],
    ['wait', 'small'],
    ['clean'],
  ];
  const before = await Promise.all(looks.map(async (args) => await run(...args)));
  place.lock();
  for (const [i, args] of looks.entries()) {
    const strip = ({ stdout }: Ended): string => stdout.replaceAll(/\d+[smh]\b/g, 'AGE');
    const seen = await run(...args);
    expect([args, seen.status, strip(seen)]).toEqual([args, 0, strip(before[i]!)]);
  }
  for (const args of [
    ['submit', 'job.json', '--again'],
    ['resume', 'small'],
    ['clean', '--yes'],
  ]) {
    expect(await run(...args)).toEqual({ status: 77, stdout: '', stderr: refusal(place.dir) });
  }
  const { status, stdout } = await run('doctor');
  expect(stdout).toContain(`MISSING  state folder: ${place.dir} cannot be written`);
  expect(status).toBe(69);
});

test.each([
  ['while another process writes', false],
  ['with the log that a process has left', true],
])('%s, what it has committed is seen', async (_, isLeft) => {
  const place = createPlace();
  const run = await createScoredRun(place);
  const path = join(place.dir, 'state.db');
  const database = new DatabaseSync(path);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  database.exec("pragma journal_mode=wal; create table later (x); insert into later values ('committed'); update run set job = 'renamed'");
  if (isLeft) {
    for (const ending of ['', '-wal']) copyFileSync(path + ending, `${path}${ending}.copy`);
    database.close();
    for (const ending of ['', '-wal']) cpSync(`${path}${ending}.copy`, path + ending);
    rmSync(`${path}-shm`, { force: true });
  }
  place.lock();
  const { stdout, stderr, status } = await run('status', 'renamed', '-q');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain('small/local');
  expect(readdirSync(place.dir)).toContain('state.db-wal');
});

test('a state of an older version is seen as it would be after the change of its tables', async () => {
  const place = createPlace();
  cpSync(join(import.meta.dirname, '../../fixtures/old-state/state'), place.dir, { recursive: true });
  const writable = join(createScratchFolder(), 'state');
  cpSync(place.dir, writable, { recursive: true });
  place.lock();
  const look = async (dir: string): Promise<Ended> => await startCli(['status', '-q', '--dir', dir]).ended;
  const seen = await look(place.dir);
  expect(seen.stdout).not.toBe('');
  expect(seen).toEqual(await look(writable));
});
