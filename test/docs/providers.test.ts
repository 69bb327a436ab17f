import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSpool } from '../../fixtures/providers/example-provider.ts';
import { say, steps, target } from '../../fixtures/providers/target.ts';
import { createOrchestrator } from '../../src/index.ts';
import { contractTests } from '../../src/testing/index.ts';
import { runProgram, type Ended } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';
import { testConformance } from '../testing/test-conformance.ts';

const page = readFileSync('docs/providers.md', 'utf8');

/** The page shows what a user writes, who has the package installed. */
function readShownSource(path: string): string {
  return readFileSync(path, 'utf8')
    .replaceAll("'../../src/index.ts'", "'finetune-orchestrator'")
    .replaceAll(/'\.\.\/\.\.\/src\/(cli|testing)\/\w+\.ts'/g, "'finetune-orchestrator/$1'");
}

test.each(['example-provider.ts', 'main.ts', 'conformance.ts'].map((name) => `fixtures/providers/${name}`))(
  'the page shows %s as it is',
  (path) => {
    const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks).toContain(readShownSource(path));
  },
);

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

testConformance(contractTests(target));

test('node:test runs the conformance tests too, and reports what is skipped', async () => {
  const { status, stdout } = await runProgram('--test-reporter=tap', ['fixtures/providers/conformance.ts']);
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('# SKIP no pause') });
  expect(stdout).toMatch(/^# fail 0$/m);
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
