import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, test } from 'vitest';

/** AssemblyScript only looks like TypeScript: its own compiler checks it. */
const isAssembly = (path: string): boolean => path.startsWith('src/trainer/kernels/assembly/');
const sources = globSync(['{src,providers,test,bench,.ci}/**/*.ts', '*.ts'])
  .filter((path) => !isAssembly(path))
  .sort();

function runTool(name: string, args: readonly string[]): string[] {
  const output = execFileSync(process.execPath, [`node_modules/.bin/${name}`, ...args], { encoding: 'utf8' });
  return output.split('\n').map((path) => relative('.', path.trim()));
}

test('the compiler checks every file of the project', () => {
  const checked = new Set(runTool('tsc', ['-p', '.', '--listFilesOnly']));
  expect(sources.filter((path) => !checked.has(path))).toEqual([]);
});

test('the linter checks every file of the project', () => {
  const files = toLintArguments().flatMap((argument) => (argument.startsWith('*') ? globSync(argument) : [argument]));
  const checked = new Set(runTool('oxlint', [...files, '--debug', 'files']));
  expect(sources.filter((path) => !checked.has(path))).toEqual([]);
});

// A folder that is still empty is covered as well: its first file is checked.
test.each(['src', 'providers', 'test', 'bench'])('%s is named to the compiler and to the linter', (folder) => {
  const { include } = JSON.parse(readFileSync('tsconfig.json', 'utf8')) as { include: string[] };
  expect(include).toContain(folder);
  expect(toLintArguments()).toContain(folder);
});

function toLintArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { check: string } };
  return /oxlint (.*?) &&/.exec(scripts.check)![1]!.split(' ');
}
