import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { installPackage, type InstalledPackage } from './install.ts';

const tsc = resolve('node_modules/typescript/bin/tsc');

let installed: InstalledPackage;

beforeAll(() => {
  installed = installPackage();
}, 180_000); // it builds the package

interface PackageFile {
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: unknown;
  readonly bundleDependencies?: unknown;
}

function readPackageFile(): PackageFile {
  return JSON.parse(readFileSync(join(installed.root, 'package.json'), 'utf8')) as PackageFile;
}

function toFiles(): string[] {
  return globSync('**/*', { cwd: installed.root }).filter((path) => statSync(join(installed.root, path)).isFile());
}

function run(args: readonly string[], cwd = installed.folder) {
  return spawnSync(installed.command, args, { cwd, env: installed.env, encoding: 'utf8' });
}

test('it brings libraries that npm can audit and update, and runs nothing when it is installed', () => {
  const { scripts = {}, dependencies = {}, optionalDependencies, bundleDependencies } = readPackageFile();
  expect({ optionalDependencies, bundleDependencies }).toEqual({});
  expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(['@huggingface/hub', 'kysely', 'openai', 'zod']));
  expect(Object.values(dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^(pre|post)?prepare$/.test(name))).toEqual([]);
  expect(globSync(['*', '@tensorflow/*'], { cwd: join(installed.folder, 'node_modules') })).not.toContain('@tensorflow');
});

test('it holds the bundle, the licences and nothing of the source', () => {
  const files = toFiles();
  expect(files.filter((path) => !/^(bin|dist|docs|fixtures)\//.test(path)).sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'package.json',
  ]);
  const linked = readFileSync('README.md', 'utf8').matchAll(/\]\((docs\/[\w.-]+)[)#]/g);
  expect(files).toEqual(expect.arrayContaining([...linked].map(([, path]) => path)));
  const entries = ['cli', 'index', 'testing'].flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]);
  expect(files).toEqual(
    expect.arrayContaining([
      ...entries,
      'dist/trainer.js',
      'dist/trainer-worker.js',
      'dist/tfjs-backend-wasm-simd.wasm',
      'dist/kernels-relaxed-simd.wasm',
      'dist/kernels-simd.wasm',
    ]),
  );
  expect(files.filter((path) => /(?<!\.d)\.ts$|\.map$/.test(path))).toEqual([]);
  expect(files.map((path) => statSync(join(installed.root, path)).size).reduce((sum, size) => sum + size)).toBeLessThan(8_500_000);
});

test('no file names a folder of the machine on which it was made', () => {
  const folders = [resolve('.'), homedir()].filter((folder) => folder.length > 1);
  const named = toFiles().filter((path) => {
    const content = readFileSync(join(installed.root, path));
    return folders.some((folder) => content.includes(`${folder}/`));
  });
  expect(named).toEqual([]);
});

/** What the compiler finds wrong with a program of a user, who has no other types than the package and its dependencies bring. */
function compile(...lines: readonly string[]): string {
  const imports = [
    "import { createOrchestrator, defineProvider, type TranslationInput } from 'finetune-orchestrator';",
    "import { contractTests } from 'finetune-orchestrator/testing';",
    "import { runCli } from 'finetune-orchestrator/cli';",
    'export { contractTests, createOrchestrator, defineProvider, runCli, type TranslationInput };',
  ];
  writeFileSync(join(installed.folder, 'use.mts'), [...imports, ...lines, ''].join('\n'));
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext.disposable'];
  const types = ['--typeRoots', resolve('node_modules/@types'), '--types', 'node'];
  return spawnSync(process.execPath, [tsc, ...options, ...types, 'use.mts'], { cwd: installed.folder, encoding: 'utf8' }).stdout;
}

test('TypeScript knows the library, down to the fields of a job, without skipLibCheck', () => {
  const right = [
    "await using o = await createOrchestrator({ dir: 'x' });",
    'export const ids: string[] = (await o.list()).map((run) => run.id);',
    "export const epochs: number | undefined = (await o.load('job.json')).spec.training?.epochs;",
    'export const rate = (input: TranslationInput) => input.spec.training.learningRate;',
    "export const status: number = await runCli(['status']);",
  ];
  expect(compile(...right)).toBe('');
});

test.each([
  ['createOrchestrator({ dir: 1 });', "Type 'number' is not assignable to type 'string'"],
  ["export const p = defineProvider({ id: 'x' });", 'missing the following properties'],
  [
    "export const n = (await (await createOrchestrator()).load('job.json')).spec.training.epochs.not.there;",
    "Property 'not' does not exist",
  ],
  ['export const rate = (input: TranslationInput) => input.spec.training.no.such.field;', "Property 'no' does not exist"],
])('TypeScript finds what is wrong with %s', (line, message) => {
  expect(compile(line)).toContain(message);
});

