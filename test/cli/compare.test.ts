import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Comparison } from '../../src/evaluate/comparison.ts';
import { startSandbox, type Sandbox } from '../../src/sandbox/main.ts';
import { startCli, type Ended } from './run-cli.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const prices = JSON.stringify({ [base]: { training: 5, input: 0.8, output: 3.2 } });

const rows = Array.from({ length: 60 }, (_, i) => {
  const label = i % 3 === 0 ? 'complaint' : 'praise';
  return { text: `${label === 'praise' ? 'a fine thing, thank you' : 'it broke, money back'} number ${i}`, label };
});

let folder: string;
let job: string;
let sandbox: Sandbox;

async function run(...args: readonly string[]): Promise<Ended> {
  const env = { ...process.env, ...sandbox.env, ORCHESTRATE_PRICES: prices, ORCHESTRATE_DIR: join(folder, 'state') };
  return await startCli(args, { cwd: folder, env }).ended;
}

const toLines = (values: readonly object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');

/** Writes the job file with these references; its runs stay what they are. */
function writeReferences(references: object): void {
  const fields = { version: 1, name: 'mail', task: 'classification', data: { train: './train.jsonl', test: './test.jsonl' } };
  const evaluation = { generation: { temperature: 0, maxTokens: 8 } };
  const targets = { gpt: { provider: 'openai', model: base, training: { epochs: 3 } } };
  writeFileSync(job, JSON.stringify({ ...fields, evaluation, targets, references }));
}

beforeAll(async () => {
  sandbox = await startSandbox({ seed: 3 });
  folder = mkdtempSync(join(inject('scratchFolder'), 'compare-'));
  job = join(folder, 'job.json');
  writeFileSync(join(folder, 'train.jsonl'), toLines(rows));
  writeFileSync(join(folder, 'test.jsonl'), toLines(rows.map(({ text, label }) => ({ text: text.replace('number', 'no.'), label }))));
  writeFileSync(
    join(folder, 'old.jsonl'),
    toLines(rows.slice(1).map(({ text, label }) => ({ text: text.replace('number', 'no.'), answer: label }))),
  );
  writeFileSync(
    join(folder, 'answer.mjs'),
    `import { readFileSync } from 'node:fs';
     for (const line of readFileSync(0, 'utf8').trim().split('\\n')) {
       const { id } = JSON.parse(line);
       process.stdout.write(JSON.stringify({ id, answer: 'complaint' }) + '\\n');
     }
     process.stderr.write('answered\\n');`,
  );
  writeReferences({});
  const { status, stderr } = await run('submit', 'job.json', '--wait', '--timeout', '2m');
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
}, 150_000);

afterAll(async () => await sandbox.close());

test('references of a job: asked once by evaluate, shown and held against by compare', async () => {
  const references = {
    old: { predictions: './old.jsonl' },
    own: { command: [process.execPath, 'answer.mjs'] },
    base: { provider: 'openai', model: base },
  };
  writeReferences(references);
  const before = await run('compare', 'job.json', '--reference', 'base', '--require', 'not-worse');
  expect(before.status).toBe(104);
  expect(before.stdout).toContain(
    'note: base has answered 0 of 60 rows and is left out: `orchestrate evaluate job.json` fetches its answers\n',
  );
  expect(before.stderr).toBe('--require not-worse: mail/gpt is left out and cannot be judged\n');

  const evaluated = await run('evaluate', 'job.json', '--max-usd', '1', '--require', 'better');
  expect(evaluated).toMatchObject({ status: 0, stderr: 'answered\n' });
  expect(evaluated.stdout).toMatch(/^own \(reference\): accuracy 0\.333, /m);
  expect(evaluated.stdout).toContain('\nverdict: gpt is better than the most frequent label\n');
  expect(await run('evaluate', 'job.json')).toEqual({ ...evaluated, stderr: '' }); // nothing is asked, and nothing paid, again

  const compared = await run('compare', 'job.json', '--reference', 'old', '--margin', '0.5', '--require', 'not-worse');
  expect(compared).toMatchObject({ status: 0, stderr: '' });
  expect(compared.stdout).toMatch(/^old \(reference\) \* +0\.983 /m);
  expect(compared.stdout).toMatch(/^base \(reference\) .* ms +\$0\.\d+$/m);
  expect(compared.stdout).toContain(`note: old: 1 of 60 rows are not in ${join(folder, 'old.jsonl')}\n`);
  expect(compared.stdout).toContain('note: 1 rows got no label from old and count as wrong\n');
});

test('for scripts: JSON on standard output, the status, and a line about who fell short on standard error', async () => {
  writeReferences({ old: { predictions: './old.jsonl' } });
  await run('evaluate', 'job.json', '--max-usd', '1');
  const { status, stdout, stderr } = await run('compare', 'job.json', '--json', '--require', 'better');
  const comparison = JSON.parse(stdout) as Comparison;
  expect(comparison).toMatchObject({ schema: 'orchestrate.comparison/1', reference: 'old', margin: 0.02, rows: 60, leftOut: [] });
  expect(comparison.candidates.map(({ name, kind, run: address }) => [name, kind, address])).toEqual([
    ['most frequent label', 'majority', null],
    ['base of gpt', 'untrained', null],
    ['old', 'reference', null],
    ['gpt', 'tuned', 'mail/gpt'],
  ]);
  expect(comparison.candidates[2]).toMatchObject({ difference: null, verdict: null, latency: null, cost: null });
  expect(status).toBe(104);
  expect(stderr).toMatch(/^--require better: gpt (and old are equivalent|is not worse than old|cannot be told from old)\n$/);
});

test.each([
  [['--reference', 'nobody'], 2, '--reference: there is no model "nobody" in this comparison'],
  [['--reference', 'none.jsonl'], 66, 'none.jsonl'],
  [['--margin', '2'], 2, 'expected a margin from 0 to 1 for the measure accuracy, found 2'],
  [['--margin', ''], 2, '--margin expects a number, such as 0.02'],
  [['--measure', 'accuracy'], 2, '--measure goes with --candidate: a job is compared by its evaluation.measure'],
  [['--require', 'worse'], 2, '--require expects better, not-worse or equivalent, found "worse"'],
])('%j is refused', async (flags, expected, message) => {
  writeReferences({});
  const { status, stdout, stderr } = await run('compare', 'job.json', ...flags);
  expect({ status, stdout }).toEqual({ status: expected, stdout: '' });
  expect(stderr).toContain(message);
});

test('names and answers of others are shown, not obeyed', async () => {
  const name = `\u001b[31mred.jsonl`;
  writeFileSync(join(folder, name), readFileSync(join(folder, 'old.jsonl')));
  writeReferences({});
  const { stdout, stderr } = await run('compare', 'job.json', '--reference', name);
  expect(stdout).toContain('\\x1b[31mred.jsonl (reference) *');
  expect(stdout + stderr).not.toContain('\u001b');
});
