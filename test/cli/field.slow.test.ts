/** What people really bring, by situations of public reports: `plan` reads it, or says the cause in one message with a way out. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSandbox, type Sandbox } from '../../src/sandbox/main.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

let sandbox: Sandbox;
beforeAll(async () => void (sandbox = await startSandbox({ now: () => new Date('2026-11-25T12:00:00Z'), seed: 5 })));
afterAll(async () => await sandbox.close());

const rows = Array.from({ length: 60 }, (_, i) => ({
  text: `The mug number ${i} was ${i % 2 === 0 ? 'superb' : 'slow'} and arrived on day ${i % 30}.`,
  label: i % 2 === 0 ? 'positive' : 'negative',
}));
const toLines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const held = toLines([
  { text: 'Fine.', label: 'positive' },
  { text: 'Not at all.', label: 'negative' },
]);
const chats = (messages: readonly unknown[], rest: object = {}): string => toLines(rows.slice(0, 20).map(() => ({ messages, ...rest })));
const [user, answer] = [
  { role: 'user', content: 'What is 1 plus 1?' },
  { role: 'assistant', content: '2' },
];

interface Situation {
  readonly file?: string;
  readonly rows?: string | Uint8Array;
  readonly test?: string;
  readonly task?: string;
  readonly target?: object;
  readonly fields?: object;
  readonly model?: (folder: string) => void;
  readonly text?: (job: string) => string;
}

type Run = (args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<Ended>;

const hosted = { provider: 'openai', model: 'gpt-4.1-mini-2025-04-14' };

/** Writes a job with its files into a folder of its own; the functions run commands there. */
function write({ file = 'train.jsonl', rows: content = toLines(rows), ...of }: Situation): { cwd: string; run: Run } {
  const cwd = createScratchFolder();
  writeFileSync(join(cwd, file), content);
  if (of.test !== undefined) writeFileSync(join(cwd, 'test.jsonl'), of.test);
  mkdirSync(join(cwd, 'model'));
  cpSync(tinyBert, join(cwd, 'model'), { recursive: true });
  of.model?.(join(cwd, 'model'));
  const job = {
    version: 1,
    name: 'field',
    task: of.task ?? 'classification',
    data: { train: `./${file}`, ...(of.test === undefined ? {} : { test: './test.jsonl' }) },
    training: { epochs: 1 },
    targets: { t: of.target ?? { provider: 'local', model: './model' } },
    ...of.fields,
  };
  const text = JSON.stringify(job, null, 1);
  writeFileSync(join(cwd, 'job.json'), of.text?.(text) ?? text);
  const run: Run = async (args, env = {}) => await startCli(args, { cwd, env: { ...process.env, ...sandbox.env, ...env } }).ended;
  return { cwd, run };
}

async function plan(situation: Situation): Promise<Ended> {
  return await write(situation).run(['plan', 'job.json']);
}

const asCsv = (delimiter: string, header = ['text', 'label'], begin = ''): string =>
  [header.join(delimiter), ...rows.map(({ text, label }) => `${begin}${text}${delimiter}${label}`)].join('\n');

