import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createOrchestrator } from '../../../src/orchestrator.ts';
import { writeSafetensors } from '../../../src/trainer/safetensors.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../../trainer/read-tensors.ts';
import { createHubTrial, readTinyBert } from './hub-fixture.ts';

/** The small model as one for masked words, without a pooler. */
function createMasked(): Map<string, Uint8Array> {
  const path = join(createScratchFolder(), 'model.safetensors');
  const tensors = [...readTensors('fixtures/models/tiny-bert/model.safetensors')].filter(([name]) => !name.startsWith('pooler'));
  writeSafetensors(
    path,
    tensors.map(([name, { shape, data }]) => ({ name: `bert.${name}`, shape, data: data! })),
  );
  return new Map([...readTinyBert(), ['model.safetensors', readFileSync(path)]]);
}

function writeJob(folder: string, more: object = {}): string {
  const rows = Array.from({ length: 16 }, (_, i) => JSON.stringify({ text: `row number ${i}`, label: i % 2 === 0 ? 'a' : 'b' }));
  writeFileSync(join(folder, 'train.jsonl'), rows.join('\n'));
  const job = {
    version: 1,
    name: 'byname',
    task: 'classification',
    data: { train: './train.jsonl' },
    training: { steps: 2, batchSize: 4, maxLength: 16 },
    targets: { laptop: { provider: 'local', model: 'hub:acme/masked' } },
    ...more,
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  return join(folder, 'job.json');
}

test('a model by name is downloaded once and trained; the run keeps its commit, and says that a pooler was drawn', async () => {
  const { sandbox, cache, asked } = await createHubTrial({ 'acme/masked': createMasked() });
  const folder = createScratchFolder();
  const environment = { HF_ENDPOINT: sandbox.url, ORCHESTRATE_MODELS: cache };
  const said: string[] = [];
  await using orchestrator = await createOrchestrator({
    dir: join(folder, 'state'),
    environment,
    onProgress: (text) => void said.push(text),
  });
  const job = await orchestrator.load(writeJob(folder));
  const [plan] = await orchestrator.plan(job);
  expect(existsSync(join(folder, 'state/runs'))).toBe(false);
  await orchestrator.submit(job);
  expect(said.at(-1)).toMatch(/^acme\/masked: 3\.\d MB downloaded$/);
  const [run] = await orchestrator.wait(['byname'], { timeoutMs: 60_000 });
  expect(run).toMatchObject({ ok: true, model: { base: 'acme/masked', revision: plan!.model.revision } });
  const drawn = run!.notes.filter((note) => note.type === 'warning').filter(({ message }) => message.includes('bert.pooler.dense.weight'));
  expect(drawn).toHaveLength(1);
  const [output] = run!.outputs;
  expect(readFileSync(join(fileURLToPath(output!.uri), 'README.md'), 'utf8')).toContain('base_model: "acme/masked"');
  asked.length = 0;
  const [again] = await orchestrator.submit(job);
  expect(again!.key).toBe(run!.key);
  expect(asked.filter((path) => path.endsWith('.safetensors'))).toEqual([]);
});

test('a model that was deleted from the cache after the training comes again to be compared with', async () => {
  const { sandbox, cache, asked } = await createHubTrial({ 'acme/masked': createMasked() });
  const folder = createScratchFolder();
  const environment = { HF_ENDPOINT: sandbox.url, ORCHESTRATE_MODELS: cache };
  await using orchestrator = await createOrchestrator({ dir: join(folder, 'state'), environment });
  const path = writeJob(folder, { data: { train: './train.jsonl', test: './train.jsonl' } });
  await orchestrator.submit(await orchestrator.load(path));
  await orchestrator.wait(['byname'], { timeoutMs: 60_000 });
  rmSync(cache, { recursive: true });
  asked.length = 0;
  const [comparison] = await orchestrator.evaluate('byname');
  expect(comparison!.candidates.map(({ kind }) => kind)).toEqual(['majority', 'untrained', 'tuned']);
  expect(asked.filter((one) => one.endsWith('model.safetensors'))).toHaveLength(1);
}, 60_000);

test('without a network a plan tells all but the model, and a submission is refused and stores nothing', async () => {
  const { sandbox, cache } = await createHubTrial();
  await sandbox.close();
  const folder = createScratchFolder();
  await using orchestrator = await createOrchestrator({
    dir: join(folder, 'state'),
    environment: { HF_ENDPOINT: sandbox.url, ORCHESTRATE_MODELS: cache, ORCHESTRATE_REQUEST_SECONDS: '0.5' },
  });
  const job = await orchestrator.load(writeJob(folder));
  const [plan] = await orchestrator.plan(job);
  expect(plan).toMatchObject({ facts: { train: { rows: 16 } }, model: { base: 'acme/masked', revision: null } });
  expect(plan!.notes[0]).toEqual({ type: 'warning', message: expect.stringContaining('hf download acme/masked') as string });
  await expect(orchestrator.submit(job)).rejects.toMatchObject({ code: 'service-unreachable' });
  expect(await orchestrator.list()).toEqual([]);
});
