import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findCrumbs, findOverruns, findViolations, owners, readSources } from '../../.ci/structure.ts';

test('imports, text and length of every file keep to the tables, and no file is too small', () => {
  const sources = readSources();
  expect(Object.keys(sources)).toContain('src/errors.ts');
  expect([...findViolations(sources), ...findCrumbs(sources)]).toEqual([]);
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
  ['src/trainer/main.ts', "const { loadTfjs } = await import('./backends/tfjs.ts');\nprocess.stdout.write('');"],
  ['src/trainer/backends/tfjs.ts', "import * as tf from '@tensorflow/tfjs-core';"],
  ['src/trainer/families/bert.ts', "import type { Tensor2D } from '@tensorflow/tfjs-core';\nimport type { Ops } from '../engine/ops.ts';"],
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
  ['src/trainer/families/bert.ts', "export * from '../engine/train.ts';", 'imports ../engine/train.ts'],
  [
    'src/trainer/engine/adamw.ts',
    "import * as tf from '@tensorflow/tfjs-core';",
    'imports @tensorflow/tfjs-core: only src/trainer/backends/tfjs.ts',
  ],
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
  [
    'src/evaluate/predict.ts',
    "import * as tf from '@tensorflow/tfjs-core';",
    'imports @tensorflow/tfjs-core: only src/trainer/backends/tfjs.ts',
  ],
  ['src/trainer/loop.ts', "import { readRows } from '../dataset/read-rows.ts';", 'imports ../dataset/read-rows.ts'],
  ['src/trainer/loop.ts', "process.stderr.write('step');", 'matches'],
  ['src/run/submit.ts', "console.log('here');", 'matches'],
  ['src/trainer/engine/train.ts', "if (backend === 'wasm') return;", 'matches'],
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

test('a folder may have as many lines as its budget, and not one more', () => {
  const sources = { 'src/run/a.ts': '\n\n', 'src/run/b/c.ts': '\n', 'src/runs/d.ts': '\n' };
  expect(findOverruns(sources, { 'src/run': 3 })).toEqual([]);
  expect(findOverruns(sources, { 'src/run': 2 })).toEqual(['src/run: 3 lines, more than its budget of 2']);
});

test('a small file with a single user is found; with two users, or none, it is not', () => {
  const use = "import { small } from './small.ts';\n";
  expect(findCrumbs({ 'src/run/small.ts': '\n', 'src/run/a.ts': use })).toEqual([expect.stringContaining('src/run/small.ts: 1 lines')]);
  expect(findCrumbs({ 'src/run/small.ts': '\n', 'src/run/a.ts': use, 'src/run/b.ts': use })).toEqual([]);
  expect(findCrumbs({ 'src/run/small.ts': '\n'.repeat(20), 'src/run/a.ts': use })).toEqual([]);
});
