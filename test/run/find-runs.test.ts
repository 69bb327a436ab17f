import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLocal, runSmallJob, type SmallJob } from '../evaluate/small-job.ts';

const run = async ({ orchestrator, path }: SmallJob, ...overrides: string[]): Promise<string> =>
  (await orchestrator.submit(await orchestrator.load(path, overrides)))[0]!.id;

const change = ({ path }: SmallJob, fields: object): void =>
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...fields }));

test('a job file means its own run, not the newest run of its name', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, path } = small;
  expect(await run(small, 'training.seed=2')).toBe('small/laptop#2');
  const ids = async (address: string): Promise<string[]> => (await orchestrator.list(address)).map(({ id }) => id);
  expect(await ids(path)).toEqual(['small/laptop']);
  expect(await ids('small')).toEqual(['small/laptop#2', 'small/laptop']);
  expect((await orchestrator.wait([path])).map(({ id }) => id)).toEqual(['small/laptop']);
  expect((await orchestrator.run(path).view()).id).toBe('small/laptop');
  expect((await orchestrator.compare(path))[0]!.candidates.at(-1)).toMatchObject({ kind: 'tuned', run: 'small/laptop' });
  change(small, { training: { seed: 2 } });
  expect(await ids(path)).toEqual(['small/laptop#2']);
});

test('a job file means the newest run of the same training', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, path } = small;
  await orchestrator.submit(await orchestrator.load(path), { again: true });
  expect((await orchestrator.run(path).view()).id).toBe('small/laptop#2');
  expect((await orchestrator.list(path)).map(({ id }) => id)).toEqual(['small/laptop#2', 'small/laptop']);
});

test('a file that trains something else has no run, and the runs of its name are told', async () => {
  const small = await runSmallJob([createLocal().provider]);
  const { orchestrator, path, folder } = small;
  const message = `${path} has no run yet: nothing that it trains was submitted from here; the runs called "small" train something else: small/laptop`;
  const changes: object[] = [{ training: { epochs: 9 } }, { prompt: { system: 'Say.' } }, { workspace: 'team' }];
  const before = readFileSync(path, 'utf8');
  for (const fields of changes) {
    change(small, fields);
    await expect(orchestrator.wait([path])).rejects.toMatchObject({ code: 'run-not-found', message });
    writeFileSync(path, before);
  }
  writeFileSync(join(folder, 'train.jsonl'), '{"text": "a", "label": "no"}\n{"text": "b", "label": "yes"}\n');
  await expect(orchestrator.compare(path)).rejects.toMatchObject({ code: 'run-not-found', message });
  await expect(orchestrator.list(path)).rejects.toMatchObject({
    message: expect.stringContaining('its providers have no job of it') as string,
  });
  change(small, { name: 'other' });
  await expect(orchestrator.wait([path])).rejects.toMatchObject({
    message: `${path} has no run yet: nothing that it trains was submitted from here`,
    hint: `\`orchestrate submit ${path}\` makes one`,
  });
});

test('data that is gone counts as unchanged', async () => {
  const { orchestrator, path, folder } = await runSmallJob([createLocal().provider]);
  rmSync(join(folder, 'train.jsonl'));
  expect((await orchestrator.run(path).view()).id).toBe('small/laptop');
});
