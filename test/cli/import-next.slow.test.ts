/** What an import names as the next command can succeed, once what stands before it is done. */
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/main.ts';
import { createJob, deleteFile, toChatText, uploadText, type Asking } from '../import/service-jobs.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

const canaryKey = 'sk-sandbox-canary-next-83ab1f';

interface Fixture {
  readonly asking: Asking;
  readonly cwd: string;
  run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended>;
  /** Runs the command that an output ends with. */
  runNext(output: string, env?: NodeJS.ProcessEnv): Promise<Ended>;
}

async function createFixture(): Promise<Fixture> {
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date('2026-11-25T12:00:00Z'), seed: 5 });
  onTestFinished(async () => await sandbox.close());
  const cwd = createScratchFolder();
  const env = { ...process.env, ...sandbox.env, OPENAI_API_KEY: canaryKey };
  const run: Fixture['run'] = async (args, more = {}) => await startCli(args, { cwd, env: { ...env, ...more } }).ended;
  return {
    asking: { sandbox, apiKey: canaryKey, dialect: 'openai' },
    cwd,
    run,
    async runNext(output, more) {
      const [, words] = /\nnext: (?:.* then )?orchestrate (\S[^\n]*)\n$/.exec(output) ?? [];
      return await run(words!.split(' '), more);
    },
  };
}

async function createEndedJob({ sandbox, ...rest }: Asking, text = toChatText(20)): Promise<{ id: string; train: string }> {
  const asking = { sandbox, ...rest };
  const train = await uploadText(asking, text);
  sandbox.step(1000);
  const id = await createJob(asking, { model: 'gpt-4.1-mini-2025-04-14', training_file: train, suffix: 'mine' });
  sandbox.step(10_000);
  return { id, train };
}

