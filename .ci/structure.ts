/*
 * The structure of the sources, held by `npm run check`: who may import whom, which packages an area may use, which text it may hold,
 * and how much there is to read.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
  'src/cli': ['src/orchestrator.ts', 'src/prepare', 'src/run', 'src/evaluate', 'src/import', 'src/sandbox', ...model],
  'src/index.ts': [
    'providers/index.ts',
    'src/orchestrator.ts',
    'src/provider-kit',
    'types:src/server',
    'src/run',
    'src/evaluate',
    ...model,
  ],
  'src/orchestrator-api.ts': ['types:src/open-workspace.ts', 'types:src/import', 'types:src/server', ...work],
  'src/orchestrator.ts': ['src/orchestrator-api.ts', 'src/open-workspace.ts', 'src/import', 'src/server', ...work],
  'src/open-workspace.ts': ['providers/index.ts', ...work],
  'src/import': ['src/run', 'src/store', ...model],
  'src/server': ['types:src/provider', 'src/dataset'],
  'src/evaluate': ['src/run', 'src/store', 'src/trainer/model-folder.ts', ...model],
  'src/run': ['src/store', 'src/trainer/gguf', 'src/trainer/model-folder.ts', ...model],
  'src/store': [],
  'src/testing': ['src/provider', 'src/job'],
  'src/provider-kit': ['types:src/trainer/protocol.ts', ...model],
  'src/provider': ['src/dataset', 'src/job'],
  'src/dataset': ['types:src/job'],
  'src/prepare': ['src/dataset'],
  'src/job': [],
  'src/trainer': [
    'src/trainer/adapters',
    'src/trainer/kernels',
    'src/trainer/backends',
    'src/trainer/checkpoint',
    'src/trainer/engine',
    'src/trainer/families',
    'src/trainer/language',
    'src/trainer/tasks',
    'src/trainer/workers',
  ],
  'src/trainer/gguf': ['src/trainer/engine', 'src/trainer/families', 'src/trainer/model-folder.ts', 'src/trainer/safetensors.ts'],
  'src/trainer/workers': [
    'src/trainer/backends',
    'src/trainer/engine',
    'src/trainer/kernels',
    'src/trainer/memory.ts',
    'src/trainer/tasks',
    'types:src/trainer/families',
  ],
  'src/trainer/backends': ['src/trainer/kernels'],
  'src/trainer/kernels': ['types:src/trainer/backends'],
  // Compiled by itself: it is another language.
  'src/trainer/kernels/assembly': [],
  // The engine knows no family, no task and no backend: they are given to it.
  'src/trainer/engine': [
    'types:src/trainer/backends',
    'types:src/trainer/families',
    'src/trainer/kernels',
    'src/trainer/protocol.ts',
    'src/trainer/safetensors.ts',
    'types:src/trainer/training-controls.ts',
  ],
  'src/trainer/families': ['types:src/trainer/engine'],
  'src/trainer/adapters': [
    'types:src/trainer/backends',
    'types:src/trainer/protocol.ts',
    'src/trainer/engine',
    'src/trainer/families',
    'src/trainer/safetensors.ts',
  ],
  'src/trainer/language': [
    'types:src/trainer/backends',
    'types:src/trainer/generate-protocol.ts',
    'src/trainer/adapters',
    'src/trainer/engine',
    'src/trainer/families',
    'src/trainer/model-folder.ts',
    'types:src/trainer/protocol.ts',
    'src/trainer/memory.ts',
    'src/trainer/tasks/row-lines.ts',
    'types:src/trainer/token-text.ts',
    'types:src/trainer/tokenizer.ts',
  ],
  'src/trainer/tasks': [
    'types:src/trainer/backends',
    'types:src/trainer/protocol.ts',
    'src/trainer/adapters',
    'src/trainer/engine',
    'src/trainer/families',
    'src/trainer/language',
    'src/trainer/model-folder.ts',
    'src/trainer/safetensors.ts',
    'src/trainer/tokenizer.ts',
  ],
  'src/trainer/checkpoint': [
    'types:src/trainer/event-file.ts',
    'src/trainer/engine',
    'src/trainer/protocol.ts',
    'src/trainer/safetensors.ts',
  ],
  'src/sandbox': [],
  'src/errors.ts': [],
  'src/lib': [],
  'providers/index.ts': [
    'src/provider',
    'providers/azure',
    'providers/endpoint',
    'providers/huggingface',
    'providers/local',
    'providers/openai',
    'providers/together',
  ],
  'providers/huggingface': ['src/provider-kit', ...model],
  'providers/local': [
    'src/provider-kit',
    'src/trainer/adapters',
    'src/trainer/backends',
    'src/trainer/merge-adapter.ts',
    'types:src/trainer/check-protocol.ts',
    'types:src/trainer/generate-protocol.ts',
    'types:src/trainer/predict-protocol.ts',
    'src/trainer/model-folder.ts',
    'src/trainer/protocol.ts',
    'src/trainer/tokenizer.ts',
    'types:src/trainer/queue.ts',
    ...model,
  ],
  'providers/openai-compatible': ['src/provider-kit', ...model],
  'providers/openai': ['providers/openai-compatible', 'src/provider-kit', ...model],
  'providers/azure': ['providers/openai-compatible', 'src/provider-kit', ...model],
  'providers/together': ['providers/openai-compatible', 'src/provider-kit', ...model],
  'providers/endpoint': ['providers/openai-compatible', 'src/provider-kit', ...model],
};

/** Packages and modules of Node that only some areas may import. A package that is not named here may not be imported at all. */
export const owners: Readonly<Record<string, readonly string[]>> = {
  '@bomb.sh/tab': ['src/cli'],
  '@hono/node-server': ['src/sandbox', 'src/server'],
  '@huggingface/hub': ['src/provider-kit', 'providers/huggingface'],
  '@huggingface/jinja': ['src/dataset/chat-template.ts'],
  '@huggingface/tokenizers': ['src/trainer/tokenizer.ts'],
  '@humanwhocodes/momoa': ['src/job'],
  // Everything else of the trainer may be imported without loading an engine.
  '@tensorflow/tfjs-backend-cpu': ['src/trainer/backends'],
  '@tensorflow/tfjs-backend-wasm': ['src/trainer/backends'],
  '@tensorflow/tfjs-core': ['src/trainer/backends/tfjs.ts', 'types:src/trainer'],
  ajv: ['src/job'],
  canonicalize: ['src/lib', 'src/job'],
  commander: ['src/cli'],
  'csv-parse': ['src/dataset', 'providers/openai-compatible'],
  'eventsource-parser': ['providers/huggingface'],
  'gpt-tokenizer': ['providers/openai-compatible'],
  hono: ['src/sandbox', 'src/server'],
  hyparquet: ['src/dataset'],
  kysely: ['src/store', 'src/run', 'src/evaluate'],
  leven: ['src/job', 'src/dataset', 'src/cli'],
  openai: ['providers/openai-compatible', 'src/sandbox', 'types:src/server'],
  'p-queue': ['providers/openai-compatible', 'src/server'],
  'p-retry': ['src/provider-kit'],
  'string-width': ['src/cli'],
  'together-ai': ['providers/together', 'types:src/sandbox'],
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
    'src/server',
    'providers/huggingface',
    'providers/local',
    'providers/openai-compatible',
    'providers/azure',
    'providers/together',
    'providers/endpoint',
  ],
  'node:child_process': ['src/lib/process.ts'],
  'node:http': ['src/provider-kit', 'src/sandbox', 'src/server'],
  'node:https': ['src/provider-kit'],
  'node:net': ['src/provider-kit', 'types:src/server'],
  'node:sqlite': ['src/store', 'src/lib/run-lock.ts'],
};

