import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { Cli } from '../../src/cli/cli.ts';
import { status } from '../../src/cli/commands/status.ts';
import { createOrchestrator } from '../../src/index.ts';
import { runCli } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';
import { createMemoryService } from './memory-provider.ts';

/** A state with two ended runs, of which the statement damages the first. */
async function createDamaged(...statements: string[]): Promise<{ dir: string; open: () => ReturnType<typeof createOrchestrator> }> {
  const dir = createScratchFolder();
  const service = createMemoryService();
  const open = (): ReturnType<typeof createOrchestrator> => createOrchestrator({ dir, providers: [service.provider] });
  await using orchestrator = await open();
  const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=any']);
  service.status = { phase: 'succeeded', raw: 'done' };
  await orchestrator.submit(job);
  await orchestrator.wait(['sentiment']);
  await orchestrator.submit(job, { again: true });
  const database = new DatabaseSync(join(dir, 'state.db'));
  for (const statement of statements) database.exec(statement);
  database.close();
  return { dir, open };
}

const flip = `UPDATE run SET record = replace(record, '"plan"', char(1)) WHERE number = 1`;

test.each([
  ['a flipped bit', flip, 'record'],
  ['another name of a field', `UPDATE run SET record = replace(record, '"plan"', '"plbn"') WHERE number = 1`, 'record'],
  ['another state', `UPDATE run SET record = replace(record, '"state":"succeeded"', '"state":"succfeded"') WHERE number = 1`, 'record'],
  ['nothing', `UPDATE run SET record = '' WHERE number = 1`, 'record'],
  ['null', `UPDATE run SET record = 'null' WHERE number = 1`, 'record'],
  ['a broken look', `UPDATE run SET observation = substr(observation, 2) WHERE number = 1`, 'observation'],
  ['broken measures', `UPDATE run SET metrics = '{"train/loss":' WHERE number = 1`, 'metrics'],
])('%s in a run: it is named, made anew from the rest of the store, and hides no other', async (_, statement, part) => {
  const { open } = await createDamaged(statement);
  await using orchestrator = await open();
  const runs = await orchestrator.list(undefined, { look: 'never' });
  expect(runs.map(({ id, ok }) => [id, ok])).toEqual([
    ['sentiment/laptop#2', false],
    ['sentiment/laptop', true],
  ]);
  expect(await orchestrator.damage()).toEqual([
    {
      message: expect.stringMatching(new RegExp(`state\\.db: the record of the run sentiment/laptop is damaged \\(${part}\\)$`)) as string,
      hint: expect.any(String) as string,
    },
  ]);
});

test('a run that cannot be made anew is named with what to do; the others are shown, and no older run passes for it', async () => {
  const lost = `UPDATE event SET body = 'x' WHERE run = (SELECT key FROM run WHERE number = 2)`;
  const { open, dir } = await createDamaged(flip.replace('number = 1', 'number = 2'), lost);
  await using orchestrator = await open();
  expect((await orchestrator.list(undefined, { look: 'never' })).map(({ id }) => id)).toEqual(['sentiment/laptop']);
  const failure = {
    code: 'configuration-invalid',
    message: expect.stringContaining('state.db: the record of the run sentiment/laptop#2 is damaged') as string,
  };
  await expect(orchestrator.run('sentiment').view()).rejects.toMatchObject(failure);
  expect((await orchestrator.run('sentiment/laptop#1').view()).ok).toBe(true);
  await expect(orchestrator.clean({ dryRun: false })).rejects.toMatchObject(failure);
  const job = await orchestrator.load('fixtures/sentiment/job.json', ['targets.laptop.provider=memory', 'targets.laptop.model=any']);
  expect((await orchestrator.submit(job, { again: true }))[0]!.id).toBe('sentiment/laptop#3');
  const { status, stdout, stderr } = await runCli('status', '--dir', dir);
  expect(status).toBe(0);
  expect(stdout).toContain('sentiment/laptop ');
  expect(stderr).toMatch(/state\.db: the record of the run sentiment\/laptop#2 is damaged \(record\)\n {2}restore a copy of the file, or/);
});

test('status tells of a damaged run also where its own poll writes it anew', async () => {
  const { open } = await createDamaged(flip.replace('number = 1', 'number = 2'));
  const said: string[] = [];
  const terminal = { say: (text: string) => said.push(text), print: () => {}, width: 80 } as unknown as Cli['terminal'];
  await status({ terminal, json: false, quiet: false, signal: new AbortController().signal, open }, [], { refresh: true });
  expect(said[0]).toMatch(/the record of the run sentiment\/laptop#2 is damaged/);
  await using orchestrator = await open();
  expect(await orchestrator.damage()).toEqual([]);
});

test('a damaged run is written anew with its next change', async () => {
  const { open } = await createDamaged(flip.replace('number = 1', 'number = 2'));
  await using orchestrator = await open();
  expect(await orchestrator.damage()).toHaveLength(1);
  await orchestrator.wait(['sentiment']);
  expect(await orchestrator.damage()).toEqual([]);
});
