import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { readSpending } from '../../src/run/budget.ts';
import type { RunView } from '../../src/run/run-view.ts';
import { type FaultPlans, type Sandbox, startSandbox } from '../../src/sandbox/main.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli, type Ended } from './run-cli.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const prices = JSON.stringify({ [base]: { training: 5, input: 1, output: 4, hosting: 1.7 } });

interface Fixture {
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly start: (...args: readonly string[]) => ReturnType<typeof startCli>;
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  view(): Promise<RunView>;
  /** What has been charged for deployments at the service. */
  bill(): unknown[];
  spending(): Promise<{ spentUsd: number; reservedUsd: number }>;
}

/** Of a machine that is busy. */
const patience = { timeout: 20_000, interval: 20 };

let sandbox: Sandbox;
/** Holds a job file and the state with its finished run `mood/azure`, for each test to begin with. */
const original = mkdtempSync(join(tmpdir(), 'orchestrate-'));

function startIn(folder: string, ...args: readonly string[]): ReturnType<typeof startCli> {
  const env = { ...process.env, ...sandbox.azureEnv, ORCHESTRATE_PRICES: prices, ORCHESTRATE_DIR: join(folder, 'state') };
  return startCli(args, { cwd: folder, env });
}

beforeAll(async () => {
  sandbox = await startSandbox({ settings: { jobMs: 50 } });
  const toRow = (i: number): string =>
    JSON.stringify(i % 2 === 0 ? { text: `good ${i}`, label: 'yes' } : { text: `bad ${i}`, label: 'no' });
  const toRows = (count: number): string => Array.from({ length: count }, (_, i) => toRow(i)).join('\n');
  writeFileSync(join(original, 'train.jsonl'), toRows(20));
  writeFileSync(join(original, 'test.jsonl'), toRows(4));
  const job = {
    version: 1,
    name: 'mood',
    task: 'classification',
    data: { train: './train.jsonl', test: './test.jsonl' },
    training: { epochs: 1 },
    evaluation: { generation: { maxTokens: 8 } },
    targets: { azure: { provider: 'azure', model: base } },
    budget: { usd: 100 },
  };
  writeFileSync(join(original, 'job.json'), JSON.stringify(job));
  for (const args of [
    ['submit', 'job.json'],
    ['wait', 'mood'],
  ]) {
    const { status, stderr } = await startIn(original, ...args).ended;
    if (status !== 0) throw new Error(stderr);
  }
});

afterAll(async () => {
  await sandbox.close();
  rmSync(original, { recursive: true, force: true });
});

/** A finished run at a service whose time goes by. Each test ends what it deploys. */
function createFixture(faults: FaultPlans = {}): Fixture {
  const folder = createScratchFolder();
  cpSync(original, folder, { recursive: true });
  sandbox.setFaults(faults);
  const before = sandbox.account().bill.length;
  const start: Fixture['start'] = (...args) => {
    const started = startIn(folder, ...args);
    onTestFinished(() => void started.child.kill('SIGKILL'));
    return started;
  };
  const run: Fixture['run'] = async (...args) => await start(...args).ended;
  return {
    folder,
    sandbox,
    start,
    run,
    view: async () => (JSON.parse((await run('status', 'mood/azure', '--json')).stdout) as { runs: RunView[] }).runs[0]!,
    bill: () =>
      sandbox
        .account()
        .bill.slice(before)
        .filter(({ kind }) => kind.startsWith('deployment')),
    async spending() {
      const store = openStore(join(folder, 'state'));
      const { spentUsd, reservedUsd } = await readSpending(store, 'mood', null);
      await store.destroy();
      return { spentUsd, reservedUsd };
    },
  };
}

const once1 = [
  { kind: 'deployment', sku: 'standard' },
  { kind: 'deployment-end', hours: 1 },
];