/** Text that only some areas may hold. */
const texts: readonly { readonly pattern: RegExp; readonly only: readonly string[] }[] = [
  { pattern: /\bprocess\.(stdout|stderr)\b/, only: ['src/cli', 'src/trainer/main.ts'] },
  { pattern: /\bconsole\./, only: ['bin'] },
  { pattern: /\bcustomGrad\b/, only: ['src/trainer/engine/tape.ts'] }, // an operation that the tape does not see has no gradient
  { pattern: /\bprocess\.exit\(/, only: ['src/cli/main.ts'] }, // cuts off what is being written: for the second Ctrl-C
  { pattern: /\b(Sqlite|Postgres)(Driver|Adapter|Dialect|QueryCompiler)\b/, only: ['src/store'] },
  { pattern: /wasm/i, only: ['src/trainer/backends', 'src/trainer/kernels', 'providers/local/estimate.ts', 'providers/local/needs.ts'] }, // measured on it; and so for a further backend: its name stands in its folder and in the list
  { pattern: /\bprogramName\b/, only: ['src/cli/main.ts', 'src/cli/cli.ts'] }, // `nameCommand` repeats --dir
  { pattern: /\bfetch\(/, only: ['src/provider-kit'] },
  { pattern: /\bimport\((?!\s*')/, only: ['bin'] }, // what is imported must be readable here
];

const maxLines = 300;

/** A smaller file that only one other file uses belongs into that file. */
const minLines = 20;

/** The most lines that the files of a folder may have together. Who raises a budget gives the reason in the commit. */
const budgets: Readonly<Record<string, number>> = {
  'providers/azure': 300,
  'providers/endpoint': 125,
  'providers/huggingface': 3680,
  'providers/local': 3110,
  'providers/openai': 50,
  'providers/openai-compatible': 2680,
  'providers/together': 740,
  'src/cli': 4160,
  'src/dataset': 5700,
  'src/evaluate': 3290,
  'src/import': 2530,
  'src/job': 1060,
  'src/lib': 850,
  'src/prepare': 1900,
  'src/provider': 790,
  'src/provider-kit': 2400,
  'src/run': 3890,
  'src/sandbox': 4650,
  'src/server': 800,
  'src/store': 570,
  'src/testing': 1250,
  'src/trainer': 13850,
  test: 49600,
};

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

export function findViolations(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const area = toArea(path);
    if (area === undefined) return [`${path}: no row in \`areas\``];
    const refusals = toImports(source).map((clause) => ({ name: clause.name, refusal: toRefusal(path, area, clause) }));
    const code = source.replaceAll(/^\s*\/?\*.*$|(^|\s)\/\/.*$/gm, ''); // comments may speak of anything
    const found = texts.filter(({ pattern, only }) => pattern.test(code) && !only.some((owner) => isWithin(path, owner)));
    const lines = countLines(source);
    return [
      ...refusals.filter(({ refusal }) => refusal !== null).map(({ name, refusal }) => `${path} imports ${name}: ${refusal}`),
      ...found.map(({ pattern, only }) => `${path} matches ${pattern.source}: only ${only.join(', ') || 'nobody'} may`),
      ...(/(ox|es)lint-disable|@ts-(ignore|expect-error|nocheck)/.test(source) ? [`${path} silences the linter or the compiler`] : []),
      ...(lines > maxLines ? [`${path}: ${lines} lines, more than ${maxLines}`] : []),
    ];
  });
}

export function readSources(patterns: readonly string[] = ['bin/*.js', 'src/**/*.ts', 'providers/**/*.ts']): Sources {
  const paths = globSync([...patterns]);
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

/** Folders whose files together have more lines than their budget. */
export function findOverruns(sources: Sources, limits = budgets): string[] {
  return Object.entries(limits).flatMap(([folder, limit]) => {
    const lines = Object.entries(sources).reduce((sum, [path, source]) => sum + (isWithin(path, folder) ? countLines(source) : 0), 0);
    return lines > limit ? [`${folder}: ${lines} lines, more than its budget of ${limit}`] : [];
  });
}

/** Files that are too small to be a subject and have a single user. The door of a folder, `index.ts`, may be small. */
export function findCrumbs(sources: Sources): string[] {
  const users = new Map<string, number>();
  for (const [path, source] of Object.entries(sources)) {
    const targets = new Set(toImports(source).map(({ name }) => join(dirname(path), name)));
    for (const target of targets) users.set(target, (users.get(target) ?? 0) + 1);
  }
  return Object.entries(sources)
    .filter(([path, source]) => countLines(source) < minLines && users.get(path) === 1 && !path.endsWith('/index.ts'))
    .map(([path, source]) => `${path}: ${countLines(source)} lines with a single user belong into that file`);
}

function countLines(source: string): number {
  return source.split('\n').length - 1;
}

if (import.meta.main) {
  const sources = readSources();
  const all = { ...sources, ...readSources(['providers/**/*.py', 'test/**/*.{ts,py}']) };
  const problems = [...findViolations(sources), ...findOverruns(all), ...findCrumbs(sources)];
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
