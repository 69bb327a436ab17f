/** Text of strangers, in every place where a job or a service can put it, cannot write to the terminal of whoever reads it. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { beforeAll, expect, inject, test } from 'vitest';
import { formatComparison, formatScores } from '../../src/cli/views/comparison-view.ts';
import { formatPlan } from '../../src/cli/views/plan-view.ts';
import { formatProgress, formatRunPage, formatRunTable } from '../../src/cli/views/run-view.ts';
import type { Comparison } from '../../src/evaluate/comparison.ts';
import type { RunPlan } from '../../src/run/event.ts';
import type { RunView } from '../../src/run/run-view.ts';
import { createScratchFolder } from '../scratch.ts';
import { toMemoryPlan } from '../run/memory-provider.ts';
import { runCli } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

/** What a terminal obeys or hides: controls but for tab and line feed, reading direction, zero width, line separators, tags, halves. */
const dangerous =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|\p{Surrogate}/u;

const attacks = {
  colour: '\u001b[31mred\u001b[0m',
  title: '\u001b]0;owned\u0007',
  link: '\u001b]8;;http://example.org\u001b\\here\u001b]8;;\u001b\\',
  clear: '\u009b2J',
  back: 'good\b\b\b\bevil\r',
  direction: '\u202egnp.exe\u2066',
  hidden: 'a\u200bb\u2060c\ufeff',
  tags: '\u{e0041}\u{e007f}',
  lines: 'one\u2028two\u0085three',
};
const all = Object.values(attacks).join(' ');
/** Begins a line of its own where a line feed gets through. */
const forged = '\nFORGED';

/** A job whose every free word is hostile; its model lies in a folder of a hostile name. */
function writeHostileJob(folder: string): string {
  const model = join(folder, `model ${attacks.colour.replaceAll('/', '')}${attacks.direction}${forged}`);
  mkdirSync(folder, { recursive: true });
  cpSync(tinyBert, model, { recursive: true });
  const labels = [`no ${all}${forged}`, `yes ${attacks.tags}`];
  const lines = Array.from({ length: 12 }, (_, i) => JSON.stringify({ text: `${all} ${i}${forged}`, label: labels[i % 2] }));
  writeFileSync(join(folder, 'train.jsonl'), lines.join('\n'));
  writeFileSync(join(folder, 'test.jsonl'), lines.slice(0, 4).join('\n'));
  const job = {
    version: 1,
    name: 'hostile',
    task: 'classification',
    data: { train: './train.jsonl', test: './test.jsonl' },
    prompt: { system: `${all}${forged}` }, // a classifier ignores it, and the plan shows that
    training: { steps: 1, maxLength: 8 },
    tags: { [`team${attacks.title}`]: `${all}${forged}` },
    targets: { local: { provider: 'local', model } },
  };
  const path = join(folder, 'job.json');
  writeFileSync(path, JSON.stringify(job));
  return path;
}

let job: string;
let dir: string;
let first: string;
beforeAll(async () => {
  const folder = join(inject('scratchFolder'), `hostile ${attacks.back.replaceAll('/', '')}`);
  job = writeHostileJob(folder);
  dir = join(folder, 'state');
  const { status, stdout, stderr } = await runCli('submit', job, '--wait', '--tag', `cli=${attacks.clear}`, '--dir', dir);
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  first = stdout + stderr;
  tellOfService(dir);
});

/** What a service may say of its job: lines of a log, and measurements by names of its own. */
function tellOfService(state: string): void {
  const database = new DatabaseSync(join(state, 'state.db'));
  const { key } = database.prepare('select key from run').get() as { key: string };
  database.prepare('insert into log (run, at, text) values (?, ?, ?)').run(key, '2026-01-01T00:00:00.000Z', `${all}${forged}`);
  const metric = { split: 'train', name: `${all}${forged}`, value: 1, step: 1, epoch: 1, coverage: 'full', source: 'x', at: '' };
  database
    .prepare('insert into metric (run, split, name, coverage, position, step, body) values (?, ?, ?, ?, ?, ?, ?)')
    .run(key, metric.split, metric.name, metric.coverage, 'step:1', 1, JSON.stringify(metric));
  database.close();
}