test.each<[name: string, situation: Situation, says: readonly string[]]>([
  [
    'columns that are swapped',
    { file: 'train.csv', rows: asCsv(',', ['label', 'text']) },
    ['60 labels for 60 rows: is "label" the right column?', '57 more'],
  ],
  ['semicolons', { file: 'train.csv', rows: asCsv(';'), test: held }, ['positive 30, negative 30', 'separated by semicolons']],
  [
    'an index of pandas',
    { file: 'train.csv', rows: asCsv(',', ['', 'text', 'label'], '0,'), test: held },
    ['60 training, 0 validation, 2 held-out'],
  ],
  [
    'quotes that are text',
    { file: 'train.tsv', rows: `${asCsv('\t')}\n"so it begins\tpositive\n` },
    ['61 training', 'quotes were read as text'],
  ],
  ['UTF-16', { rows: Buffer.from(`\ufeff${toLines(rows)}`, 'utf16le') }, ['60 training', 'UTF-16']],
  ['a list of JSON over lines', { rows: JSON.stringify(rows, null, 2) }, ['60 training', 'one JSON list']],
  ['a list of JSON in .json', { file: 'train.json', rows: JSON.stringify(rows) }, ['60 training', 'one JSON list']],
  [
    'labels that differ in capitals',
    { rows: toLines(rows.map((row, i) => ({ ...row, label: i % 4 === 0 ? 'Positive' : row.label }))) },
    ['"Positive" (15 rows), "positive" (15 rows)'],
  ],
  [
    'a text with two labels',
    { rows: toLines([...rows, { ...rows[0]!, label: 'negative' }, rows[1]]) },
    ['(line 61 against line 1)', '1 duplicate row in the training data (line 62 against line 2)'],
  ],
  ['a comma after the last value of the job file', { text: (job) => job.replace('"epochs": 1', '"epochs": 1,') }, ['60 training']],
  [
    'a vocabulary without tokenizer.json',
    {
      model: (folder) => {
        const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number> } };
        const tokens = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
        writeFileSync(join(folder, 'vocab.txt'), tokens.map(([token]) => `${token}\n`).join(''));
        rmSync(join(folder, 'tokenizer.json'));
      },
    },
    ['60 training'],
  ],
  [
    'conversations of ShareGPT',
    {
      task: 'chat',
      target: hosted,
      rows: toLines(
        rows.slice(0, 20).map(() => ({
          conversations: [
            { from: 'human', value: 'a' },
            { from: 'gpt', value: 'b' },
          ],
        })),
      ),
    },
    ['20 training', 'of ShareGPT were converted to messages'],
  ],
  [
    'functions and their calls',
    {
      task: 'chat',
      target: hosted,
      rows: chats([user, { role: 'assistant', content: null, function_call: { name: 'add', arguments: '{}' } }], {
        functions: [{ name: 'add' }],
      }),
    },
    ['20 training', '"function_call", the old form of calls were converted to messages'],
  ],
  [
    'arguments that are objects',
    {
      task: 'chat',
      target: hosted,
      rows: chats([
        user,
        { role: 'assistant', content: null, tool_calls: [{ id: '1', type: 'function', function: { name: 'add', arguments: { a: 1 } } }] },
      ]),
    },
    ['~ tool_calls.function.arguments: "objects" became "JSON text"'],
  ],
  [
    'weights at the Hub',
    {
      task: 'chat',
      target: { provider: 'huggingface', model: 'hub:Qwen/Qwen2.5-0.5B-Instruct' },
      fields: { budget: { usd: 1, hours: 1 } },
      rows: chats([user, answer, user, { ...answer, weight: 0 }]),
    },
    ['! 20 training rows have messages of weight 0: the last message of the assistant that counts is the answer'],
  ],
])('%s: read, and said', async (_, situation, says) => {
  const { status, stdout, stderr } = await plan(situation);
  expect(stderr).toBe('');
  for (const words of says) expect(stdout).toContain(words);
  expect(status).toBe(0);
});

const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] };

test.each<[name: string, situation: Situation, status: number, says: readonly string[]]>([
  [
    'a table without a header',
    { file: 'train.csv', rows: asCsv(',', [rows[0]!.text, 'positive']) },
    65,
    ['the first line to name the columns', 'text,label'],
  ],
  [
    'a key that stands twice',
    { rows: '{"text": "a", "label": "x", "label": "y"}\n'.repeat(60) },
    65,
    ['train.jsonl:1: expected each key once, found "label" twice (and 59 more rows'],
  ],
  [
    'labels that are 1.0 and 1',
    {
      file: 'train.csv',
      rows: asCsv(',').replaceAll('positive', '1.0').replaceAll('negative', '0.0'),
      test: '{"text": "a", "label": 1}\n',
    },
    65,
    ['no training row has the label "1"', 'training rows have "1.0"'],
  ],
  [
    'a pointer of Git LFS for weights',
    {
      model: (folder) =>
        writeFileSync(
          join(folder, 'model.safetensors'),
          `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 437955512\n`,
        ),
    },
    65,
    ['a Git LFS pointer to a file of 437,955,512 bytes', 'git lfs pull'],
  ],
  [
    'a pointer of Git LFS for a tokenizer',
    {
      model: (folder) =>
        writeFileSync(join(folder, 'tokenizer.json'), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'),
    },
    65,
    ['tokenizer.json: expected the tokenizer, found a Git LFS pointer'],
  ],
  ['a page for data', { rows: '<!DOCTYPE html><title>Sign in</title>' }, 65, ['expected rows, found a page of HTML ("Sign in")']],
  [
    'a part of the Responses API',
    { task: 'chat', target: hosted, rows: chats([{ role: 'user', content: [{ type: 'input_text', text: 'a' }] }, answer]) },
    65,
    ['train.jsonl:1: messages[0].content[0].type: expected "text"', 'a part of the Responses API', 'and 19 more rows'],
  ],
  [
    'two objects in a job file',
    { text: (job) => `${job}\n{}` },
    78,
    ['found "{": is a comma missing before it, or are there two objects?'],
  ],
  [
    'a dataset that the Hub does not have',
    { fields: { data: { train: 'hub:stanfordnlp/imdb#plain_text/train' } } },
    66,
    ['hub:stanfordnlp/imdb: expected a dataset at', 'hf download stanfordnlp/imdb --repo-type dataset'],
  ],
])('%s: refused in one message', async (_, situation, status, says) => {
  const ended = await plan(situation);
  for (const words of says) expect(ended.stderr).toContain(words);
  expect(ended.stderr.split('\n').length).toBeLessThan(5);
  expect(ended).toMatchObject({ status, stdout: '' });
});

test('images have no price: the plan says so, and a budget refuses them', async () => {
  const { run } = write({ task: 'chat', target: hosted, rows: chats([image, answer]), fields: { budget: { usd: 5 } } });
  expect((await run(['plan', 'job.json'])).stdout).toContain('unknown: rows have images, which are not priced');
  expect((await run(['submit', 'job.json'])).status).toBe(79);
});

test('a key with a typographic dash is told, and not shown', async () => {
  const { stdout, status } = await write({}).run(['models', 'openai', '--json'], { OPENAI_API_KEY: 'sk-sandbox\u2013rehearsal' });
  expect(status).toBe(77);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'credentials-invalid' } });
  expect(stdout).not.toContain('rehearsal');
});

