import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { runCli } from './run-cli.ts';

const model = join(process.cwd(), 'fixtures/models/tiny-bert');

function writeJob(change: { rows?: string; columns?: object; model?: string; options?: object; provider?: string } = {}): string {
  const folder = createScratchFolder();
  const rows = change.rows ?? '{"text": "good", "label": "yes"}\n{"text": "bad", "label": "no"}\n';
  writeFileSync(join(folder, 'train.jsonl'), rows);
  const job = {
    version: 1,
    name: 'bad',
    task: 'classification',
    data: { train: './train.jsonl', ...(change.columns === undefined ? {} : { columns: change.columns }) },
    targets: {
      local: {
        provider: change.provider ?? 'local',
        model: change.model ?? model,
        ...(change.options === undefined ? {} : { options: change.options }),
      },
    },
  };
  const path = join(folder, 'job.json');
  writeFileSync(path, JSON.stringify(job));
  return path;
}

async function submit(job: string): Promise<{ status: number | null; stderr: string }> {
  const dir = join(createScratchFolder(), 'state');
  const { status, stderr, stdout } = await runCli('submit', job, '--dir', dir);
  expect(stdout).toBe('');
  return { status, stderr };
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
  ['an empty data file', () => writeJob({ rows: '' }), 65, 'expected rows in the train data, found none'],
  ['a missing model', () => writeJob({ model: './nothing' }), 66, 'model folder not found'],
  ['a model folder without files', () => writeJob({ model: createScratchFolder() }), 65, 'config.json'],
  [
    'an unknown provider',
    () => writeJob({ provider: 'cloud' }),
    78,
    'targets.local: expected a provider that is one of local, found "cloud"',
  ],
  ['an unknown option', () => writeJob({ options: { bakend: 'cpu' } }), 78, 'targets.local.options'],
])('%s', async (_, toJob, status, message) => {
  const ended = await submit(toJob());
  expect(ended.status).toBe(status);
  expect(ended.stderr).toContain(message);
});

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

test('a requirement that the target cannot follow is an error that names the field, a wish is a note', async () => {
  const job = writeJob();
  const dir = createScratchFolder();
  const wish = await runCli('plan', job, '--set', 'training.adapter={"type":"lora","rank":4}', '--dir', dir);
  expect(wish.status).toBe(0);
  expect(wish.stdout).toContain('! training.adapter = {"type":"lora","rank":4} is not followed');
  const requirement = await runCli('plan', job, '--set', 'targets.local.training={"adapter":{"type":"lora","rank":4}}', '--dir', dir);
  expect(requirement.status).toBe(78);
  expect(requirement.stderr).toContain('target "local" cannot follow training.adapter');
});
