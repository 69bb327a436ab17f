import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { writeSafetensors, type TensorToWrite } from '../../src/trainer/safetensors.ts';
import { readTensors } from '../trainer/read-tensors.ts';
import type { RunView } from '../../src/run/run-view.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli } from './run-cli.ts';
import { expectNothingLeft, tinyBert, twoRows, writeJob } from './write-job.ts';

/** Submits a job that cannot be; nothing of it may be left behind. */
async function submit(job: string): Promise<{ status: number | null; stderr: string }> {
  const dir = join(createScratchFolder(), 'state');
  const { status, stderr, stdout } = await runCli('submit', job, '--dir', dir);
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/\n +at /); // no stack of the program
  expectNothingLeft(dir);
  return { status, stderr };
}

/** A job whose model is a copy of a good one with a fault. */
function writeJobOf(spoil: (folder: string) => void): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(tinyBert, folder, { recursive: true });
  spoil(folder);
  return writeJob({ model: folder });
}

function changeTensors(folder: string, change: (tensors: TensorToWrite[]) => TensorToWrite[]): void {
  const path = join(folder, 'model.safetensors');
  const tensors = [...readTensors(path)].map(([name, { shape, data }]) => ({ name, shape, data: data! }));
  writeSafetensors(path, change(tensors));
}

test.each<[string, () => string, number, string]>([
  ['a missing job file', () => '/nowhere/job.json', 66, 'job file not found: /nowhere/job.json'],
  ['a folder as job file', () => createScratchFolder(), 66, 'expected a job file, found a folder'],
  [
    'a wrong label column',
    () => writeJob({ columns: { label: 'lable' } }),
    65,
    'train.jsonl:1: expected a column "lable", found "text", "label"; did you mean "label"?',
  ],
  ['one class', () => writeJob({ rows: '{"text": "a", "label": "x"}\n' }), 65, 'expected at least two labels in the training rows'],
  ['an empty data file', () => writeJob({ rows: '' }), 65, 'expected rows in the training data, found none'],
  ['a missing model', () => writeJob({ model: './nothing' }), 66, 'model folder not found'],
  ['a model folder without files', () => writeJob({ model: createScratchFolder() }), 65, 'config.json'],
  [
    'an unknown provider',
    () => writeJob({ provider: 'cloud' }),
    78,
    'targets.local: expected a provider that is one of local, openai, azure, huggingface, together, endpoint, found "cloud"',
  ],
  ['an unknown option', () => writeJob({ options: { bakend: 'cpu' } }), 78, 'targets.local.options'],
])('%s', async (_, toJob, status, message) => {
  const ended = await submit(toJob());
  expect(ended.stderr).toContain(message);
  expect(ended.status).toBe(status);
});

test.each<[string, () => string, number, string]>([
  ['JSON with an error', () => writeJob({ text: '{"version": 1,\n "name": }' }), 78, 'job.json:2:10 expected JSON'],
  ['an empty job file', () => writeJob({ text: '\n' }), 78, 'expected a job file, found an empty file'],
  ['a job file that is no object', () => writeJob({ text: '[]' }), 78, 'job.json:1:1 (the whole file): expected an object'],
  ['YAML with an error', () => writeJob({ name: 'job.yaml', text: 'version: 1\nname: [a\ntask: b' }), 78, 'job.yaml:3:1 expected YAML'],
  ['a job file without end', () => writeJob({ text: '['.repeat(100_000) }), 78, 'job.json'],
  ['a job file of 2 MB', () => writeJob({ text: ' '.repeat(2 ** 21) }), 78, 'expected a job file of at most 1 MiB'],
  ['an unknown key', () => writeJob({ fields: { trainig: {} } }), 78, 'trainig: unknown field, did you mean "training"?'],
  ['a key from the prototype', () => writeJob({ text: '{"__proto__": {"version": 1}}' }), 78, '__proto__: unknown field'],
])('of the job file: %s', async (_, toJob, status, message) => {
  const ended = await submit(toJob());
  expect(ended.stderr).toContain(message);
  expect(ended.status).toBe(status);
});