test('the licences of the bundled packages are with it', () => {
  const text = readFileSync(join(installed.root, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
  const packages = text.match(/^@?[\w./-]+ [\d.]+ \([\w.-]+\)$/gm)?.map((title) => title.split(' ')[0]);
  expect(packages).toEqual(expect.arrayContaining(['@tensorflow/tfjs-core', 'commander', 'kysely']));
  expect(text.includes('TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION')).toBe(true); // the Apache licence's text
});

test('orchestrate --version and --help', () => {
  expect(run(['--version'])).toMatchObject({ status: 0, stdout: `${readPackageFile().version}\n`, stderr: '' });
  expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('submit') as string, stderr: '' });
});

test('the command has the name of the package too, which no other package has', () => {
  const command = join(installed.folder, 'node_modules/.bin/finetune-orchestrator');
  const { status, stdout } = spawnSync(command, ['--version'], { env: installed.env, encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${readPackageFile().version}\n` });
});

test('the library says that Node is too old', () => {
  const old = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";
  const args = ['--import', `data:text/javascript,${old}`, '--input-type=module', '--eval', "await import('finetune-orchestrator');"];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: installed.folder, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('finetune-orchestrator needs Node.js 24.15 or newer, found 20.20.2');
});

test('each entry can be imported, and an error is the same class in all of them', () => {
  const source = `
    import { createOrchestrator, Failure, isFailure } from 'finetune-orchestrator';
    import { contractTests, httpTests } from 'finetune-orchestrator/testing';
    import { runCli } from 'finetune-orchestrator/cli';
    import manifest from 'finetune-orchestrator/package.json' with { type: 'json' };
    const error = await (await createOrchestrator({ dir: 'none', mayCreateState: false })).load('none.json').catch((one) => one);
    console.log([createOrchestrator, contractTests, httpTests, runCli].map((one) => typeof one).join(), manifest.name, error instanceof Failure, isFailure(error));`;
  const args = ['--input-type=module', '--eval', source];
  expect(execFileSync(process.execPath, args, { cwd: installed.folder, env: installed.env, encoding: 'utf8' })).toBe(
    'function,function,function,function finetune-orchestrator true true\n',
  );
});

test('it brings the sample, which trains, with its licences', () => {
  const folder = join(installed.folder, 'job');
  const { status: made, stdout: told } = run(['init', '--sample', 'job']);
  expect({ made, told }).toEqual({ made: 0, told: expect.stringContaining('next: orchestrate submit job/job.json --wait') as string });
  for (const name of ['NOTICE.md', 'models/tiny-bert/NOTICE.md', 'models/tiny-bert/LICENSE', 'models/tiny-bert/LICENSE-WordNet.txt']) {
    expect(readFileSync(join(folder, name), 'utf8')).not.toBe('');
  }
  const { status, stdout, stderr } = run(['submit', 'job.json', '--wait', '--json', '--set', 'training.epochs=0.05'], folder);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const { runs, comparisons } = JSON.parse(stdout) as { runs: unknown[]; comparisons: unknown[] };
  expect(runs).toEqual([expect.objectContaining({ target: 'laptop', terminal: true, ok: true })]);
  expect(comparisons).toHaveLength(1);
});

test('a second thread of the trainer finds its program', () => {
  const settings = ['--set', 'training.epochs=0.05', 'targets.laptop.options={"threads":2}'];
  const { status, stderr } = run(['submit', 'job.json', '--wait', ...settings], join(installed.folder, 'job'));
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  expect(run(['logs', 'sentiment/laptop'], join(installed.folder, 'job')).stdout).toContain('2 threads');
});

test('it has the programs of jobs at Hugging Face, and a plan names them', () => {
  const programs = globSync('*.py', { cwd: 'providers/huggingface/container' }).sort();
  expect(globSync('*.py', { cwd: join(installed.root, 'dist/container') }).sort()).toEqual(programs);
  const folder = join(installed.folder, 'hub');
  cpSync('fixtures/sentiment', join(folder, 'sentiment'), { recursive: true });
  cpSync('fixtures/hub/job.json', join(folder, 'hub/job.json'));
  const { status, stdout } = spawnSync(installed.command, ['plan', 'hub/job.json', '--target', 'hub'], {
    cwd: folder,
    env: { ...installed.env, HF_ENDPOINT: 'http://127.0.0.1:9' },
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/"main\.py",\s+"<program of \d{3} lines, SHA-256 [0-9a-f]{16}…>"/);
});
