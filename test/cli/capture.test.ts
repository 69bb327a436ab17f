import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSandbox, type Sandbox } from '../../src/sandbox/main.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';

let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(async () => {
  await sandbox.close();
});

const model = 'gpt-4.1-mini-2025-04-14';
const given = ['--provider', 'openai', '--model', model, '--max-tokens', '4', '--temperature', '0'];

interface Desk {
  readonly folder: string;
  start(...args: readonly string[]): ReturnType<typeof startCli>;
  run(...args: readonly string[]): Promise<Ended>;
  /** Answers that were paid for. */
  countAnswers(): number;
}

let desks = 0;

/** A folder with rows, and an account at the sandbox. */
function createDesk(rows: number): Desk {
  const folder = createScratchFolder();
  const key = `sk-sandbox-desk-${++desks}`;
  const lines = Array.from({ length: rows }, (_, i) => JSON.stringify({ text: `film ${i}`, label: i % 2 === 0 ? 'good' : 'bad' }));
  writeFileSync(join(folder, 'rows.jsonl'), lines.join('\n'));
  const env = {
    ...process.env,
    ...sandbox.env,
    OPENAI_API_KEY: key,
    NO_COLOR: '1',
    ORCHESTRATE_DIR: join(folder, 'state'),
    ORCHESTRATE_PRICES: JSON.stringify({ [model]: { input: 0.8, output: 3.2 } }),
  };
  const start = (...args: readonly string[]): ReturnType<typeof startCli> => startCli(args, { cwd: folder, env });
  return {
    folder,
    start,
    run: async (...args) => await start(...args).ended,
    countAnswers: () => sandbox.account(key).bill.filter(({ kind }) => kind === 'chat').length,
  };
}

test('what a person sees: the way, the file, and the line for a job file', async () => {
  const { run, folder, countAnswers } = createDesk(20);
  const { status, stdout, stderr } = await run('capture', 'old', ...given, '--data', 'rows.jsonl', '--max-usd', '1');
  expect(stderr.split('\n')).toEqual([
    '0 of 20 rows are answered, $0.00',
    ...Array.from(
      { length: 10 },
      (_, i) => expect.stringMatching(new RegExp(`^${2 * i + 2} of 20 rows are answered, \\$0\\.\\d+$`)) as string,
    ),
    '',
  ]);
  expect(stdout.split('\n')).toEqual([
    `old.jsonl  20 answers of ${model}, 20 cut short`,
    expect.stringMatching(/^ {2}\$0\.\d+ in all; 20 rows were asked just now$/) as string,
    expect.stringMatching(/^ {2}sha256 [0-9a-f]{64}$/) as string,
    '',
    'A job file in this folder scores against it with',
    '  "references": {"old": {"predictions": "./old.jsonl"}}',
    '',
  ]);
  expect(status).toBe(0);
  const [first] = readFileSync(join(folder, 'old.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(first!)).toMatchObject({ text: 'film 0', expected: 'good', model, log_probability: expect.any(Number) as number });
  expect(await run('capture', 'old', ...given, '--data', 'rows.jsonl', '-q')).toEqual({
    status: 0,
    stdout: `${join(folder, 'old.jsonl')}\n`,
    stderr: '',
  });
  expect(countAnswers()).toBe(20);
});

test('a reference of the job file that lies here needs its name only, and its budget holds', async () => {
  const { run, folder, countAnswers } = createDesk(6);
  const job = {
    version: 1,
    name: 'films',
    task: 'classification',
    data: { train: './rows.jsonl' },
    evaluation: { generation: { temperature: 0, maxTokens: 8 } },
    targets: { gpt: { provider: 'openai', model } },
    references: { old: { provider: 'openai', model } },
  };
  writeFileSync(join(folder, 'job.jsonc'), `// ours\n${JSON.stringify(job)}`);
  const refused = await run('capture', 'old', '--data', 'rows.jsonl');
  expect(refused).toMatchObject({
    status: 79,
    stdout: '',
    stderr: expect.stringContaining('no spending limit is set; nothing was sent') as string,
  });
  expect(countAnswers()).toBe(0);
  writeFileSync(join(folder, 'job.jsonc'), JSON.stringify({ ...job, budget: { usd: 1 } }));
  const { status, stdout } = await run('capture', 'old', '--data', 'rows.jsonl', '--out', 'kept.jsonl', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'old', rows: 6, asked: 6, path: join(folder, 'kept.jsonl') });
  expect(existsSync(join(folder, 'old.jsonl'))).toBe(false);
  expect(countAnswers()).toBe(6);
});

test('Ctrl-C: what was answered is kept, the person is told how to go on, and the same command does', async () => {
  const { start, run, folder, countAnswers } = createDesk(300);
  const args = ['capture', 'old', ...given, '--data', 'rows.jsonl', '--max-usd', '1'];
  const { child, ended } = start(...args);
  child.stderr!.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('30 of 300')) child.kill('SIGINT');
  });
  const { status, stdout, stderr } = await ended;
  expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
  expect(stderr).toMatch(/\n\d+ of 300 rows are answered, \$0\.\d+: these are stored, and the same command goes on from there\n/);
  expect(existsSync(join(folder, 'old.jsonl'))).toBe(false);
  const kept = Number(/(\d+) of 300 rows are answered, \$[\d.]+: these/.exec(stderr)![1]);
  expect(kept).toBeGreaterThanOrEqual(30);
  expect(kept).toBeLessThan(300);
  const before = countAnswers();
  expect(await run(...args)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`${300 - kept} rows were asked just now`) as string,
  });
  expect(countAnswers() - before).toBe(300 - kept);
});