test('what submit --wait prints is harmless', () => {
  expect(first).not.toMatch(dangerous);
  expect(first).toContain('\\x1b[31mred');
});

const run = 'hostile/local';
test.each<[string, () => string[], string]>([
  ['plan', () => ['plan', job], '\\x1b[31mred'],
  ['status', () => ['status'], '\\u{202e}gnp.exe'],
  ['status of a run', () => ['status', run], '\\x9b2J'],
  ['wait', () => ['wait', run], '\\x1b[31mred'],
  ['watch', () => ['watch', run], ''],
  ['logs', () => ['logs', run], '\\x1b[31mred'],
  ['metrics', () => ['metrics', run], '\\x1b[31mred'],
  ['compare', () => ['compare', 'hostile'], ''],
  ['evaluate', () => ['evaluate', 'hostile'], '\\u{e0041}'],
  ['predict', () => ['predict', run, all, `text${forged}`], '\\x1b]0;owned\\x07'],
  ['clean', () => ['clean'], ''],
  ['submit again', () => ['submit', job], ''],
])('%s prints every free word harmlessly', async (_, toArgs, shown) => {
  const { status, stdout, stderr } = await runCli(...toArgs(), '--dir', dir);
  expect(status, stderr).toBe(0);
  expect(stdout + stderr).not.toMatch(dangerous);
  expect(stdout).toContain(shown);
  expect(stdout).not.toMatch(/^FORGED/m);
});

/** A job that differs from the good one in some fields, beside it. */
function writeOther(name: string, change: (job: Record<string, unknown>) => object): string {
  const path = join(createScratchFolder(), name);
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(job, 'utf8')) as Record<string, unknown>)));
  return path;
}

test.each<[string, () => string[]]>([
  ['a file that is not there', () => ['submit', `/nowhere/${attacks.colour}.json`]],
  ['a run that is not there', () => ['status', all]],
  ['a command that is not there', () => [attacks.colour]],
  ['an option that is not there', () => ['status', `--${attacks.title}`]],
  ['a field that is not there', () => ['submit', writeOther('job.json', (good) => ({ ...good, [all]: 1 }))]],
  ['a value that cannot be', () => ['submit', writeOther('job.json', (good) => ({ ...good, task: all }))]],
  ['text that is no job', () => ['submit', writeOther('job.yaml', () => ({ a: `\u0085${all}` }))]],
  ['an override', () => ['submit', job, '--set', `training.${all}=1`]],
  ['a target', () => ['submit', job, '--target', all]],
  ['a provider', () => ['submit', writeOther('job.json', (good) => ({ ...good, targets: { a: { provider: all, model: 'x' } } }))]],
  ['a model', () => ['submit', writeOther('job.json', (good) => ({ ...good, targets: { local: { model: `/nowhere/${all}` } } }))]],
  [
    'a column',
    () => ['submit', writeOther('job.json', (good) => ({ ...good, data: { train: join(job, '../train.jsonl'), columns: { text: all } } }))],
  ],
  ['a data file', () => ['submit', writeOther('job.json', (good) => ({ ...good, data: { train: `/nowhere/${all}.jsonl` } }))]],
  ['a tag', () => ['status', '--tag', all]],
  ['a time', () => ['wait', run, '--timeout', all]],
])('the error about %s is harmless', async (_, toArgs) => {
  const { status, stdout, stderr } = await runCli(...toArgs(), '--dir', dir);
  expect(status).not.toBe(0);
  expect(status).not.toBe(1);
  expect(stdout + stderr).not.toMatch(dangerous);
  expect(stderr).not.toBe('');
});

test('with --json everything comes back as it was written', async () => {
  const read = async (...args: string[]): Promise<unknown> => JSON.parse((await runCli(...args, '--json', '--dir', dir)).stdout);
  const wrote = JSON.parse(readFileSync(job, 'utf8')) as { tags: object; targets: { local: { model: string } } };
  const { runs } = (await read('status')) as { runs: RunView[] };
  const labels = [`no ${all}${forged}`, `yes ${attacks.tags}`];
  expect(runs).toMatchObject([
    { tags: { ...wrote.tags, cli: attacks.clear }, model: { base: wrote.targets.local.model }, data: { labels } },
  ]);
  const [plan] = ((await read('plan', job)) as { plans: { data: { labels: string[] } }[] }).plans;
  expect(plan!.data.labels).toEqual(labels);
  const text = `${all}${forged}`;
  const answer = (await read('predict', run, text)) as { text: string; label: string };
  expect(answer.text).toBe(text);
  expect(((await read('logs', run, '--limit', '1')) as { text: string }).text).toBe(text);
  expect(labels).toContain(answer.label);
  expect(await read('submit', `/nowhere/${all}`)).toMatchObject({ error: { message: `job file not found: /nowhere/${all}` } });
});

