/** The reader of the output goes away, as `head` does, or the disk below it is full: a quiet end, or one message; never a stack trace. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSmallDisk, canMount } from './small-disk.ts';
import { startCli } from './run-cli.ts';
import { tinyBert, twoRows } from './write-job.ts';

const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));

const cwd = mkdtempSync(join(tmpdir(), 'orchestrate-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const job = {
  version: 1,
  name: 'small',
  task: 'classification',
  data: { train: './train.jsonl', test: './test.jsonl' },
  training: { steps: 2 },
  targets: { local: { provider: 'local', model: tinyBert } },
};

beforeAll(async () => {
  writeFileSync(join(cwd, 'train.jsonl'), twoRows.repeat(30));
  writeFileSync(join(cwd, 'test.jsonl'), twoRows);
  writeFileSync(join(cwd, 'job.json'), JSON.stringify(job));
  const { status, stderr } = await startCli(['submit', 'job.json', '--wait', '-q'], { cwd }).ended;
  if (status !== 0) throw new Error(stderr);
});

/** Runs a line of the shell in which `$O` is the program. */
function runShell(line: string): { status: number | null; stdout: string; stderr: string } {
  const program = `'${process.execPath}' '${entry}'`;
  return spawnSync('bash', ['-c', line.replaceAll('$O', program)], { cwd, encoding: 'utf8' });
}

const commands = [
  'status',
  'status small/local',
  'status --json',
  'metrics small',
  'metrics small --json',
  'logs small',
  'logs small --follow',
  'compare small',
  'watch small',
  'wait small -q',
  'plan job.json',
  'predict small/local "a text" "another"',
  'data check train.jsonl --json',
  'data check train.jsonl',
  'data convert train.jsonl --to chat -q',
  'data stats train.jsonl',
  'schema',
  '--help',
];

test.each(commands)('%s ends without a word where nobody reads it: 141', (command) => {
  // The reader has ended before anything is written.
  const { stdout, stderr } = runShell(`{ { sleep 0.2; $O ${command}; echo "status $?" >&3; } | true; } 3>&1`);
  expect({ stdout, stderr }).toEqual({ stdout: 'status 141\n', stderr: '' });
});

test.each(commands)('%s says that the disk is full: 75', (command) => {
  const { status, stderr } = runShell(`$O ${command} >/dev/full`);
  expect(stderr).toBe('orchestrate: no space left for the output: standard output\n  free some space and run the command again\n');
  expect(status).toBe(75);
});

test('lines of standard input whose answers are read in part: the field’s own case', () => {
  const lines = Array.from({ length: 300 }, (_, i) => `line ${i} is lovely\n`).join('');
  writeFileSync(join(cwd, 'lines.txt'), lines);
  const { stdout, stderr } = runShell('$O predict small/local <lines.txt | head -2; echo "${PIPESTATUS[0]}"');
  expect(stdout.split('\n')).toHaveLength(4);
  expect(stdout).toMatch(/\n(0|141)\n$/);
  expect(stderr).toBe('');
});

test('a file that may not grow: told, and not taken for whole', () => {
  for (const command of ['schema', '--help']) {
    const { status, stderr } = runShell(`ulimit -f 1; $O ${command} >short.txt`);
    expect(stderr).toContain('orchestrate: the system lets the output grow no further: standard output\n');
    expect(status).toBe(75);
  }
});

test.runIf(canMount)('a disk with too little space takes the first part of the output only: told', () => {
  const disk = createSmallDisk(2 ** 16);
  disk.fill(4096);
  const { status, stderr } = runShell(`$O schema >'${join(disk.folder, 'schema.json')}'`);
  expect(stderr).toContain('no space left for the output');
  expect(status).toBe(75);
  disk.empty();
  expect(runShell(`$O schema >'${join(disk.folder, 'schema.json')}'`).status).toBe(0);
  expect(() => JSON.parse(readFileSync(join(disk.folder, 'schema.json'), 'utf8')) as unknown).not.toThrow();
});
