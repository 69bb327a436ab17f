/** The state folder's disk is full, may not be written, or another process holds its database. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { replaceFolder, writeAtomicJson } from '../../src/lib/fs.ts';
import { create, prepare } from '../../providers/local/submit.ts';
import type { LocalRequest } from '../../providers/local/translate.ts';
import type { Attempt } from '../../src/provider/context.ts';
import { inspectDataset } from '../../src/dataset/inspect.ts';
import { readModelFolder, readRevision } from '../../src/trainer/model-folder.ts';
import { writeSafetensors } from '../../src/trainer/safetensors.ts';
import { keepData } from '../../src/run/run-data.ts';
import type { RunView } from '../../src/run/run-view.ts';
import type { TrainFile } from '../../src/trainer/protocol.ts';
import { createScratchFolder } from '../scratch.ts';
import { toMemoryPlan } from '../run/memory-provider.ts';
import { runCli, startCli, type Ended } from './run-cli.ts';
import { canMount, createSmallDisk } from './small-disk.ts';
import { tinyBert, twoRows, writeJob } from './write-job.ts';

const short = { training: { steps: 1 } };

async function readRuns(dir: string): Promise<RunView[]> {
  const { status, stdout, stderr } = await runCli('status', '--json', '--dir', dir);
  expect([status, stderr]).toEqual([0, '']);
  return (JSON.parse(stdout) as { runs: RunView[] }).runs;
}

/** Nothing half-written stands under a name for whole things: data files are what their names say, models what their runs say. */
async function expectWhole(dir: string): Promise<RunView[]> {
  const names = existsSync(join(dir, 'data')) ? readdirSync(join(dir, 'data')) : [];
  for (const name of names) {
    const bytes = readFileSync(join(dir, 'data', name));
    const content = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    expect(name).toMatch(new RegExp(`^${createHash('sha256').update(content).digest('hex')}\\.`));
  }
  const runs = await readRuns(dir);
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  expect(files.filter((name) => name.endsWith('.tmp') || name.includes('.tmp/'))).toEqual([]);
  for (const run of runs) {
    const folder = join(dir, 'runs', run.key, 'model');
    expect(existsSync(folder)).toBe(run.ok);
    expect(run.ok ? readRevision(folder) : undefined).toBe(run.outputs[0]?.sha256);
  }
  return runs;
}

function expectFull({ status, stderr, stdout }: Ended): void {
  expect(stderr).toMatch(
    /^(?:.* cannot be scored: .*\n)?orchestrate: no space left for .*\n {2}free some space and run the command again\n$/,
  );
  expect([status, stdout]).toEqual([75, '']);
}

const noMount = canMount ? '' : ' (mounting is not permitted here: of a full disk only this is tested)';
test(`a model that finds no space for its end is not there afterwards${noMount}`, () => {
  const folder = join(createScratchFolder(), 'model');
  const write = (isFull: boolean): void => {
    replaceFolder(folder, (unfinished) => {
      const path = join(unfinished, 'model.safetensors');
      if (isFull) symlinkSync('/dev/full', path);
      writeSafetensors(path, [{ name: 'a', shape: [4], data: new Float32Array(4) }]);
    });
  };
  expect(() => write(true)).toThrow('ENOSPC');
  expect(existsSync(folder)).toBe(false);
  write(false);
  expect(readFileSync(join(folder, 'model.safetensors'))).toHaveLength(8 + 88 + 16);
});

test.runIf(canMount)(
  'on a full disk nothing is submitted, all can still be read, and with space again the same command goes through',
  async () => {
    const disk = createSmallDisk(12 * 2 ** 20);
    const dir = join(disk.folder, 'state');
    // 220 KB of data: first the copy finds no room, then the rows that the trainer would read.
    const rows = twoRows + Array.from({ length: 2000 }, (_, i) => `{"text": "${'word '.repeat(16)}${i}", "label": "yes"}\n`).join('');
    const job = writeJob({ rows, fields: short });
    disk.fill(0);
    expectFull(await runCli('submit', job, '--dir', dir));
    disk.empty();
    expect(await readRuns(dir)).toEqual([]);
    for (const kilobytes of [0, 140, 280]) {
      disk.fill(kilobytes * 1024);
      expectFull(await runCli('submit', job, '--dir', dir));
      for (const run of await expectWhole(dir)) expect([run.terminal, run.attention]).toEqual([false, false]);
    }
    disk.empty();
    const again = await runCli('submit', job, '--wait', '-q', '--dir', dir);
    expect(again).toMatchObject({ status: 0, stdout: 'bad/local\n' });
    expect(await expectWhole(dir)).toMatchObject([{ id: 'bad/local', ok: true }]);
  },
);

test.runIf(canMount)('rows that find no room are told, and a training file leaves no part of it', async () => {
  const disk = createSmallDisk(16_384);
  const c = { ...toAttempt(disk.folder), readRows: repeatRow };
  const { revision } = readModelFolder(tinyBert);
  const request = { model: { folder: tinyBert, revision }, backend: 'wasm' } as LocalRequest;
  await expect(prepare(request, c)).rejects.toMatchObject({
    code: 'disk-full',
    message: `no space left for the rows of the run: ${disk.folder}/rows/train.jsonl`,
  });
  await expect(writeAtomicJson(join(disk.folder, 'train.json'), { text: 'x'.repeat(20_000) }, 'file of the run')).rejects.toMatchObject({
    code: 'disk-full',
  });
  expect(readdirSync(disk.folder)).toEqual(['rows']);
});