test('a tuned model of Azure is deployed, asked and undeployed, and its answers stay', async () => {
  const fixture = createFixture();
  const training = (await fixture.view()).cost.actual!;
  const told = '`orchestrate deploy mood/azure --hours 1`';
  expect((await fixture.run('status', 'mood/azure')).stdout).toContain('next: orchestrate deploy mood/azure --hours 1\n');
  expect((await fixture.view()).outputs).toMatchObject([{ callAs: null }]);
  for (const command of [
    ['evaluate', 'mood'],
    ['predict', 'mood/azure', 'good 1'],
    ['capture', 'mood/azure', '--data', 'test.jsonl'],
  ]) {
    const refused = await fixture.run(...command, '--max-usd', '1');
    expect(refused.status).toBe(78);
    expect(refused.stderr).toContain('mood/azure: the service runs a tuned model only while it is deployed; nothing was sent');
    expect(refused.stderr).toContain(told);
  }
  const poor = await fixture.run('deploy', 'mood', '--hours', '1.5', '--max-usd', '3');
  expect(poor).toMatchObject({
    status: 79,
    stdout: '',
    stderr:
      'orchestrate: deploying mood/azure would cost up to $3.40, and --max-usd allows $3.00; nothing was started\n' +
      '  allow it with --max-usd, or set budget.usd in the job file\n',
  });
  expect(fixture.sandbox.account().used).not.toHaveProperty('deployment');
  expect((await fixture.run('undeploy', 'mood')).stderr).toBe('mood/azure is not deployed\n');

  const up = await fixture.run('deploy', 'mood', '--hours', '1.5', '--max-usd', '4', '--detach');
  expect(up).toMatchObject({ status: 0, stdout: '' });
  expect(up.stderr).toMatch(
    /^mood\/azure is deployed as orchestrate-[a-z0-9]{16} until \d{4}-\d\d-\d\d \d\d:\d\d UTC \(1 h 28 min left\); \$1\.70 an hour, \$1\.70 so far\n.*\nIt costs until `.*orchestrate undeploy mood` ends it\.\n$/,
  );
  expect((await fixture.spending()).reservedUsd).toBe(3.4);
  expect((await fixture.run('status', 'mood/azure')).stdout).toMatch(
    /\n {2}deployed {2}as orchestrate-\S+ until .* left\); \$1\.70 an hour, \$1\.70 so far\n/,
  );
  expect((await fixture.run('status')).stdout).toContain('succeeded, deployed');
  const again = await fixture.run('deploy', 'mood', '--hours', '9', '--detach');
  expect(again.stderr).toContain('It was asked for before: its time stays as it was.');

  const captured = await fixture.run('capture', 'mood/azure', '--data', 'test.jsonl', '--max-usd', '1', '-q');
  expect(captured).toMatchObject({ status: 0, stderr: '' });
  const scores = JSON.parse((await fixture.run('evaluate', 'mood', '--max-usd', '1', '--json')).stdout) as { candidates: object[] };
  expect(scores.candidates[1]).toMatchObject({ name: 'azure', measures: { accuracy: 1 } });
  expect(await fixture.run('predict', 'mood/azure', 'good 1', '--max-usd', '1')).toMatchObject({ status: 0 });

  expect((await fixture.run('undeploy', 'mood/azure')).stderr).toBe('mood/azure is no longer deployed; it cost $1.70\n');
  expect(fixture.bill()).toMatchObject(once1);
  expect((await fixture.view()).deployment).toBeNull();
  const { spentUsd, reservedUsd } = await fixture.spending();
  expect(reservedUsd).toBe(0);
  expect(spentUsd).toBeGreaterThan(1.7 + training);
  expect((await fixture.run('compare', 'mood')).stdout).toContain('azure (tuned)');
  expect((await fixture.run('evaluate', 'mood')).status).toBe(0);
});

test('in the foreground it stays up for its time and is ended then', async () => {
  const fixture = createFixture();
  const { status, stdout } = await fixture.run('deploy', 'mood', '--hours', '0.0008', '--max-usd', '2', '--json');
  expect(status).toBe(0);
  const [up, ended] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { runs: RunView[]; usd?: number });
  expect(up!.runs[0]!.deployment).toMatchObject({ isUp: true, usdPerHour: 1.7, usd: 1.7, overdue: false });
  expect(ended).toMatchObject({ usd: 1.7, runs: [{ deployment: null }] });
  expect(fixture.bill()).toMatchObject(once1);
});

test.each([
  ['SIGINT', /Ctrl-C ends it earlier\.\nending the deployment …\nmood\/azure is no longer deployed; it cost \$1\.70\n$/],
  ['SIGTERM', /ending the deployment …\nmood\/azure is no longer deployed; it cost \$1\.70\n$/],
  ['SIGHUP', /Ctrl-C ends it earlier\.\n$/],
] as const)('%s ends it before its time', async (signal, said) => {
  const fixture = createFixture();
  const { child, ended } = fixture.start('deploy', 'mood', '--hours', '2', '--max-usd', '4');
  await once(child.stderr!, 'data'); // it says that it is up
  child.kill(signal);
  const { status, stderr } = await ended;
  expect(status).toBe(0);
  expect(stderr).toMatch(said);
  expect(fixture.bill()).toMatchObject(once1);
  expect((await fixture.view()).deployment).toBeNull();
});

