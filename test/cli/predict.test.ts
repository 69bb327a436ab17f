import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cli } from '../../src/cli/cli.ts';
import { predict } from '../../src/cli/commands/predict.ts';
import { createLocal, runSmallJob } from '../evaluate/small-job.ts';

interface Fixture {
  readonly folder: string;
  /** The lines that the command prints. */
  run(args: readonly string[], flags?: { readonly data?: string }): Promise<string[]>;
}

/** A finished run whose data calls its columns otherwise. */
async function open(json = false): Promise<Fixture> {
  const columns = { text: 'body', label: 'team' };
  const rows = [
    { body: 'a', team: 'no' },
    { body: 'b', team: 'yes' },
  ];
  const job = { data: { train: './train.jsonl', columns } };
  const { orchestrator, folder } = await runSmallJob([createLocal().provider], job, { train: rows, test: rows });
  const kept = { ...orchestrator, [Symbol.asyncDispose]: async () => await Promise.resolve() }; // a command closes what it has opened
  const run: Fixture['run'] = async (args, flags = {}) => {
    const lines: string[] = [];
    const terminal = {
      isWatched: false,
      isScreen: false,
      write: async () => await Promise.resolve(),
      columns: 80,
      width: 80,
      print: (line: string) => void lines.push(line),
      say: () => {},
      showLive: () => {},
    };
    const cli: Cli = {
      terminal,
      json,
      quiet: false,
      signal: new AbortController().signal,
      open: async () => await Promise.resolve(kept),
    };
    await predict(cli, ['small', ...args], flags);
    return lines;
  };
  return { folder, run };
}

test('a data file is answered row by row, with --data or in the place of a text', async () => {
  const { folder, run } = await open();
  const path = join(folder, 'rows.csv');
  writeFileSync(path, 'team,body\nyes,text 0\nno,text 1\n');
  expect(await run([path])).toEqual(['yes    text 0', 'no    text 1']);
  const unlabelled = join(folder, 'rows.tsv');
  writeFileSync(unlabelled, 'body\ntext 3\n');
  expect(await run([], { data: unlabelled })).toEqual(['yes    text 3']);
});

test('with --json the expected label stands beside the answer', async () => {
  const { folder, run } = await open(true);
  const path = join(folder, 'rows.jsonl');
  writeFileSync(path, '{"body": "text 0", "team": "no"}\n{"body": "text 1"}\n');
  expect((await run([path])).map((line) => JSON.parse(line) as object)).toMatchObject([
    { text: 'text 0', label: 'yes', expected: 'no' },
    { text: 'text 1', label: 'no', expected: null },
  ]);
});

test('a sentence that only names a file is a text; a file that is not there is an error', async () => {
  const { run } = await open();
  await expect(run(['none.csv'])).rejects.toMatchObject({ code: 'file-missing' });
  await expect(run([], { data: 'none.csv' })).rejects.toMatchObject({ code: 'file-missing' });
  await expect(run(['a text'], { data: 'none.csv' })).rejects.toMatchObject({ code: 'usage' });
  const { run: again } = await open(true);
  expect(await again(['who has opened none.csv'])).toHaveLength(1);
});
