import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSpool } from '../../fixtures/providers/example-provider.ts';
import { contractTests } from '../../src/testing/contract.ts';
import type { ConformanceResult_, ConformanceEnvironment } from '../../src/testing/subject.ts';
import type { Attempt } from '../../src/provider/context.ts';
import { createOrchestrator } from '../../src/index.ts';
import { runProgram, type Ended } from '../cli/run-cli.ts';
import { toMemoryPlan } from '../run/memory-provider.ts';
import { createScratchFolder } from '../scratch.ts';

const page = readFileSync('docs/providers.md', 'utf8');

/** The page shows what a user writes, who has the package installed. */
function toShownSource(path: string): string {
  return readFileSync(path, 'utf8').replaceAll("'../../src/index.ts'", "'finetune-orchestrator'");
}

test.each(['fixtures/providers/example-provider.ts', 'fixtures/providers/main.ts'])('the page shows %s as it is', (path) => {
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
  expect(blocks).toContain(toShownSource(path));
});

test('the example is short', () => {
  expect(readFileSync('fixtures/providers/example-provider.ts', 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(60);
});

test('the page speaks of every function of a provider', () => {
  const source = readFileSync('src/provider/provider.ts', 'utf8');
  const names = ['Provider', 'Training', 'Inference', 'Deployments', 'Account'].flatMap((group) => {
    const [, members] = new RegExp(`^export interface ${group}\\b.*?\\{\\n(.*?)^\\}`, 'ms').exec(source)!;
    return [...members!.matchAll(/^ {2}(?:readonly )?(\w+)\??[(:]/gm)].map(([, name]) => name!);
  });
  expect(names).toContain('fence');
  expect(names).toContain('undeploy');
  expect(names.filter((name) => !page.includes(`| \`${name}\``))).toEqual([]);
});

/** What the machine of the example adds to a job. */
function say(folder: string, id: string, ...lines: readonly object[]): void {
  for (const line of lines) appendFileSync(join(folder, id), `${JSON.stringify({ at: '2026-01-01T00:00:00.000Z', ...line })}\n`);
}

const steps = [
  { status: 'running', step: 1, loss: 0.7 },
  { status: 'running', step: 2, loss: 0.6 },
];

interface SpoolFixture extends ConformanceEnvironment {
  readonly folder: string;
}

const plan = toMemoryPlan('spool');
const base = { spec: { ...plan.spec, provider: 'spool', training: { epochs: 1 } }, facts: plan.facts, model: plan.model, key: plan.key };

function toEnd(...lines: readonly object[]): ConformanceResult_<SpoolFixture> {
  return { bring: async ({ folder }, { id }) => await Promise.resolve(say(folder, id, ...steps, ...lines)) };
}

function loseFolder(call: (fixture: SpoolFixture, context: Attempt) => Promise<unknown>): (fixture: SpoolFixture) => Promise<unknown> {
  return async (fixture) => {
    rmSync(fixture.folder, { recursive: true });
    return await call(fixture, fixture.toAttempt(plan.key, 1, new AbortController().signal));
  };
}

const tests = contractTests<SpoolFixture>({
  provider: createSpool('/nowhere'),
  inputs: {
    base,
    different: {
      'more epochs': { ...base, spec: { ...base.spec, training: { epochs: 2 } } },
      'another model': { ...base, model: { ...base.model, base: 'bert-large' } },
      'other labels': { ...base, facts: { ...base.facts, labels: ['bad', 'good'] } },
    },
  },
  async createEnvironment() {
    const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
    return await Promise.resolve({
      folder,
      provider: createSpool(folder),
      toAttempt: (key, attempt, signal) => ({
        signal,
        key,
        attempt,
        now: () => new Date(),
        wait: async () => await Promise.resolve(),
        setting: () => null,
        credential: () => null,
        workDir: folder,
        facts: plan.facts,
        async *readRows() {
          yield* await Promise.resolve([{ text: 'a row of the data', label: 'no' }]);
        },
      }),
      close: async () => await Promise.resolve(rmSync(folder, { recursive: true, force: true })),
    });
  },
  ends: {
    succeeded: toEnd({ status: 'done', model: '/models/tuned' }),
    failed: toEnd({ status: 'failed', error: 'out of memory' }),
    cancelled: toEnd({ status: 'stopped' }),
  },
  say: async ({ folder }, { id }, word) => await Promise.resolve(say(folder, id, { status: word })),
  failing: {
    'prepare without the folder': loseFolder(async ({ provider }, context) => await provider.training.prepare({}, context)),
    'create without the folder': loseFolder(async ({ provider }, context) => await provider.training.create({ name: 'x' }, context)),
    'find without the folder': loseFolder(async ({ provider }, context) => await provider.training.find({}, [], context)),
    'fence without the folder': loseFolder(async ({ provider }, context) => await provider.training.fence!({ name: 'x' }, context)),
    'observe without the folder': loseFolder(async ({ provider, folder }, context) => {
      const job = { provider: 'spool', id: 'x', location: folder, attempt: 1, createdAt: '2026-01-01T00:00:00.000Z', url: null };
      return await provider.training.observe(job, null, context);
    }),
  },
  snapshot: async ({ folder }) =>
    await Promise.resolve(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')])),
});

test.each(tests)('the example: $name', async ({ check }) => {
  await expect(check()).resolves.toBeUndefined();
});

test('the example takes a job file to its end', async () => {
  const folder = createScratchFolder();
  await using orchestrator = await createOrchestrator({ dir: createScratchFolder(), providers: [createSpool(folder)] });
  const job = await orchestrator.load('fixtures/providers/job.json');
  const [submitted] = await orchestrator.submit(job);
  expect(submitted).toMatchObject({ id: 'reviews/machine', status: { phase: 'submitted' } });
  await orchestrator.submit(job);
  expect(readdirSync(folder)).toHaveLength(2); // the rows, and one job however often it is submitted
  const [request] = readFileSync(join(folder, submitted!.remote!.id), 'utf8').split('\n');
  expect(JSON.parse(request!)).toMatchObject({ model: 'bert-base', training: { epochs: 1, learningRate: 5e-4 } });
  say(folder, submitted!.remote!.id, ...steps, { status: 'done', model: '/models/tuned' });
  const [ended] = await orchestrator.wait(['reviews']);
  expect(ended).toMatchObject({ ok: true, metrics: { 'train/loss': { last: 0.6 } }, outputs: [{ uri: '/models/tuned' }] });
});

async function runMain(spool: string, ...args: readonly string[]): Promise<Ended> {
  return await runProgram('fixtures/providers/main.ts', args, { env: { ...process.env, SPOOL: spool } });
}

test('a command line of one’s own knows the example', async () => {
  const [folder, dir] = [createScratchFolder(), createScratchFolder()];
  const submitted = await runMain(folder, 'submit', 'fixtures/providers/job.json', '--json', '--dir', dir);
  expect(submitted).toMatchObject({ status: 0 });
  const { runs } = JSON.parse(submitted.stdout) as { runs: { remote: { id: string } }[] };
  say(folder, runs[0]!.remote.id, ...steps, { status: 'done', model: '/models/tuned' });
  expect(await runMain(folder, 'wait', 'reviews', '-q', '--dir', dir)).toMatchObject({ status: 0, stdout: 'reviews/machine\n' });
});