test.each(['"sk-sandbox-rehearsal"', 'Bearer sk-sandbox-rehearsal', 'sk-sandbox-\nrehearsal', '$sk_sandbox_rehearsal'])(
  'a key that is not alone is told, and not shown: %j',
  async (key) => {
    const { stdout, status } = await write({}).run(['models', 'openai', '--json'], { OPENAI_API_KEY: key });
    expect(status).toBe(77);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'credentials-invalid' } });
    expect(stdout).not.toContain('rehearsal');
  },
);

test.each([
  ['lr', 'learningRate'],
  ['num_train_epochs', 'epochs'],
  ['per_device_train_batch_size', 'batchSize'],
  ['max_seq_length', 'maxLength'],
])('the field %s of other programs suggests %s', async (name, suggestion) => {
  const { stderr, status } = await plan({ text: (job) => job.replace('"epochs": 1', `"${name}": 1`) });
  expect(stderr).toContain(`training.${name}: unknown field, did you mean "${suggestion}"?`);
  expect(status).toBe(78);
});

test('a pipe, and a link that leads to itself, are refused at once', async () => {
  const { cwd, run } = write({});
  execFileSync('mkfifo', [join(cwd, 'pipe.jsonl')]);
  symlinkSync('loop.jsonl', join(cwd, 'loop.jsonl'));
  const piped = await run(['data', 'check', 'pipe.jsonl']);
  expect(piped).toMatchObject({ status: 65, stdout: expect.stringContaining('expected a file, found a pipe or a device') });
  expect(await run(['data', 'check', 'loop.jsonl'])).toMatchObject({ status: 66, stderr: expect.stringContaining('leads to itself') });
});

test('a configuration of another program is read, or named as such', async () => {
  const { cwd, run } = write({});
  writeFileSync(join(cwd, 'lf.yaml'), 'model_name_or_path: a/b\nstage: sft\nfinetuning_type: lora\ndataset: identity\ntemplate: llama3\n');
  writeFileSync(join(cwd, 'ax.yaml'), 'base_model: a/b\ndatasets:\n  - path: x\nsequence_len: 512\nmicro_batch_size: 1\n');
  writeFileSync(join(cwd, 'tune.yaml'), 'model: a\ntokenizer: b\ncheckpointer: c\n');
  expect((await run(['import', 'lf.yaml', '--out', 'lf.jsonc'])).stdout).toContain('next: put data/identity.json there');
  expect((await run(['import', 'ax.yaml', '--out', 'ax.jsonc'])).stdout).toContain('next: ');
  expect((await run(['import', 'tune.yaml'])).stderr).toContain('found a configuration of torchtune, which is not read');
});

test('data check: the report, JSON, a line for each finding, and 65 where something is wrong', async () => {
  const bad = `${toLines(rows)}{'text': 'a', 'label': None}\n`.repeat(2);
  const { cwd, run } = write({ rows: bad, test: toLines([{ ...rows[3]!, label: 'positive' }]) });
  const ended = await run(['data', 'check', 'train.jsonl', '--test', 'test.jsonl', '--for', 'openai,local', '--findings', 'found.jsonl']);
  expect(ended).toMatchObject({ status: 65, stderr: '' });
  expect(ended.stdout).toContain(
    'json-python: train.jsonl:61: not valid JSON: expected an object, found the notation of Python; 2 rows: lines 61, 122',
  );
  expect(ended.stdout).toContain('1 error, 2 warnings');
  const lines = readFileSync(join(cwd, 'found.jsonl'), 'utf8').trim().split('\n');
  const codes = lines.map((line) => (JSON.parse(line) as { code: string }).code);
  expect(codes).toEqual(['json-python', 'json-python', 'rows-twice', 'rows-leaked']);
  const { stdout } = await run(['data', 'check', 'train.jsonl', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 'orchestrate.data/1', task: 'classification', parts: [{ rows: 120 }] });
  expect((await run(['data', 'check', 'test.jsonl', '--task', 'chat'])).stdout).toContain('column-missing');
});
