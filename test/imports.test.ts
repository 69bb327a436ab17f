import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/*
 * Who may import whom. An area is a folder or a file; a file belongs to the longest area that its path begins with, and may always
 * import its own area and the leaves. `types:` in front of an area allows `import type` only.
 */
const leaves = ['src/errors.ts', 'src/lib'];

const model = ['src/provider', 'src/dataset', 'src/job'];
const work = ['src/run', 'src/evaluate', 'src/store', ...model];

const areas: Readonly<Record<string, readonly string[]>> = {
  bin: ['src/cli/main.ts'],
  'src/cli/main.ts': ['src/cli', 'src/orchestrator.ts', 'src/provider-kit', ...work],
  'src/cli': ['src/orchestrator.ts', 'src/run', 'src/evaluate', 'src/import', 'src/sandbox', ...model],
  'src/index.ts': ['providers/index.ts', 'src/orchestrator.ts', 'src/provider-kit', 'src/run', 'src/evaluate', ...model],
  'src/orchestrator.ts': ['src/open-workspace.ts', 'src/import', ...work],
  'src/open-workspace.ts': ['providers/index.ts', ...work],
  'src/import': ['src/run', 'src/store', ...model],
  'src/evaluate': ['src/run', 'src/store', 'src/trainer/model-folder.ts', ...model],
  'src/run': ['src/store', 'src/trainer/model-folder.ts', ...model],
  'src/store': [],
  'src/testing': ['src/provider', 'src/job'],
  'src/provider-kit': ['types:src/trainer/protocol.ts', ...model],
  'src/provider': ['src/dataset', 'src/job'],
  'src/dataset': ['types:src/job'],
  'src/job': [],
  'src/trainer': ['src/trainer/families'],
  'src/trainer/families': ['types:src/trainer'],
  'src/sandbox': [],
  'src/errors.ts': [],
  'src/lib': [],
  'providers/index.ts': ['src/provider', 'providers/azure', 'providers/huggingface', 'providers/local', 'providers/openai'],
  'providers/huggingface': ['src/provider-kit', ...model],
  'providers/local': ['src/provider-kit', 'src/trainer/backends.ts', 'src/trainer/model-folder.ts', 'src/trainer/protocol.ts', ...model],
  'providers/openai-compatible': ['src/provider-kit', ...model],
  'providers/openai': ['providers/openai-compatible', 'src/provider-kit', ...model],
  'providers/azure': ['providers/openai-compatible', 'src/provider-kit', ...model],
};

/** Packages and modules of Node that only some areas may import. A package that is not named here may not be imported at all. */
const owners: Readonly<Record<string, readonly string[]>> = {
  '@bomb.sh/tab': ['src/cli'],
  '@hono/node-server': ['src/sandbox'],
  '@huggingface/hub': ['providers/huggingface'],
  '@huggingface/tokenizers': ['src/trainer/tokenizer.ts'],
  '@humanwhocodes/momoa': ['src/job'],
  // Everything else of the trainer may be imported without loading an engine.
  '@tensorflow/tfjs-backend-cpu': ['src/trainer/tfjs.ts'],
  '@tensorflow/tfjs-backend-wasm': ['src/trainer/tfjs.ts'],
  '@tensorflow/tfjs-core': ['src/trainer/tfjs.ts', 'types:src/trainer'],
  canonicalize: ['src/lib', 'src/job'],
  commander: ['src/cli'],
  'csv-parse': ['src/dataset', 'providers/openai-compatible'],
  'eventsource-parser': ['providers/huggingface'],
  'gpt-tokenizer': ['providers/openai-compatible'],
  hono: ['src/sandbox'],
  kysely: ['src/store', 'src/run', 'src/evaluate'],
  leven: ['src/job', 'src/dataset', 'src/cli'],
  openai: ['providers/openai-compatible', 'src/sandbox'],
  'p-queue': ['providers/openai-compatible'],
  'p-retry': ['src/provider-kit'],
  undici: ['src/provider-kit'],
  yaml: ['src/job', 'src/import', 'src/sandbox', 'providers/huggingface'],
  zod: [
    'types:src/lib',
    'src/job',
    'src/dataset',
    'src/provider',
    'src/provider-kit',
    'src/run',
    'src/evaluate',
    'src/import',
    'src/trainer',
    'src/sandbox',
    'providers/huggingface',
    'providers/local',
    'providers/openai-compatible',
    'providers/azure',
  ],
  'node:child_process': ['src/lib/process.ts'],
  'node:http': ['src/provider-kit', 'src/sandbox'],
  'node:https': ['src/provider-kit'],
  'node:net': ['src/provider-kit'],
  'node:sqlite': ['src/store', 'src/lib/run-lock.ts'],
};

