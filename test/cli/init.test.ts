import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';

async function run(cwd: string, ...args: readonly string[]): Promise<Ended> {
  return await startCli(args, { cwd }).ended;
}

const files = ['NOTICE.md', 'job.json', 'models', 'test.jsonl', 'train.jsonl'];

test('init --sample writes job, data, model and their licences into an empty folder, and a plan of it works', async () => {
  const folder = createScratchFolder();
  const { status, stdout } = await run(folder, 'init', '--sample');
  expect(status).toBe(0);
  expect(stdout).toContain('\nnext: orchestrate submit job.json --wait\n');
  expect(readdirSync(folder).sort()).toEqual(files);
  expect(readdirSync(join(folder, 'models/tiny-bert'))).toEqual(
    expect.arrayContaining(['LICENSE', 'LICENSE-WordNet.txt', 'NOTICE.md', 'config.json', 'model.safetensors', 'tokenizer.json']),
  );
  expect(existsSync(join(folder, 'models/tiny-bert/golden.json'))).toBe(false);
  const plan = await run(folder, 'plan', 'job.json');
  expect(plan).toMatchObject({ status: 0, stdout: expect.stringContaining('2,374 training') as string });
  expect(plan.stdout).toMatch(/\n {2}training {2}about .*, .* of memory \(estimated/);
});

test('it overwrites nothing: where one of its files is there, none is written', async () => {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'train.jsonl'), 'mine');
  const { status, stderr } = await run(folder, 'init', '--sample');
  expect(status).toBe(2);
  expect(stderr).toContain('expected a folder without train.jsonl');
  expect(readdirSync(folder)).toEqual(['train.jsonl']);
  expect(readFileSync(join(folder, 'train.jsonl'), 'utf8')).toBe('mine');
});

test('a new folder is made, other files stay, a file is no folder, and without --sample it says what there is', async () => {
  const folder = createScratchFolder();
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models/own'), 'mine');
  expect(await run(folder, 'init', '--sample', '.', '-q')).toMatchObject({ status: 0, stdout: 'job.json\n' });
  expect(readdirSync(join(folder, 'models')).sort()).toEqual(['own', 'tiny-bert']);
  const made = await run(folder, 'init', '--sample', 'a/b', '--json');
  expect(JSON.parse(made.stdout)).toMatchObject({ folder: join(folder, 'a/b'), job: 'a/b/job.json' });
  expect(await run(folder, 'init', '--sample', 'models/own')).toMatchObject({ status: 66 });
  expect(await run(folder, 'init')).toMatchObject({ status: 2, stderr: expect.stringContaining('init --sample') as string });
});
