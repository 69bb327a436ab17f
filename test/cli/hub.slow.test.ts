import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Comparison } from '../../src/evaluate/comparison.ts';
import type { RunView } from '../../src/run/run-view.ts';
import { startCli, type Ended } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

/* The program and the sandbox's Hub, whose jobs train with the trainer of this machine. */
const model = 'hub:distilbert/distilbert-base-uncased';

let sandbox: ChildProcess;
let env: NodeJS.ProcessEnv;
let job: string;

beforeAll(async () => {
  const folder = mkdtempSync(join(inject('scratchFolder'), 'hub-'));
  sandbox = spawn(process.execPath, ['bin/orchestrate.js', 'sandbox', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(sandbox.stdout!), 'line')) as [string];
  const told = (JSON.parse(line) as { env: NodeJS.ProcessEnv }).env;
  env = { ...process.env, ...told, ORCHESTRATE_DIR: join(folder, 'state') };
  for (const [name, rows] of [
    ['train', 64],
    ['test', 30],
  ] as const) {
    const lines = readFileSync(`fixtures/sentiment/${name}.jsonl`, 'utf8').split('\n').slice(0, rows);
    writeFileSync(join(folder, `${name}.jsonl`), lines.join('\n'));
  }
  job = join(folder, 'job.json');
  writeFileSync(
    job,
    JSON.stringify({
      version: 1,
      name: 'reviews',
      task: 'classification',
      data: { train: './train.jsonl', validation: { fraction: 0.2 }, test: './test.jsonl' },
      training: { epochs: 1, batchSize: 8, learningRate: 0.001, maxLength: 32, seed: 1 },
      targets: {
        hub: { provider: 'huggingface', model, options: { flavor: 'cpu-basic' } },
        laptop: { provider: 'local', model: tinyBert },
      },
    }),
  );
});

afterAll(async () => {
  sandbox.kill();
  await once(sandbox, 'exit');
});

async function run(...args: readonly string[]): Promise<Ended> {
  return await startCli(args, { env }).ended;
}