/** A service that has one job, and none of its files. */
async function serveRecord(record: { readonly id: string }): Promise<string> {
  const server = createServer(({ url = '' }, outgoing) => {
    const path = new URL(url, 'http://service').pathname;
    const list = { object: 'list', data: path.endsWith('/jobs') ? [record] : [], has_more: false };
    const found = path.endsWith(record.id) ? record : /\/files\/./.test(path) ? null : list;
    outgoing.writeHead(found === null ? 404 : 200, { 'content-type': 'application/json' });
    outgoing.end(JSON.stringify(found ?? { error: { message: 'No such File object', code: null } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

const reinforcement = {
  object: 'fine_tuning.job',
  id: 'ftjob-rft0001',
  model: 'o4-mini-2025-04-16',
  created_at: 1721764800,
  finished_at: 1721768400,
  fine_tuned_model: 'ft:o4-mini-2025-04-16:acme::rft0001',
  organization_id: 'org-1',
  result_files: [],
  status: 'succeeded',
  validation_file: null,
  training_file: 'file-A',
  hyperparameters: null,
  trained_tokens: 5000,
  error: {},
  seed: 1,
  method: { type: 'reinforcement', reinforcement: { grader: { type: 'string_check' }, hyperparameters: { n_epochs: 1 } } },
  metadata: null,
};

test('a job of which no job file can be made: the next command lists the others', async () => {
  const { run, runNext } = await createFixture();
  const env = { OPENAI_BASE_URL: await serveRecord(reinforcement) };
  const { status, stdout } = await run(['import', 'openai', reinforcement.id], env);
  expect(stdout).toContain('note: no job file: the job ftjob-rft0001: method.type: expected "supervised" or "dpo", found "reinforcement"');
  expect(stdout).not.toContain('job.jsonc');
  expect(status).toBe(0);
  expect(await runNext(stdout, env)).toMatchObject({ status: 0, stdout: expect.stringContaining(reinforcement.id) as string });
});

test('a job whose rows are gone: the next command works once they are there again', async () => {
  const { asking, cwd, run, runNext } = await createFixture();
  const { id, train } = await createEndedJob(asking);
  await deleteFile(asking, train);
  const { stdout } = await run(['import', 'openai', id]);
  expect(stdout).toContain(`\nnext: put the rows into ${id}/train.jsonl, then orchestrate plan ${id}/job.jsonc\n`);
  writeFileSync(join(cwd, id, 'train.jsonl'), toChatText(20));
  expect(await runNext(stdout)).toMatchObject({ status: 0, stderr: '' });
});

test('a job whose rows cannot be used: what is wrong stands on lines of its own, and the next command works without these rows', async () => {
  const { asking, cwd, run, runNext } = await createFixture();
  const wrong = toChatText(1).replace('question 0', 'sk-abcdefghijklmnopqrstuvwx0123456789ABCDEFGHIJKLMN');
  const { id } = await createEndedJob(asking, `${toChatText(20)}${wrong}`);
  const { stdout } = await run(['import', 'openai', id]);
  expect(stdout).toMatch(new RegExp(`\\n {2}note: it cannot become a run: .*${id}/train\\.jsonl:21`));
  expect(stdout).not.toContain('\\n');
  expect(stdout).toContain(`\nnext: fix the rows in ${id}/train.jsonl, or the job file, then orchestrate plan ${id}/job.jsonc\n`);
  writeFileSync(join(cwd, id, 'train.jsonl'), toChatText(20));
  expect(await runNext(stdout)).toMatchObject({ status: 0, stderr: '' });
});

test('a job that became a run, and one that a person imports into another folder', async () => {
  const { asking, run, runNext } = await createFixture();
  const { id } = await createEndedJob(asking);
  for (const more of [[], ['--out', 'old']]) {
    expect(await runNext((await run(['import', 'openai', id, ...more])).stdout)).toMatchObject({ status: 0, stderr: '' });
  }
});

test.each([
  ['openai-sft.json', ['file-abc123.jsonl', 'file-def456.jsonl'], toChatText(20)],
  ['together-sft.json', ['file-abc123.jsonl', 'file-def456.jsonl'], toChatText(20)],
  ['autotrain-sft.yml', ['data/train.jsonl'], toChatText(20)],
])('a configuration that names files which are not there says so first: %s', async (name, files, rows) => {
  const { cwd, run, runNext } = await createFixture();
  mkdirSync(join(cwd, 'old'));
  cpSync(join(import.meta.dirname, '../../fixtures/import', name), join(cwd, 'old/config.yaml'));
  const { stdout } = await run(['import', 'old/config.yaml']);
  const absent = files.map((file) => `old/${file}`);
  expect(stdout).toContain(
    `\nnext: put ${absent.join(' and ')} there, or name others in the job file, then orchestrate plan old/job.jsonc\n`,
  );
  for (const path of absent) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true });
    writeFileSync(join(cwd, path), rows);
  }
  expect(await runNext(stdout)).toMatchObject({ status: 0 });
});

test('a configuration of which only the model is absent, and then nothing', async () => {
  const { cwd, run, runNext } = await createFixture();
  const rows = toChatText(20);
  writeFileSync(join(cwd, 'a.jsonl'), rows);
  const datasets = [{ path: 'json', data_files: './a.jsonl', split: 'train' }];
  writeFileSync(join(cwd, 'a.json'), JSON.stringify({ model_name_or_path: './model', datasets, output_dir: './out' }));
  const first = await run(['import', 'a.json', '--json']);
  expect(JSON.parse(first.stdout)).toMatchObject({ job: 'job.jsonc', absent: ['model'] });
  cpSync(tinyBert, join(cwd, 'model'), { recursive: true });
  const { stdout } = await run(['import', 'a.json', '--out', 'b c.jsonc']);
  expect(stdout).toContain("\nnext: orchestrate plan 'b c.jsonc'\n");
  expect((await runNext((await run(['import', 'a.json', '--out', 'b.jsonc'])).stdout)).stderr).not.toContain('not found');
});