const gzipped = gzipSync(twoRows);
test.each<[string, () => string, number, string]>([
  ['no data file', () => writeJob({ fields: { data: { train: './none.jsonl' } } }), 66, 'data file not found: '],
  ['a folder', () => writeJobWithFolder(), 66, 'expected a data file, found a folder'],
  ['a pipe', () => writeJobWithPipe(), 65, 'expected a file, found a pipe or a device'],
  [
    'another format',
    () => writeJob({ file: 'train.txt' }),
    65,
    'expected a data file that ends in .jsonl, .json, .csv, .tsv or .parquet, or one of these and .gz',
  ],
  [
    'rows of wrong types, all at once',
    () => writeJob({ rows: '{"text": 5, "label": "a"}\n{"text": "b", "label": {}}\n[1]\n{"text": "c"}\n{"te\n' }),
    65,
    '5 rows cannot be used:',
  ],
  ['an unfinished row', () => writeJob({ rows: `${twoRows}{"text": "c"` }), 65, 'train.jsonl:3:13: not valid JSON'],
  [
    'a label that only validation has',
    () => writeJob({ validation: '{"text": "x", "label": "maybe"}\n' }),
    65,
    'validation.jsonl:1: no training row has the label "maybe"',
  ],
  [
    'a table with uneven rows',
    () => writeJob({ file: 'train.csv', rows: 'text,label\na,yes\nb\nc,no,x\n' }),
    65,
    'train.csv:3: expected 2 fields',
  ],
  [
    'a quote without end',
    () => writeJob({ file: 'train.csv', rows: 'text,label\n"a,yes\nb,no\n' }),
    65,
    'a double quote that is never closed',
  ],
  [
    'bytes that are no UTF-8',
    () => writeJob({ rows: Buffer.from('{"text": "\xff", "label": "a"}\n', 'latin1') }),
    65,
    'train.jsonl:1: expected UTF-8',
  ],
  ['gzip that is none', () => writeJob({ file: 'train.jsonl.gz', rows: Buffer.from('1f8b0000', 'hex') }), 65, 'cannot be decompressed: '],
  [
    'gzip that is cut',
    () => writeJob({ file: 'train.jsonl.gz', rows: gzipped.subarray(0, -9) }),
    65,
    'cannot be decompressed: unexpected end of file',
  ],
  [
    'gzip with a wrong sum',
    () => writeJob({ file: 'train.jsonl.gz', rows: spoilSum(gzipped) }),
    65,
    'cannot be decompressed: incorrect data check',
  ],
])('of the data: %s', async (_, toJob, status, message) => {
  const ended = await submit(toJob());
  expect(ended.stderr).toContain(message);
  expect(ended.status).toBe(status);
});

function writeJobWithFolder(): string {
  const job = writeJob({ fields: { data: { train: './folder.jsonl' } } });
  mkdirSync(join(dirname(job), 'folder.jsonl'));
  return job;
}

function writeJobWithPipe(): string {
  const job = writeJob({ fields: { data: { train: './pipe.jsonl' } } });
  execFileSync('mkfifo', [join(dirname(job), 'pipe.jsonl')]);
  return job;
}

function spoilSum(bytes: Buffer): Buffer {
  const spoilt = Buffer.from(bytes);
  spoilt[spoilt.length - 8]! ^= 1;
  return spoilt;
}

const toWeights = (folder: string): string => join(folder, 'model.safetensors');
test.each<[string, () => string, number, string]>([
  [
    'no tokenizer',
    () => writeJobOf((folder) => rmSync(join(folder, 'tokenizer.json'))),
    65,
    'the model folder has neither a tokenizer.json nor a vocab.txt',
  ],
  ['no weights', () => writeJobOf((folder) => rmSync(toWeights(folder))), 65, 'the model folder has no model.safetensors'],
  ['no configuration', () => writeJobOf((folder) => rmSync(join(folder, 'config.json'))), 65, 'the model folder has no config.json'],
  [
    'a missing tensor',
    () => writeJobOf((folder) => changeTensors(folder, (tensors) => tensors.filter(({ name }) => !name.endsWith('pooler.dense.bias')))),
    65,
    'tensor bert.pooler.dense.bias [128] is missing',
  ],
  [
    'a tensor too many',
    () => writeJobOf((folder) => changeTensors(folder, (tensors) => [...tensors, { name: 'odd', shape: [1], data: Float32Array.of(0) }])),
    65,
    'tensor odd is not part of this model',
  ],
  [
    'a tensor of another shape',
    () =>
      writeJobOf((folder) =>
        changeTensors(folder, (tensors) =>
          tensors.map((tensor) => (tensor.shape.join() === '128,128' ? { ...tensor, shape: [64, 256] } : tensor)),
        ),
      ),
    65,
    'config.json says [128, 128], found [64, 256]',
  ],
  ['weights that are cut', () => writeJobOf((folder) => truncateSync(toWeights(folder), 1_000_000)), 65, 'not a valid safetensors file'],
  [
    'weights that are text',
    () => writeJobOf((folder) => writeFileSync(toWeights(folder), 'version https://git-lfs')),
    65,
    'not a valid safetensors file',
  ],
  [
    'an unknown family',
    () => writeJobOf((folder) => writeFileSync(join(folder, 'config.json'), '{"model_type": "t5"}')),
    65,
    'model_type: expected one of bert, distilbert, roberta, xlm-roberta, camembert, electra, modernbert, found "t5"',
  ],
  [
    'a configuration that is no JSON',
    () => writeJobOf((folder) => writeFileSync(join(folder, 'config.json'), '{')),
    65,
    'model configuration is not valid JSON',
  ],
  [
    'a tokenizer without parts',
    () => writeJobOf((folder) => writeFileSync(join(folder, 'tokenizer.json'), '{}')),
    65,
    'tokenizer.json: model.vocab: expected the tokens of the model, found nothing',
  ],
  [
    'a link to nowhere',
    () => writeJobOf((folder) => (rmSync(folder, { recursive: true }), symlinkSync('/nowhere', folder))),
    66,
    'model folder not found',
  ],
  ['a file', () => writeJob({ model: join(tinyBert, 'config.json') }), 66, 'expected a model folder, found a file'],
])('of the model: %s', async (_, toJob, status, message) => {
  const ended = await submit(toJob());
  expect(ended.stderr).toContain(message);
  expect(ended.stderr.trimEnd().split('\n').length).toBeGreaterThan(1); // what is wrong, and what to do
  expect(ended.status).toBe(status);
});

