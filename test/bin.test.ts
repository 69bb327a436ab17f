import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'orchestrate-bin-'));
  cpSync('bin', join(folder, 'bin'), { recursive: true });
  write('package.json', '{"type": "module"}');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function run(args: readonly string[], nodeArgs: readonly string[] = []) {
  return spawnSync(process.execPath, [...nodeArgs, join(folder, 'bin/orchestrate.js'), ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 });
}

function asNode(version: string): string {
  return `--import=data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;
}

test.each(['12.22.12', '20.20.2', '24.14.9', '23.99.0'])(
  'Node %s is told in one line what is needed, and nothing is imported',
  (version) => {
    write('src/cli/main.ts', 'throw new Error("imported");');
    const { status, stdout, stderr } = run([], [asNode(version)]);
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    expect(stderr).toMatch(/^orchestrate needs Node\.js 24\.15 or newer, found [\d.]+ \(.+\): install it from .+ run 'npm ci' .+\n$/);
    expect(stderr).toContain(version);
  },
);

test.each(['24.15.0', '24.21.0', '25.0.0', '100.1.0'])('Node %s is new enough', (version) => {
  write('src/cli/main.ts', 'export const runCli = async (argv: readonly string[]): Promise<number> => argv.length;');
  const { status, stderr } = run(['a', 'b', 'c'], [asNode(version)]);
  expect({ status, stderr }).toEqual({ status: 3, stderr: '' });
});

test('a clone runs its source, also beside a bundle; without source the bundle runs', () => {
  write('src/cli/main.ts', 'export const runCli = async (): Promise<number> => 11;');
  write('dist/cli.js', 'export const runCli = async () => 12;');
  expect(run([]).status).toBe(11);
  rmSync(join(folder, 'src'), { recursive: true });
  expect(run([]).status).toBe(12);
});

test('a clone without its packages says how to get them', () => {
  write('src/cli/main.ts', "import 'commander'; export const runCli = async (): Promise<number> => 0;");
  const { status, stderr } = run([]);
  expect(status).toBe(78);
  expect(stderr).toMatch(/^orchestrate is not fully installed: run 'npm ci' in its folder \(.*'commander'.*\)\n$/);
});

test('what the program has written arrives whole', () => {
  const bytes = 8_000_000; // far more than a pipe holds
  write('src/cli/main.ts', `export const runCli = async (): Promise<number> => (process.stdout.write('x'.repeat(${bytes})), 100);`);
  const { status, stdout } = run([]);
  expect({ status, length: stdout.length }).toEqual({ status: 100, length: bytes });
});

test('compiled code is kept for the next start', () => {
  write(
    'src/cli/main.ts',
    'import { getCompileCacheDir } from "node:module"; export const runCli = async () => (getCompileCacheDir() ? 0 : 1);',
  );
  expect(run([]).status).toBe(0);
});

test('the file that git and npm keep can be executed', () => {
  write('src/cli/main.ts', 'export const runCli = async (): Promise<number> => 0;');
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  expect(execFileSync(join(folder, 'bin/orchestrate.js'), { env: { ...process.env, PATH: path }, encoding: 'utf8' })).toBe('');
});