test('the tuned model’s card is harmless, and its labels are what they were', async () => {
  const { runs } = JSON.parse((await runCli('status', '--json', '--dir', dir)).stdout) as { runs: RunView[] };
  const folder = join(dir, 'runs', runs[0]!.key, 'model');
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(card).not.toMatch(dangerous);
  expect(card).not.toMatch(/^FORGED/m);
  expect(card.match(/^---$/gm)).toHaveLength(2);
  const { id2label } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { id2label: object };
  expect(Object.values(id2label)).toEqual([`no ${all}${forged}`, `yes ${attacks.tags}`]);
});

/** Words of a closed list, times and addresses, which are no free text. */
const closed = [
  'type',
  'measure',
  'phase',
  'verdict',
  'kind',
  'uri',
  'at',
  'since',
  'created',
  'submitted',
  'started',
  'finished',
  'nextAt',
];

/** The value with every free text in it, and every name of a free record, replaced by what `next` gives. */
function replaceTexts(value: unknown, next: () => string, key = ''): unknown {
  if (typeof value === 'string') return closed.includes(key) ? value : next();
  if (Array.isArray(value)) return value.map((item) => replaceTexts(item, next, key));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([name, item]) => [['tags', 'labels'].includes(key) ? next() : name, replaceTexts(item, next, name)] as const,
  );
  return Object.fromEntries(entries);
}

test('no view lets anything through, whatever the texts are', async () => {
  const now = new Date();
  const { runs } = JSON.parse((await runCli('status', '--json', '--dir', dir)).stdout) as { runs: RunView[] };
  const comparison = JSON.parse((await runCli('compare', 'hostile', '--json', '--dir', dir)).stdout) as Comparison;
  const failure = { code: 'unexpected', cause: 'program', message: 'message', hint: 'hint', retryable: false };
  const notes = [
    { type: 'warning', message: 'message' },
    { type: 'unsupported', field: 'field', value: { a: 'b' }, why: 'why' },
    { type: 'converted', field: 'field', from: 'from', value: 'value', why: 'why' },
  ];
  const end = { date: now.toISOString().slice(0, 10), source: 'source', asOf: null };
  const page = { ...runs[0]!, failure, notes, endsOn: end };
  const plan = { ...toMemoryPlan(), notes, quote: { currency: 'USD', low: 1, high: 2, source: 'source', asOf: null }, end };
  const texts = fc.array(
    fc.string({
      unit: fc.oneof(fc.constantFrom(...Array.from(all), '\n', '\t'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
    }),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(texts, (words) => {
      let i = 0;
      const next = (): string => `\n\u001b${words[i++ % words.length]!}\nFORGED`;
      const hostileRun = replaceTexts(page, next) as RunView;
      const hostileComparison = replaceTexts({ ...comparison, notes: ['note'] }, next) as Comparison;
      const lines = [
        formatRunTable([hostileRun], now),
        formatRunPage({ ...hostileRun, failure: null }, now),
        formatProgress(hostileRun, Infinity),
        formatPlan(
          {
            plan: replaceTexts(plan, next) as RunPlan,
            scoring: { rows: 1, maxTokens: 1, problem: next() },
            requests: [{ what: next(), body: { [next()]: next() } }],
          },
          now,
        ),
        formatComparison(hostileComparison),
        formatScores(hostileComparison),
      ];
      for (const text of [...lines, formatRunPage(hostileRun, now)]) expect(text).not.toMatch(dangerous);
      for (const text of lines) expect(text).not.toMatch(/^FORGED/m);
    }),
    { numRuns: 300, seed: 1 },
  );
});