test('a fault that only training finds ends the run, with the trainer’s own words', async () => {
  const dir = createScratchFolder();
  const job = writeJobOf((folder) => {
    const path = join(folder, 'tokenizer.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"good":\d+/, '"good":99999'));
  });
  const { status, stdout } = await runCli('submit', job, '--wait', '--dir', dir);
  expect(stdout).toContain('failed: the tokenizer gives token 99999, the model has tokens 0 to 4095 only');
  expect(status).toBe(100);
  expect((await runCli('wait', 'bad', '--dir', dir)).status).toBe(100);
});

test('texts that are too long are counted and told', async () => {
  const dir = createScratchFolder();
  const job = writeJob({ rows: `${twoRows}{"text": "${'long '.repeat(100)}", "label": "yes"}\n`, fields: { training: { steps: 1 } } });
  const { status, stdout } = await runCli('submit', job, '--wait', '--json', '--dir', dir);
  expect(status).toBe(0);
  const message = '1 row was longer than the model reads and was cut';
  expect((JSON.parse(stdout) as { runs: RunView[] }).runs[0]!.notes).toContainEqual({ type: 'warning', message });
  expect((await runCli('status', 'bad/local', '--dir', dir)).stdout).toContain(`note: ${message}`);
});

test.each<[string, (dir: string) => string, number, string]>([
  ['a file', (dir) => writeAt(dir, ''), 78, 'expected a folder for the state, found a file'],
  ['below a file', (dir) => join(writeAt(dir, ''), 'state'), 78, 'expected a folder for the state, found a file'],
  ['a folder whose database is text', (dir) => dirname(writeAt(join(dir, 'state.db'), 'text '.repeat(200))), 78, 'is not a state database'],
  ['a folder whose database is a folder', (dir) => dirname(dirname(writeAt(join(dir, 'state.db', 'x'), ''))), 77, 'cannot write'],
  ['of a newer program', (dir) => writeNewerState(dir), 78, 'was written by a newer version of this program (schema 9999'],
])('a state folder that is %s', async (_, create, status, message) => {
  const dir = create(join(createScratchFolder(), 'state'));
  for (const args of [['doctor'], ['submit', writeJob()]]) {
    const ended = await runCli(...args, '--dir', dir);
    expect(ended.stderr).toContain(message);
    expect(ended.status).toBe(status);
    expect(ended.stdout).toBe('');
  }
});

function writeAt(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function writeNewerState(dir: string): string {
  mkdirSync(dir);
  const database = new DatabaseSync(join(dir, 'state.db'));
  database.exec('pragma user_version=9999');
  database.close();
  return dir;
}

test('an error is JSON where results are', async () => {
  const { status, stdout } = await runCli('submit', '/nowhere/job.json', '--json', '--dir', createScratchFolder());
  expect(status).toBe(66);
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'file-missing', cause: 'user', message: 'job file not found: /nowhere/job.json', hint: null, retryable: false },
  });
});

test.each([[['frobnicate']], [['submit']], [['status', '--nope']], [['submit', 'a', 'b']]])('%j is a usage error', async (args) => {
  const { status, stderr } = await runCli(...args);
  expect(status).toBe(2);
  expect(stderr).toContain('error: ');
});

test('a required field that the target cannot follow is an error that names it, an optional one is a note', async () => {
  const job = writeJob();
  const dir = createScratchFolder();
  const optional = await runCli('plan', job, '--set', 'training.loss=all', '--dir', dir);
  expect(optional.status).toBe(0);
  expect(optional.stdout).toContain('! training.loss = "all" is not followed');
  const requirement = await runCli('plan', job, '--set', 'targets.local.training={"loss":"all"}', '--dir', dir);
  expect(requirement.status).toBe(78);
  expect(requirement.stderr).toContain('target "local" cannot follow training.loss');
});
