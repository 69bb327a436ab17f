import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';

const rows = Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ text: `Row number ${i}`, label: i % 2 === 0 ? 'a' : 'b' })}\n`).join(
  '',
);

function createRun(): { readonly folder: string; run(...args: readonly string[]): Promise<Ended> } {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'rows.jsonl'), rows);
  return { folder, run: async (...args) => await startCli(args, { cwd: folder }).ended };
}

test('convert writes to a file or to standard output, and replaces nothing unless it is told to', async () => {
  const { folder, run } = createRun();
  const first = await run('data', 'convert', 'rows.jsonl', '--to', 'chat', '-o', 'chat.jsonl');
  expect(first).toMatchObject({ status: 0, stdout: 'written to chat.jsonl: 40 rows, classification to chat\n' });
  const [there, again] = await Promise.all([
    run('data', 'convert', 'chat.jsonl', '--to', 'classification'),
    run('data', 'convert', 'rows.jsonl', '--to', 'chat', '-o', 'chat.jsonl'),
  ]);
  expect(there).toMatchObject({ status: 0, stdout: rows });
  expect(there.stderr).toContain('written: 40 rows, chat to classification');
  expect(again).toMatchObject({ status: 2, stdout: '' });
  expect(again.stderr).toContain('expected a new file, found one that is there already: chat.jsonl');
  const forced = await run('data', 'convert', 'rows.jsonl', '--to', 'chat', '--system', 'S', '-o', 'chat.jsonl', '--force', '--json');
  expect(JSON.parse(forced.stdout)).toMatchObject({ path: 'chat.jsonl', from: 'classification', rows: 40, skipped: [] });
  expect(readFileSync(join(folder, 'chat.jsonl'), 'utf8')).toContain('"S"');
});

test('convert reads standard input, table or JSON; a row that cannot be used leaves nothing, and its text moves no cursor', async () => {
  const { folder, run } = createRun();
  const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));
  const pipe = async (input: string): Promise<string> => {
    const child = spawn(process.execPath, [entry, 'data', 'convert', '-', '--to', 'prompt-completion'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.end(input);
    return await text(child.stdout);
  };
  expect(await Promise.all([pipe('text,label\na,b\n'), pipe('{"text":"a","label":"b"}\n')])).toEqual(
    Array(2).fill('{"prompt":"a","completion":"b"}\n'),
  );
  writeFileSync(join(folder, 'bad.jsonl'), `${rows}{"text":"a","label":["\\u001b[31m"]}\n{"\\u001b[31m":1,"text":"a"}\n`);
  const bad = await run('data', 'convert', 'bad.jsonl', '--to', 'chat', '-o', 'out.jsonl');
  expect(bad).toMatchObject({ status: 65, stdout: '' });
  expect(bad.stderr).toContain('bad.jsonl:41');
  expect(bad.stderr).not.toContain('\u001b');
  expect(readdirSync(folder).sort()).toEqual(['bad.jsonl', 'rows.jsonl']);
  const skipped = await run('data', 'convert', 'bad.jsonl', '--to', 'chat', '-o', 'out.jsonl', '--skip-bad');
  expect(skipped).toMatchObject({ status: 0, stdout: expect.stringContaining('left out: 2 rows that cannot be used\n') as string });
});

test('split writes its parts beside the file or into a folder, and says what comes next', async () => {
  const { folder, run } = createRun();
  const [beside, inside, none] = await Promise.all([
    run('data', 'split', 'rows.jsonl', '--test', '25%', '--stratify', 'label'),
    run('data', 'split', '--test', '10', 'rows.jsonl', '-o', 'parts', '--quiet'),
    run('data', 'split', 'rows.jsonl'),
  ]);
  expect(beside.stdout).toMatch(/\ntest {5}10 {2}25\.0 % {2}rows\.test\.jsonl {3}a 5, b 5\n/);
  expect(beside.stdout).toContain('\nnext: orchestrate data check rows.train.jsonl --test rows.test.jsonl\n');
  expect(inside.stdout).toBe('parts/train.jsonl\nparts/test.jsonl\n');
  expect(none).toMatchObject({ status: 2, stderr: expect.stringContaining('expected --test and a share') as string });
  const lines = ['train', 'test'].flatMap((part) =>
    readFileSync(join(folder, `parts/${part}.jsonl`), 'utf8')
      .split('\n')
      .slice(0, -1),
  );
  expect(lines.sort()).toEqual(rows.split('\n').slice(0, -1).sort());
});

test('stats counts the tokens of a model; rows that cannot be used make it exit 65', async () => {
  const { folder, run } = createRun();
  writeFileSync(join(folder, 'bad.jsonl'), `${rows}{"text":""}\n`);
  const [good, bad, unknown] = await Promise.all([
    run('data', 'stats', 'rows.jsonl', '--tokenizer', 'gpt-4.1-mini', '--json'),
    run('data', 'stats', 'bad.jsonl'),
    run('data', 'stats', 'rows.jsonl', '--tokenizer', 'nothing'),
  ]);
  expect(JSON.parse(good.stdout)).toMatchObject({ rows: 40, labels: { a: 20, b: 20 }, tokens: { rows: { total: 1560 }, learned: 40 } });
  expect(bad).toMatchObject({ status: 65, stdout: expect.stringContaining('left out: 1 row that cannot be used') as string });
  expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining('a tokenizer is a folder') as string });
});

test('init FILE writes a job file that can be planned, from any folder', async () => {
  const { folder, run } = createRun();
  const model = fileURLToPath(new URL('../../fixtures/models/tiny-bert', import.meta.url));
  const made = await run('init', 'rows.jsonl', '--test', '0.25', '--model', model);
  expect(made).toMatchObject({ status: 0, stdout: expect.stringContaining('next: orchestrate plan job.jsonc') as string });
  expect(readdirSync(folder).sort()).toEqual(['job.jsonc', 'rows.jsonl', 'rows.test.jsonl', 'rows.train.jsonl']);
  const planned = await run('plan', 'job.jsonc');
  expect(planned).toMatchObject({ status: 0, stdout: expect.stringContaining('30 training, 0 validation, 10 held-out rows') as string });
  const twice = await run('init', 'rows.jsonl');
  expect(twice).toMatchObject({ status: 2, stderr: expect.stringContaining('job.jsonc') as string });
  expect(await run('init', 'nothing.csv', '-o', 'other.jsonc')).toMatchObject({ status: 66 });
});

test('the actions of data have help of their own, and an unknown one is told', async () => {
  const { run } = createRun();
  const [help, unknown] = await Promise.all([run('data', 'split', '--help'), run('data', 'chek', 'rows.jsonl')]);
  expect(help.stdout).toContain('--stratify <column>');
  expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining('check') as string });
});
