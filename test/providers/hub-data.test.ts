/** Datasets of the Hub as the rows of a job, for targets of three kinds. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createOrchestrator } from '../../src/index.ts';
import { startSandbox } from '../../src/sandbox/main.ts';
import { createScratchFolder } from '../scratch.ts';

const targets = {
  gpt: { provider: 'openai', model: 'gpt-4.1-mini-2025-04-14' },
  hub: { provider: 'huggingface', model: 'hub:google-bert/bert-base-uncased' },
  laptop: { provider: 'local', model: join(import.meta.dirname, '../../fixtures/models/tiny-bert') },
};
const split = (name: string): object => ({ split: name, path: `plain/${name}-*` });
const card = `---\n${JSON.stringify({ configs: [{ config_name: 'plain', data_files: [split('train'), split('test')] }] })}\n---\n`;

test('every target gets the rows of a dataset, at one commit', async () => {
  const sandbox = await startSandbox();
  onTestFinished(async () => await sandbox.close());
  const folder = createScratchFolder();
  const rows = readFileSync('fixtures/parquet/reviews-zstd.parquet').toString('base64');
  const files = [
    { path: 'README.md', content: card, encoding: 'utf-8' },
    ...['train', 'test'].map((name) => ({ path: `plain/${name}-0.parquet`, content: rows, encoding: 'base64' })),
  ];
  const made = await fetch(`${sandbox.url}/api/repos/create`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sandbox.env.HF_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'reviews', type: 'dataset', files }),
  });
  expect(made.status).toBe(200);
  const data = { train: 'hub:demo/reviews#plain/train', test: 'hub:demo/reviews#test' };
  const job = { version: 1, name: 'hub-data', task: 'classification', data, budget: { usd: 5, hours: 1 }, targets };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  const environment = { ...sandbox.env, HOME: folder };
  await using orchestrator = await createOrchestrator({ from: folder, environment });
  const plans = await orchestrator.plan(await orchestrator.load(join(folder, 'job.json')));
  expect(plans.map(({ spec }) => spec.target)).toEqual(Object.keys(targets));
  for (const { facts } of plans) {
    expect(facts.train).toMatchObject({
      rows: 25,
      sources: [{ origin: expect.stringMatching(/^hub:demo\/reviews@[0-9a-f]{40}:plain\/train-0\.parquet$/) }],
    });
    expect(facts.test).toMatchObject({ test: { rows: 25, sources: [{ origin: expect.stringContaining(':plain/test-0.parquet') }] } });
  }
  const [run] = await orchestrator.submit(await orchestrator.load(join(folder, 'job.json')), { targets: ['gpt'] });
  expect(run).toMatchObject({ status: { phase: 'submitted' }, data: { train: { rows: 25 } } });
  // The Hub is not asked again for what was submitted.
  sandbox.setFaults({ repo: Array.from({ length: 50 }, () => ({ type: 'drop-before' as const })) });
  expect((await orchestrator.list(join(folder, 'job.json')))[0]!.key).toBe(run!.key);
});