test('answers become training rows; the terms of their service are named', async () => {
  const { run, folder } = createDesk(1);
  const lines = [
    { text: 'a', answer: 'good' },
    { text: 'b', answer: 'b\u001b[31mad' },
    { text: 'c', answer: 'good' },
    { text: 'd', answer: null },
    { text: 'e', answer: 'go', truncated: true },
    { text: 'a', answer: 'good' },
  ];
  writeFileSync(join(folder, 'old.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
  const made = await run('data', 'from-predictions', 'old.jsonl', '--out', 'train.jsonl');
  expect(made).toEqual({
    status: 0,
    stderr: '',
    stdout: [
      'train.jsonl  3 rows for the task "classification"',
      '  left out: 1 without an answer, 1 cut short, 1 that repeat an input',
      '  labels: good 2, b\\x1b[31mad 1',
      'A provider may forbid training on its answers: check the terms of the service that gave them.',
      '',
    ].join('\n'),
  });
  expect(readFileSync(join(folder, 'train.jsonl'), 'utf8').split('\n')[0]).toBe('{"text":"a","label":"good"}');
  const chat = await run('data', 'from-predictions', 'old.jsonl', '--out', 'chat.jsonl', '--task', 'chat', '--json');
  expect(JSON.parse(chat.stdout)).toEqual({
    path: 'chat.jsonl',
    task: 'chat',
    rows: 3,
    labels: {},
    leftOut: { unanswered: 1, truncated: 1, repeated: 1 },
  });
});

test.each([
  [['capture', 'old'], 2, 'expected --data and a file of rows that the model is to answer'],
  [['capture', 'old', '--data', 'rows.jsonl'], 102, 'expected a reference of a job file, or a run such as "job/target", found "old"'],
  [['capture', 'old', '--data', 'rows.jsonl', '--columns', 'body=text'], 2, '--columns expects pairs such as text=body,label=team'],
  [
    ['capture', 'old', '--data', 'rows.jsonl', ...given, '--temperature', 'hot'],
    2,
    '--temperature expects a number, such as 0 or 0.7, found "hot"',
  ],
  [['capture', 'old', '--data', 'rows.jsonl', ...given, '--max-tokens', '0'], 2, '--max-tokens expects a positive whole number, found "0"'],
  [['data', 'from-predictions', 'old.jsonl'], 2, 'expected --out and a file that ends in .jsonl, found none'],
  [['data', 'from-predictions', 'old.jsonl', '--out', 'train.csv'], 2, 'expected --out and a file that ends in .jsonl, found train.csv'],
  [
    ['data', 'from-predictions', 'old.jsonl', '--out', 'train.jsonl', '--task', 'poetry'],
    2,
    '--task expects classification, multi-label, regression, chat or preference, found "poetry"',
  ],
  [['data', 'from-predictions', 'old.jsonl', '--out', 'train.jsonl'], 66, 'data file not found: old.jsonl'],
])('refused: %j', async (args, status, message) => {
  const { run, countAnswers } = createDesk(1);
  expect(await run(...args)).toEqual({ status, stdout: '', stderr: expect.stringContaining(`orchestrate: ${message}`) as string });
  expect(countAnswers()).toBe(0);
});