test('Ctrl-C while it comes up ends it too', async () => {
  const fixture = createFixture({ deploy: [{ type: 'hang-after' }] });
  const { child, ended } = fixture.start('deploy', 'mood', '--hours', '2', '--max-usd', '4');
  await vi.waitFor(() => expect(fixture.bill()).toHaveLength(1), patience);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ status: 130, stderr: expect.stringContaining('no longer deployed; it cost $1.70') as string });
  expect(fixture.bill()).toMatchObject(once1);
});

test('an end that fails is said with the command that ends it, and leaves the deployment in sight', async () => {
  const fixture = createFixture({ 'deployment-delete': Array.from({ length: 4 }, () => ({ type: '429', retryAfterSeconds: 0 })) });
  const { child, ended } = fixture.start('deploy', 'mood', '--hours', '2', '--max-usd', '4');
  await once(child.stderr!, 'data');
  child.kill('SIGINT');
  const { status, stderr } = await ended;
  expect(status).not.toBe(0);
  expect(stderr).toMatch(
    /the deployment may be up and cost on: `.*orchestrate undeploy mood\/azure` ends it\nit could not be ended now: DELETE .* \(429\)/,
  );
  expect((await fixture.view()).deployment).toMatchObject({ isUp: true });
  fixture.sandbox.setFaults({});
  expect((await fixture.run('undeploy', 'mood')).status).toBe(0);
  expect(fixture.bill()).toMatchObject(once1);
});

test.each([
  ['before the service was asked', { deployment: [{ type: 'hang-after' }] }, 'deployment'],
  ['before its answer', { deploy: [{ type: 'hang-after' }] }, 'deploy'],
] as const)('killed %s, the command goes on with the same deployment', async (_word, faults, kind) => {
  const fixture = createFixture(faults);
  const { child, ended } = fixture.start('deploy', 'mood', '--hours', '1', '--max-usd', '2', '--detach');
  await vi.waitFor(() => expect(fixture.sandbox.account().used[kind]).toBe(1), patience);
  child.kill('SIGKILL');
  await ended;
  expect((await fixture.run('status', 'mood/azure')).stdout).toContain('not seen to answer yet, as orchestrate-');
  expect((await fixture.spending()).reservedUsd).toBe(1.7);
  expect((await fixture.run('evaluate', 'mood', '--max-usd', '1')).status).toBe(78);
  expect((await fixture.run('deploy', 'mood', '--hours', '1', '--max-usd', '2', '--detach')).status).toBe(0);
  expect((await fixture.spending()).reservedUsd).toBe(1.7);
  expect((await fixture.run('undeploy', 'mood')).status).toBe(0);
  expect(fixture.bill()).toMatchObject(once1);
});

test('killed before its answer, `undeploy` ends what there may be', async () => {
  const fixture = createFixture({ deploy: [{ type: 'hang-after' }] });
  const { child, ended } = fixture.start('deploy', 'mood', '--hours', '1', '--max-usd', '2');
  await vi.waitFor(() => expect(fixture.bill()).toHaveLength(1), patience);
  child.kill('SIGKILL');
  await ended;
  expect((await fixture.run('undeploy', 'mood')).stderr).toContain('no longer deployed; it cost $1.70');
  expect(fixture.bill()).toMatchObject(once1);
  expect((await fixture.spending()).reservedUsd).toBe(0);
});

test("the job's budget holds, as its file has it now", async () => {
  const fixture = createFixture();
  const job = join(fixture.folder, 'job.json');
  writeFileSync(job, readFileSync(job, 'utf8').replace('"usd":100', '"usd":2'));
  const refused = await fixture.run('deploy', 'job.json', '--hours', '2', '--max-usd', '9');
  expect(refused.status).toBe(79);
  expect(refused.stderr).toContain('the job "mood" has a budget of $2.00');
  expect(fixture.bill()).toEqual([]);
  writeFileSync(job, readFileSync(job, 'utf8').replace('"budget":{"usd":2}', '"tags":{}'));
  expect((await fixture.run('deploy', 'job.json', '--hours', '2')).stderr).toContain('no limit is set');
});
