import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSandbox, type Sandbox } from '../../src/sandbox/main.ts';
import { createJob, deleteFile, toChatText, uploadText, type Asking } from '../import/service-jobs.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const canaryKey = 'sk-sandbox-canary-import-4c1d7f';

interface Fixture {
  readonly sandbox: Sandbox;
  readonly asking: Asking;
  readonly cwd: string;
  run(...args: readonly string[]): Promise<Ended>;
}

async function createFixture(dialect: 'openai' | 'azure' = 'openai'): Promise<Fixture> {
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date('2026-11-25T12:00:00Z'), seed: 5 });
  onTestFinished(async () => await sandbox.close());
  const cwd = createScratchFolder();
  const keys = { OPENAI_API_KEY: canaryKey, AZURE_OPENAI_API_KEY: canaryKey };
  const env = { ...process.env, ...sandbox.env, ...sandbox.azureEnv, ...keys };
  return {
    sandbox,
    asking: { sandbox, apiKey: canaryKey, dialect },
    cwd,
    run: async (...args) => await startCli(args, { cwd, env }).ended,
  };
}

async function createEndedJob({ asking, sandbox }: Fixture): Promise<{ id: string; train: string }> {
  const train = await uploadText(asking, toChatText(20));
  sandbox.step(1000);
  const id = await createJob(asking, { model: base, training_file: train, suffix: 'mine' });
  sandbox.step(10_000);
  return { id, train };
}

/** All that is in a folder, with what is below it. */
function readAll(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'latin1')]),
  );
}

test.each(['openai', 'azure'] as const)('a job of %s: listed, imported, shown, measured, imported again', async (dialect) => {
  const fixture = await createFixture(dialect);
  const { id } = await createEndedJob(fixture);
  const listed = await fixture.run('import', dialect, '--list');
  expect(listed).toMatchObject({ status: 0, stderr: '' });
  expect(listed.stdout).toMatch(
    new RegExp(`^JOB +STATUS +CREATED +BASE +MODEL +ENDS\n${id} +succeeded +2026-11-25 +${base} +\\S+mine\\S* +2027-\\d\\d-14\n\nMODEL `),
  );
  expect(listed.stdout).toMatch(
    /\n\nFILE +PURPOSE +BYTES +CREATED +EXPIRES +NAME\nfile-\S+ +fine-tune-results +[\d,]+ +2026-11-25 +\S+\nfile-\S+ +fine-tune +/,
  );
  expect(JSON.parse((await fixture.run('import', dialect, '--list', '--json')).stdout)).toMatchObject({
    jobs: [{ job: { id, provider: dialect }, status: { phase: 'succeeded' }, base, end: { date: expect.any(String) as string } }],
    models: expect.any(Array) as unknown[],
    files: [{ purpose: 'fine-tune-results' }, { purpose: 'fine-tune', name: 'rows.jsonl', expiresAt: null }],
  });

  const imported = await fixture.run('import', dialect, id);
  expect(imported).toMatchObject({ status: 0, stderr: '' });
  expect(imported.stdout).toContain(`${id} (succeeded) is in ${id}\n`);
  expect(imported.stdout).toContain(`\nrun  mine/${dialect}  succeeded\n`);
  const files = readAll(join(fixture.cwd, id));
  expect(Object.keys(files)).toHaveLength(7);
  expect(JSON.stringify(readAll(fixture.cwd))).not.toContain(canaryKey);
  expect((await fixture.run('status', 'mine')).stdout).toContain(`  status    succeeded`);
  expect((await fixture.run('metrics', 'mine')).stdout).toMatch(/train +loss/);
  expect((await fixture.run('logs', 'mine')).stdout).toContain('job started');
  expect((await fixture.run('compare', 'mine')).status).toBe(0);

  const again = JSON.parse((await fixture.run('import', dialect, id, '--json')).stdout) as { run: { id: string } };
  expect(again).toMatchObject({ folder: id, import: { complete: true, missing: [] }, run: { id: `mine/${dialect}` }, problem: null });
  expect(readAll(join(fixture.cwd, id))).toEqual(files);
  expect((await fixture.run('status', '-q')).stdout).toBe(`mine/${dialect}\n`);
  expect((await fixture.run('import', dialect, id, '--out', 'other', '-q')).stdout).toBe(`mine/${dialect}\n`);
  const plan = await fixture.run('plan', join(id, 'job.jsonc'));
  expect(plan.status).toBe(0);
  expect(plan.stdout).toContain('20 ');
  const { bill } = fixture.sandbox.account(canaryKey);
  expect(bill).toHaveLength(1);
});