async function readJson<T>(...args: readonly string[]): Promise<T[]> {
  const { stdout } = await run(...args, '--json');
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

test('the plan tells the repositories, the upload, the job, the engine and the price', async () => {
  const { status, stdout } = await run('plan', job, '--target', 'hub');
  expect(status).toBe(0);
  expect(stdout).toMatch(/cost {6}\$0\.00 to \$0\.04008 \(cpu-basic at \$0\.01002 an hour, from http:.*, for at most 4 hours/);
  expect(stdout).toContain('the engine is autotrain: AutoTrain trains classifiers');
  expect([...stdout.matchAll(/^ {2}> (.*) \{$/gm)].map(([, what]) => what)).toEqual([
    'POST /api/repos/create',
    'POST /api/datasets/<account>/orchestrate-data-<hash of the rows>/commit/main',
    'POST /api/repos/create',
    'POST /api/jobs/<account>',
  ]);
  expect(stdout).not.toContain(env['HF_TOKEN']);
});

test('both targets are submitted and followed to their ends', async () => {
  expect(await run('submit', job, '-q')).toMatchObject({ status: 0, stdout: 'reviews/hub\nreviews/laptop\n' });
  // The log is followed while the run goes on, until it has ended.
  const followed = await run('logs', 'reviews/hub', '--follow');
  expect(followed.status).toBe(0);
  expect(followed.stdout).toMatch(
    /===== Job started[^]*running autotrain for text-classification\n[^]*  the model is in demo\/reviews-hub-[^]*===== Job finished: status=COMPLETED/,
  );
  expect((await run('logs', 'reviews/hub')).stdout).toBe(followed.stdout);
  const { status, stdout } = await run('wait', 'reviews', '--json');
  expect(status).toBe(0);
  const runs = (JSON.parse(stdout) as { runs: RunView[] }).runs.toSorted((a, b) => a.id.localeCompare(b.id));
  expect(runs).toMatchObject([
    { id: 'reviews/hub', ok: true, outputs: [{ kind: 'repository', uri: expect.stringMatching(/^hub:demo\/.*@[0-9a-f]{40}$/) }] },
    { id: 'reviews/laptop', ok: true },
  ]);
  expect(runs[0]!.cost.actual).toBeGreaterThan(0);
});

test('the metrics of both are in one form', async () => {
  const names = async (target: string): Promise<Set<string>> => {
    const metrics = await readJson<{ split: string; name: string }>('metrics', `reviews/${target}`);
    return new Set(metrics.map(({ split, name }) => `${split}/${name}`));
  };
  const shared = ['train/loss', 'train/learning_rate', 'validation/loss', 'validation/accuracy'];
  for (const target of ['hub', 'laptop']) expect([...(await names(target))]).toEqual(expect.arrayContaining(shared));
});

test('compare asks no service, and evaluate brings the model here: both answer the same rows', async () => {
  const [before] = await readJson<Comparison>('compare', 'reviews');
  const few = '30 held-out rows are few: chance alone moves a score by up to 0.18';
  const leftOut = expect.stringContaining('reviews/hub has answered 0 of 30 rows and is left out: `orchestrate evaluate') as string;
  expect(before!.notes).toEqual([leftOut, few]);
  expect(before!.candidates.map(({ name }) => name)).toEqual(['most frequent label', 'untrained head of laptop', 'laptop']);
  const [scored] = await readJson<Comparison>('evaluate', 'reviews');
  const tuned = scored!.candidates.filter(({ kind }) => kind === 'tuned');
  expect(tuned.map(({ name, rows, unparseable }) => [name, rows, unparseable])).toEqual([
    ['hub', 30, 0],
    ['laptop', 30, 0],
  ]);
  expect(scored!.notes.at(-1)).toBe(few);
  sandbox.kill('SIGSTOP'); // from here on the service is not needed
  try {
    expect(await readJson<Comparison>('compare', 'reviews')).toEqual([scored]);
    const answers = await readJson<{ label: string }>('predict', 'reviews/hub', 'I love this phone', 'a waste of money');
    for (const { label } of answers) expect(['negative', 'positive']).toContain(label);
    expect(answers).toHaveLength(2);
  } finally {
    sandbox.kill('SIGCONT');
  }
});

test('export puts the model of this machine into a repository, once, and refuses what is no such model', async () => {
  const pushed = await run('export', 'reviews/laptop', '--push', 'hub:demo/mine');
  expect(pushed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^reviews\/laptop {2}is now in http.*\/demo\/mine, commit/) });
  const [again] = await readJson<{ isNew: boolean; url: string }>('export', 'reviews/laptop', '--push', 'hub:demo/mine');
  expect(again).toMatchObject({ isNew: false, url: `${env['HF_ENDPOINT']}/demo/mine` });
  const card = await fetch(`${again!.url}/resolve/main/README.md`, { headers: { authorization: `Bearer ${env['HF_TOKEN']}` } });
  expect(await card.text()).toMatch(/^---\npipeline_tag: text-classification\n/);
  const wrong: [args: string[], message: string, status?: number][] = [
    [['reviews/laptop'], 'expected where the model goes'],
    [['reviews/laptop', '--format', 'gguf'], 'model_type: expected llama, qwen2, qwen3, found "bert"', 65],
    [['reviews', '--format', 'gguf'], 'expected one run, found reviews/'],
    [['reviews/laptop', '--push', 'mine'], 'expected a name such as hub:owner/name, found "mine"'],
    [['reviews', '--push', 'hub:demo/mine'], 'expected one run, found reviews/hub'],
    [['reviews/hub', '--push', 'hub:demo/mine'], 'expected a model on this machine, found hub:demo/'],
  ];
  for (const [args, message, expected = 2] of wrong) {
    const { status, stderr } = await run('export', ...args);
    expect(stderr).toContain(message);
    expect(status).toBe(expected);
  }
});

test('Ctrl-C ends the following of a log, and the run goes on until it is cancelled', async () => {
  // The job goes on by being looked at, so that it does not end by itself.
  const headers = { authorization: `Bearer ${env['HF_TOKEN']}`, 'content-type': 'application/json' };
  const settings = await fetch(`${env['HF_ENDPOINT']}/sandbox/settings`, { method: 'PUT', headers, body: '{"polls": 4}' });
  expect(settings.status).toBe(200);
  expect(await run('submit', job, '--target', 'hub', '--again', '-q')).toMatchObject({ status: 0, stdout: 'reviews/hub#2\n' });
  const { child, ended } = startCli(['logs', 'reviews/hub', '--follow'], { env });
  await once(child.stdout!, 'data');
  child.kill('SIGINT');
  const { status, stdout, stderr } = await ended;
  expect({ status, stdout, stderr }).toMatchObject({
    status: 130,
    stdout: expect.stringContaining('===== Job started'),
    stderr: expect.stringMatching(/^the run goes on; `.* logs reviews\/hub --follow` follows it again\n/),
  });
  expect((await run('status', 'reviews/hub', '--exit-code')).status).toBe(101);
  await run('cancel', 'reviews/hub');
  expect((await run('wait', 'reviews/hub')).status).toBe(103);
});

test('clean lists what is at the Hub, and deletes it with --yes alone', async () => {
  const listed = await run('clean', '--provider', 'huggingface', '-q');
  expect(listed.stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^dataset:demo\/orchestrate-data-[0-9a-f]{24}$/),
    ...Array.from({ length: 2 }, () => expect.stringMatching(/^model:demo\/reviews-hub-[a-z2-7]{20}$/) as string),
  ]);
  expect((await run('clean', '--provider', 'huggingface', '-q', '--yes')).stdout).toBe(listed.stdout);
  expect(await run('clean', '--provider', 'huggingface')).toMatchObject({ status: 0, stdout: '', stderr: 'nothing to clean\n' });
  expect(await run('predict', 'reviews/hub#1', 'fine')).toMatchObject({ status: 0, stderr: '' }); // what was brought here stays
});
