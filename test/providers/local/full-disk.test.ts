/** A disk that is full when the model is written, by an injected ENOSPC: the training goes on from its checkpoint once there is space. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createOrchestrator } from '../../../src/index.ts';
import { createScratchFolder } from '../../scratch.ts';

/** While the file `full` is there, every write below a folder of this name fails as on a full disk. */
const hook = (full: string, code: string, place: string): string => `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const fail = (path) => {
    if (!String(path).includes(${JSON.stringify(place)}) || !fs.existsSync(${JSON.stringify(full)})) return;
    throw Object.assign(new Error(${JSON.stringify(`${code}: injected`)}), { code: ${JSON.stringify(code)} });
  };
  for (const name of ['writeFileSync', 'copyFileSync', 'mkdirSync']) {
    const real = fs[name];
    fs[name] = (...args) => (fail(name === 'copyFileSync' ? args[1] : args[0]), real(...args));
  }
  syncBuiltinESMExports();
`;

test.each([
  ['ENOSPC', '.model.part', 'disk-full'],
  ['EDQUOT', '.model.part', 'disk-full'],
  ['EROFS', '.model.part', 'permission-denied'],
])('%s at the end: wait says so, and the next submit goes on from the checkpoint', async (code, place, failure) => {
  const folder = createScratchFolder();
  const full = join(folder, 'full');
  writeFileSync(full, '');
  writeFileSync(join(folder, 'hook.mjs'), hook(full, code, place));
  vi.stubEnv('NODE_OPTIONS', `--import ${pathToFileURL(join(folder, 'hook.mjs')).href}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  await using orchestrator = await createOrchestrator({ dir: join(folder, 'state') });
  const settings = ['targets.laptop.training.steps=4', 'targets.laptop.options.checkpointSteps=2'];
  const job = await orchestrator.load('fixtures/sentiment/job.json', settings);
  const [submitted] = await orchestrator.submit(job);
  const readTrainerEvents = (): { type: string; step?: number }[] =>
    readFileSync(join(folder, 'state/runs', submitted!.key, 'events.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });

  const [first] = await orchestrator.wait(['sentiment']);
  expect(first).toMatchObject({ terminal: false, status: { phase: 'paused' }, failure: { code: failure } });
  expect(existsSync(join(folder, 'state/runs', submitted!.key, 'checkpoints/step-00000002'))).toBe(true);
  const [looked] = await orchestrator.list('sentiment', { look: 'now' });
  expect(looked).toMatchObject({ status: { phase: 'paused' }, failure: { code: failure } });

  rmSync(full);
  await orchestrator.submit(job);
  const [ended] = await orchestrator.wait(['sentiment']);
  expect(ended).toMatchObject({ ok: true, failure: null });
  expect(readTrainerEvents()).toContainEqual(expect.objectContaining({ type: 'training-resumed', step: 2 }));
});