test('chats that ask for labels train elsewhere as soon as a model is named: as a classification here, as either at the Hub', async () => {
  const fixture = await createFixture();
  const train = await uploadText(
    fixture.asking,
    toChatText(20, (i) => ['yes', 'no'][i % 2]!),
  );
  const id = await createJob(fixture.asking, { model: base, training_file: train, suffix: 'mine' });
  fixture.sandbox.step(10_000);
  expect((await fixture.run('import', 'openai', id, '--out', 'old')).stdout).toContain(
    'job.classification.jsonc has them as a classification',
  );
  const here = ['plan', 'old/job.classification.jsonc', '--target', 'local'];
  expect(await fixture.run(...here)).toMatchObject({ status: 66, stderr: expect.stringContaining('model') as string });
  cpSync(tinyBert, join(fixture.cwd, 'old/model'), { recursive: true });
  const planned = await fixture.run(...here);
  expect(planned).toMatchObject({ status: 0, stderr: '' });
  expect(planned.stdout).toMatch(/^mine-classifier\/local\n[^]*20 training[^]*labels +yes 10, no 10\n/);
  for (const [name, model] of [
    ['job.jsonc', 'hub:Qwen/Qwen2.5-0.5B-Instruct'],
    ['job.classification.jsonc', 'hub:distilbert/distilbert-base-uncased'],
  ] as const) {
    const path = join(fixture.cwd, 'old', name);
    writeFileSync(path, readFileSync(path, 'utf8').replace('// , "hugg', ', "hugg').replace('hub:owner/your-model', model));
    expect(await fixture.run('plan', path, '--target', 'huggingface')).toMatchObject({ status: 0, stderr: '' });
  }
});

test('what is gone is said with status 0; a service that cannot be asked is status 69, and nothing is half there', async () => {
  const fixture = await createFixture();
  const { id, train } = await createEndedJob(fixture);
  await deleteFile(fixture.asking, train);
  const { status, stdout } = await fixture.run('import', 'openai', id);
  expect(status).toBe(0);
  expect(stdout).toContain(`  missing: train.jsonl (${train}): it is gone at the service\n`);
  expect(stdout).toContain('  note: the training data is no longer at the service: the job cannot become a run\n');
  for (const [kind, args] of [
    ['get', [id, '--out', 'other']],
    ['list', ['--list']],
  ] as const) {
    fixture.sandbox.setFaults({ [kind]: [{ type: 'html' }] }, canaryKey);
    expect(await fixture.run('import', 'openai', ...args)).toMatchObject({ status: 69, stdout: '' });
  }
  expect(existsSync(join(fixture.cwd, 'other'))).toBe(false);
});

test.each(['openai', 'azure'] as const)(
  'a tuned model of %s is imported by its name, and one of nobody is refused with what to do',
  async (dialect) => {
    const fixture = await createFixture(dialect);
    const { id } = await createEndedJob(fixture);
    const listed = JSON.parse((await fixture.run('import', dialect, '--list', '--json')).stdout) as { jobs: { model: string }[] };
    const { model } = listed.jobs[0]!;
    const imported = await fixture.run('import', dialect, model);
    expect(imported).toMatchObject({ status: 0, stderr: `${model} is the model of the job ${id}\n` });
    expect(imported.stdout).toContain(`${id} (succeeded) is in ${id}\n`);
    const hint = `\`orchestrate import ${dialect} --list\` shows the jobs`;
    const other = await fixture.run('import', dialect, `${model}x`);
    expect(other).toMatchObject({
      status: 78,
      stderr: expect.stringContaining(`which no job of this account has made: ${model}x\n  ${hint}`),
    });
    expect((await fixture.run('import', dialect, 'ftjob-none')).stderr).toContain(`\n  ${hint}`);
    expect(readdirSync(fixture.cwd).sort()).toEqual(['.orchestrate', id].sort());
  },
);