/** Text that only some areas may hold. */
const texts: readonly { readonly pattern: RegExp; readonly only: readonly string[] }[] = [
  { pattern: /\bprocess\.(stdout|stderr)\b/, only: ['src/cli', 'src/trainer/main.ts'] },
  { pattern: /\bconsole\./, only: ['bin'] },
  { pattern: /\bprocess\.exit\(/, only: ['src/cli/main.ts'] }, // cuts off what is being written: for the second Ctrl-C
  { pattern: /\b(Sqlite|Postgres)(Driver|Adapter|Dialect|QueryCompiler)\b/, only: ['src/store'] },
  { pattern: /\bfetch\(/, only: ['src/provider-kit'] },
  { pattern: /\bimport\((?!\s*')/, only: ['bin'] }, // what is imported must be readable here
];

const maxLines = 300;

type Sources = Readonly<Record<string, string>>;

interface Import {
  readonly name: string;
  readonly isType: boolean;
}

/** The import, export-from and `import('…')` clauses of a source, found by their text. */
function toImports(source: string): Import[] {
  const clauses = source.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  const calls = source.matchAll(/\bimport\(\s*'([^']+)'/g);
  return [
    ...[...clauses].map(([, type, name]) => ({ name: name!, isType: type !== undefined })),
    ...[...calls].map(([, name]) => ({ name: name!, isType: false })),
  ];
}

function isWithin(path: string, area: string): boolean {
  return path === area || path.startsWith(`${area}/`);
}

function toArea(path: string): string | undefined {
  return Object.keys(areas)
    .filter((area) => isWithin(path, area))
    .sort((a, b) => b.length - a.length)[0];
}

function toPackageName(name: string): string {
  return name.startsWith('node:') ? name : name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

/** Null where the import is allowed; else why it is not. */
function toRefusal(path: string, area: string, { name, isType }: Import): string | null {
  if (!name.startsWith('.')) {
    const allowed = owners[toPackageName(name)];
    if (allowed === undefined) return name.startsWith('node:') ? null : 'a package without a row in `owners`';
    const isAllowed = allowed.some((owner) => {
      return owner.startsWith('types:') ? isType && isWithin(path, owner.slice('types:'.length)) : isWithin(path, owner);
    });
    return isAllowed ? null : `only ${allowed.join(', ')} may`;
  }
  const target = join(dirname(path), name);
  if (toArea(target) === area || leaves.some((leaf) => isWithin(target, leaf))) return null;
  const allowed = areas[area]!;
  const isAllowed = allowed.some((entry) => toEntryMatch(entry, target, isType));
  return isAllowed ? null : `${area} may import ${['itself', 'leaves', ...allowed].join(', ')}`;
}

function toEntryMatch(entry: string, target: string, isType: boolean): boolean {
  if (entry.startsWith('types:')) return isType && isWithin(target, entry.slice('types:'.length));
  // An area inside another has its own row: naming the outer one does not allow the inner one.
  return isWithin(target, entry) && isWithin(entry, toArea(target) ?? '');
}

function findViolations(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const area = toArea(path);
    if (area === undefined) return [`${path}: no row in \`areas\``];
    const refusals = toImports(source).map((clause) => ({ name: clause.name, refusal: toRefusal(path, area, clause) }));
    const code = source.replaceAll(/^\s*\/?\*.*$|(^|\s)\/\/.*$/gm, ''); // comments may speak of anything
    const found = texts.filter(({ pattern, only }) => pattern.test(code) && !only.some((owner) => isWithin(path, owner)));
    const lines = source.split('\n').length - 1;
    return [
      ...refusals.filter(({ refusal }) => refusal !== null).map(({ name, refusal }) => `${path} imports ${name}: ${refusal}`),
      ...found.map(({ pattern, only }) => `${path} matches ${pattern.source}: only ${only.join(', ') || 'nobody'} may`),
      ...(/(ox|es)lint-disable|@ts-(ignore|expect-error|nocheck)/.test(source) ? [`${path} silences the linter or the compiler`] : []),
      ...(lines > maxLines ? [`${path}: ${lines} lines, more than ${maxLines}`] : []),
    ];
  });
}

function readSources(): Sources {
  const paths = globSync(['bin/*.js', 'src/**/*.ts', 'providers/**/*.ts']);
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

test('imports, text and length of every file keep to the tables', () => {
  const sources = readSources();
  expect(Object.keys(sources)).toContain('src/errors.ts');
  expect(findViolations(sources)).toEqual([]);
});

test('every package of the tables is installed', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, Record<string, string>>;
  const packages = Object.keys(owners).filter((name) => !name.startsWith('node:'));
  expect(packages.filter((name) => !(name in { ...dependencies, ...devDependencies }))).toEqual([]);
});

test.each([
  ['src/run/submit.ts', "import { openStore } from '../store/open-store.ts';"],
  ['src/run/submit.ts', "import type { Kysely } from 'kysely';"],
  ['src/open-workspace.ts', "import {\n  providers,\n} from '../providers/index.ts';"],
  ['src/lib/process.ts', "import { spawn } from 'node:child_process';"],
  ['src/trainer/main.ts', "const { loadTfjs } = await import('./tfjs.ts');\nprocess.stdout.write('');"],
  ['src/trainer/tfjs.ts', "import * as tf from '@tensorflow/tfjs-core';"],
  ['src/trainer/families/bert.ts', "import type { Tensor2D } from '@tensorflow/tfjs-core';\nimport type { Ops } from '../ops.ts';"],
  [
    'providers/local/create.ts',
    "import { readTrainFile } from '../../src/trainer/protocol.ts';\nimport { Failure } from '../../src/errors.ts';",
  ],
  ['src/cli/views.ts', '// console.log is not for us\nprocess.stdout.write(text);'],
])('allowed: %s with %s', (path, source) => {
  expect(findViolations({ [path]: source })).toEqual([]);
});

test.each([
  ['src/store/open-store.ts', "import { submit } from '../run/submit.ts';", 'imports ../run/submit.ts: src/store may import'],
  ['src/job/resolve.ts', "import type { DataFacts } from '../dataset/inspect.ts';", 'imports ../dataset/inspect.ts'],
  ['src/dataset/open-dataset.ts', "import { resolve } from '../job/resolve.ts';", 'imports ../job/resolve.ts'],
  ['src/trainer/families/bert.ts', "export * from '../train.ts';", 'imports ../train.ts'],
  ['src/trainer/adamw.ts', "import * as tf from '@tensorflow/tfjs-core';", 'imports @tensorflow/tfjs-core: only src/trainer/tfjs.ts'],
  ['src/cli/submit.ts', "import { providers } from '../../providers/index.ts';", 'imports ../../providers/index.ts'],
  ['src/cli/submit.ts', "import { local } from '../../providers/local/index.ts';", 'imports ../../providers/local/index.ts'],
  ['src/run/submit.ts', "const { providers } = await import('../../providers/index.ts');", 'imports ../../providers/index.ts'],
  [
    'src/run/submit.ts',
    "import {\n  spawn,\n  type ChildProcess,\n} from 'node:child_process';",
    'imports node:child_process: only src/lib/process.ts may',
  ],
  ['src/run/run-store.ts', "import { DatabaseSync } from 'node:sqlite';", 'imports node:sqlite: only src/store'],
  ['src/run/run-store.ts', "import { SqliteAdapter } from 'kysely';", 'matches'],
  ['src/evaluate/predict.ts', "import * as tf from '@tensorflow/tfjs-core';", 'imports @tensorflow/tfjs-core: only src/trainer/tfjs.ts'],
  ['src/trainer/loop.ts', "import { readRows } from '../dataset/read-rows.ts';", 'imports ../dataset/read-rows.ts'],
  ['src/trainer/loop.ts', "process.stderr.write('step');", 'matches'],
  ['src/run/submit.ts', "console.log('here');", 'matches'],
  ['src/run/submit.ts', "await fetch('https://example.org');", 'matches'],
  ['src/cli/submit.ts', 'process.exit(1);', 'matches'],
  ['src/run/submit.ts', 'await import(name);', 'matches'],
  ['providers/local/create.ts', "import { train } from '../../src/trainer/loop.ts';", 'imports ../../src/trainer/loop.ts'],
  ['providers/local/create.ts', "import { fence } from '../openai/fence.ts';", 'imports ../openai/fence.ts'],
  ['providers/other/index.ts', '', 'no row in `areas`'],
  ['src/job/pad.ts', "import pad from 'left-pad/index.js';", 'imports left-pad/index.js: a package without a row'],
  ['src/run/submit.ts', '// oxlint-disable-next-line no-console', 'silences the linter'],
  ['src/run/long.ts', '\n'.repeat(301), '301 lines, more than 300'],
])('refused: %s with %s', (path, source, message) => {
  expect(findViolations({ [path]: source })).toEqual([expect.stringContaining(message)]);
});
