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
});

interface PackageFile {
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: unknown;
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

test('no other package comes with it, and nothing runs when it is installed', () => {
  const { scripts = {}, dependencies, optionalDependencies, bundleDependencies } = readPackageFile();
  expect({ dependencies, optionalDependencies, bundleDependencies }).toEqual({});
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^(pre|post)?prepare$/.test(name))).toEqual([]);
  expect(globSync(['*', '@*/*'], { cwd: join(installed.folder, 'node_modules') })).toEqual(['finetune-orchestrator']);
});

test('it holds the bundle, the licences and nothing of the source', () => {
  const files = toFiles();
  expect(files.filter((path) => !/^(bin|dist)\//.test(path)).sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  expect(files).toEqual(expect.arrayContaining(['dist/cli.js', 'dist/trainer.js', 'dist/index.js', 'dist/tfjs-backend-wasm-simd.wasm']));
  expect(files.filter((path) => /(?<!\.d)\.ts$|\.map$/.test(path))).toEqual([]);
  expect(files.map((path) => statSync(join(installed.root, path)).size).reduce((sum, size) => sum + size)).toBeLessThan(15_000_000);
});

test('no file names a folder of the machine on which it was made', () => {
  const folders = [resolve('.'), homedir()].filter((folder) => folder.length > 1);
  const named = toFiles().filter((path) => {
    const content = readFileSync(join(installed.root, path));
    return folders.some((folder) => content.includes(`${folder}/`));
  });
  expect(named).toEqual([]);
});

test('TypeScript knows the library, and finds what is wrong with its use', () => {
  const program = (text: string): string => {
    writeFileSync(
      join(installed.folder, 'use.mts'),
      `import { createOrchestrator, defineProvider } from 'finetune-orchestrator';\n${text}\n`,
    );
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,esnext.disposable',
      '--types',
      '',
    ];
    return spawnSync(process.execPath, [tsc, ...options, 'use.mts'], { cwd: installed.folder, encoding: 'utf8' }).stdout;
  };
  const right =
    "await using o = await createOrchestrator({ dir: 'x' });\nexport const ids: string[] = (await o.list()).map((run) => run.id);";
  expect(program(right)).toBe('');
  expect(program(right.replace("'x'", '1'))).toContain("Type 'number' is not assignable to type 'string'");
  expect(program("export const p = defineProvider({ id: 'x' });")).toContain('missing the following properties');
});

test('the licences of the bundled packages are with it', () => {
  const text = readFileSync(join(installed.root, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
  const packages = text.match(/^@?[\w./-]+ [\d.]+ \([\w.-]+\)$/gm)?.map((title) => title.split(' ')[0]);
  expect(packages).toEqual(expect.arrayContaining(['@huggingface/tokenizers', '@tensorflow/tfjs-core', 'csv-parse', 'kysely', 'zod']));
  expect(text.includes('TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION')).toBe(true); // the Apache licence's text
});

test('orchestrate --version and --help', () => {
  expect(run(['--version'])).toMatchObject({ status: 0, stdout: `${readPackageFile().version}\n`, stderr: '' });
  expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('submit') as string, stderr: '' });
});

test('the library can be imported', () => {
  const source = "import { createOrchestrator } from 'finetune-orchestrator'; console.log(typeof createOrchestrator);";
  const args = ['--input-type=module', '--eval', source];
  expect(execFileSync(process.execPath, args, { cwd: installed.folder, env: installed.env, encoding: 'utf8' })).toBe('function\n');
});

test('it trains', () => {
  const folder = join(installed.folder, 'job');
  cpSync('fixtures/models/tiny-bert', join(folder, 'tiny-bert'), { recursive: true });
  for (const name of ['train.jsonl', 'test.jsonl']) {
    const lines = readFileSync(join('fixtures/sentiment', name), 'utf8').split('\n').slice(0, 64);
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  }
  const job = {
    version: 1,
    name: 'installed',
    task: 'classification',
    data: { train: './train.jsonl', test: './test.jsonl', columns: { text: 'text', label: 'label' } },
    training: { steps: 3, batchSize: 8, learningRate: 5e-4, maxLength: 64, seed: 1 },
    targets: { laptop: { provider: 'local', model: './tiny-bert' } },
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));

  const { status, stdout, stderr } = run(['submit', 'job.json', '--wait', '--json'], folder);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const { runs, comparisons } = JSON.parse(stdout) as { runs: unknown[]; comparisons: unknown[] };
  expect(runs).toEqual([expect.objectContaining({ target: 'laptop', terminal: true, ok: true })]);
  expect(comparisons).toHaveLength(1);
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