test('models of a service, as a table and as JSON', async () => {
  const fixture = await createFixture();
  await createEndedJob(fixture);
  const { status, stdout } = await fixture.run('models', 'openai');
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^MODEL +KIND +CREATED +ENDS +SAYS\ngpt-4\.1-2025-04-14 +base +2025-04-14 +2027-01-14 +shutdown_date of GET \/models\n/,
  );
  expect(stdout).toMatch(/\nft:gpt-4\.1-mini-2025-04-14:\S+:mine:\S+ +tuned /);
  const { models } = JSON.parse((await fixture.run('models', 'openai', '--json')).stdout) as { models: object[] };
  expect(models[0]).toEqual({
    name: 'gpt-4.1-2025-04-14',
    kind: 'base',
    createdAt: '2025-04-14T00:00:00.000Z',
    end: { date: '2027-01-14', source: 'shutdown_date of GET /models', asOf: null },
  });
});

test.each([
  [['import', 'openai'], '--list shows the jobs'],
  [['import', 'openai', '../there'], 'expected the id of a job'],
  [['import', 'openai', 'ftjob-1', '--list'], 'expected either --list or the job'],
  [['import', 'opnai', 'ftjob-1'], 'expected a service that is one of openai, azure'],
  [['import', 'openai', 'ftjob-1', '--method', 'dpo'], 'expected --method after the name of a file only'],
  [['import', './config.yaml', '--method', 'orpo'], '--method expects sft or dpo, found "orpo"'],
  [['models', 'huggingface'], 'expected a service that is one of'],
])('%s is a mistake of the command line', async (args, text) => {
  const { run, cwd } = await createFixture();
  const { status, stderr } = await run(...args);
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(text) as string });
  expect(existsSync(join(cwd, '.orchestrate', 'runs'))).toBe(false);
});

test('a configuration of another program becomes a job file beside it, and none that is there is overwritten', async () => {
  const { run, cwd } = await createFixture();
  mkdirSync(join(cwd, 'old'));
  cpSync(join(import.meta.dirname, '../../fixtures/import/trl-dpo.yaml'), join(cwd, 'old/config.yaml'));
  const first = await run('import', 'old/config.yaml');
  expect(first).toMatchObject({ status: 0, stderr: '' });
  expect(first.stdout).toMatch(/^old\/job\.jsonc\n {2}converted: .*\n(.*\n)*next: .*plan old\/job\.jsonc\n$/);
  const text = readFileSync(join(cwd, 'old/job.jsonc'), 'utf8');
  writeFileSync(join(cwd, 'old/job.jsonc'), 'mine');
  const second = await run('import', 'old/config.yaml');
  expect(second).toMatchObject({ status: 2, stdout: '' });
  expect(second.stderr).toContain('name another with --out');
  expect(readFileSync(join(cwd, 'old/job.jsonc'), 'utf8')).toBe('mine');
  expect((await run('import', 'old/config.yaml', '--out', 'old/job-2.jsonc')).status).toBe(0);
  expect(readFileSync(join(cwd, 'old/job-2.jsonc'), 'utf8')).toBe(text);
  expect((await run('import', 'old/none.yml')).status).toBe(66);
  writeFileSync(join(cwd, 'old/plain.yaml'), 'model_name_or_path: owner/name\ndataset_name: owner/rows\n');
  const assumed = (await run('import', 'old/plain.yaml', '--out', 'old/sft.jsonc')).stdout;
  expect(assumed).toContain('  assumed: training.method = "sft": the file does not say for which command it is');
  const said = await run('import', 'old/plain.yaml', '--out', 'old/dpo.jsonc', '--method', 'dpo');
  expect([said.status, said.stdout.includes('assumed:')]).toEqual([0, false]);
  expect(readFileSync(join(cwd, 'old/dpo.jsonc'), 'utf8')).toMatch(/"task": "preference",[^]*"method": "dpo"/);
  const json = JSON.parse((await run('import', 'old/config.yaml', '--out', 'old/job-3.jsonc', '--json')).stdout) as object;
  expect(json).toMatchObject({ job: expect.stringMatching(/job-3\.jsonc$/) as string, notes: expect.any(Array) as unknown[] });
});