test.runIf(canMount)('a trainer that finds no room to begin has surely not begun', async () => {
  const disk = createSmallDisk(2 ** 20);
  for (const free of [0, 4096]) {
    disk.fill(free); // not even its settings; these, and none of its events
    await expect(create({} as TrainFile, toAttempt(disk.folder))).rejects.toMatchObject({ sent: 'no', failure: { code: 'disk-full' } });
  }
});

async function* repeatRow(): AsyncGenerator<{ text: string; label: string }> {
  for (let i = 0; i < 2000; i++) yield await Promise.resolve({ text: 'a text that takes room', label: 'yes' });
}

function toAttempt(workDir: string): Attempt {
  const { key, facts } = toMemoryPlan('local');
  return {
    key,
    facts,
    workDir,
    attempt: 1,
    signal: new AbortController().signal,
    now: () => new Date(),
    wait: async (ms) => await sleep(ms),
    setting: () => null,
    credential: () => null,
    readRows: repeatRow,
  };
}

test('data that has changed since it was looked at is not kept', async () => {
  const dir = createScratchFolder();
  const path = join(dir, 'train.jsonl');
  writeFileSync(path, twoRows);
  const facts = await inspectDataset({
    task: 'classification',
    train: [path],
    validation: null,
    test: {},
    columns: { text: 'text', label: 'label' },
  });
  writeFileSync(path, `${twoRows}\n`);
  await expect(keepData(dir, facts)).rejects.toMatchObject({ code: 'data-invalid', message: `${path} has changed since it was inspected` });
  expect(readdirSync(join(dir, 'data'))).toEqual([]);
  writeFileSync(path, twoRows);
  await keepData(dir, facts);
  expect(readdirSync(join(dir, 'data'))).toEqual([`${facts.train.sha256}.jsonl`]);
});

test.runIf(canMount)('a trainer that fills the disk says so, and leaves no part of a model', async () => {
  const disk = createSmallDisk(1.5 * 2 ** 20); // room for all but the model's 1.9 MB
  const dir = join(disk.folder, 'state');
  const job = writeJob({ fields: short });
  const { status, stdout } = await runCli('submit', job, '--wait', '--dir', dir);
  expect(stdout).toMatch(/stopped: no space left for the [a-z ]*model: .*\n {2}free some space/);
  expect(status).toBe(100);
  expect(await expectWhole(dir)).toMatchObject([{ status: { phase: 'paused' }, failure: { code: 'disk-full' }, outputs: [] }]);
  disk.resize(16 * 2 ** 20);
  expect((await runCli('submit', job, '--wait', '-q', '--dir', dir)).status).toBe(0);
  expect(await expectWhole(dir)).toMatchObject([{ id: 'bad/local', ok: true, failure: null }]);
});

/** A state folder that cannot be written, not even by root, whom permissions do not bind. */
async function createReadOnlyState(): Promise<string> {
  if (!canMount) return '/proc'; // nobody can make a file there
  const disk = createSmallDisk(2 ** 20);
  await readRuns(disk.folder); // makes the database
  disk.setReadOnly();
  return disk.folder;
}

test('a state folder that may not be written is told', async () => {
  const dir = await createReadOnlyState();
  // What is there can be looked at: read-only-state.slow.test.ts; in /proc there is nothing.
  for (const args of [...(canMount ? [] : [['status']]), ['submit', writeJob()]]) {
    const { status, stdout, stderr } = await runCli(...args, '--dir', dir);
    expect(stderr).toBe(
      `orchestrate: cannot write ${join(dir, 'state.db')}\n  change its permissions, or name another folder with --dir\n`,
    );
    expect([status, stdout]).toEqual([77, '']);
  }
  const { status, stderr } = await runCli('submit', writeJob(), '--dir', join(dir, 'new'));
  expect(stderr).toMatch(/(no permission for|cannot create) the state folder/);
  expect(status).toBe(77);
});

/** Begins to write to the database of a state folder, as another process would, and keeps it for itself. */
async function holdDatabase(dir: string): Promise<() => void> {
  await readRuns(dir); // makes it
  const database = new DatabaseSync(join(dir, 'state.db'));
  database.exec('begin immediate');
  return () => database.close();
}

test('while another process writes for long, submit gives up and says so, and reading goes on', async () => {
  const dir = createScratchFolder();
  const release = await holdDatabase(dir);
  const began = performance.now();
  const { status, stdout, stderr } = await runCli('submit', writeJob(), '--dir', dir);
  expect(stderr).toContain(
    `orchestrate: ${join(dir, 'state.db')} is locked by another process\n  run the command again when that process has ended\n`,
  );
  expect([status, stdout]).toEqual([75, '']);
  expect(performance.now() - began).toBeGreaterThan(5000);
  expect(await readRuns(dir)).toEqual([]);
  release();
});

test('while another process writes for two seconds, submit waits and goes through', async () => {
  const dir = createScratchFolder();
  const release = await holdDatabase(dir);
  const { ended } = startCli(['submit', writeJob({ fields: short }), '-q', '--dir', dir]);
  setTimeout(release, 2000);
  expect(await ended).toMatchObject({ status: 0, stdout: 'bad/local\n' });
  expect((await runCli('wait', 'bad', '-q', '--dir', dir)).status).toBe(0);
});
