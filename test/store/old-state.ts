import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createOrchestrator, type Orchestrator } from '../../src/index.ts';
import { createScratchFolder } from '../scratch.ts';

const fixture = fileURLToPath(new URL('../../fixtures/old-state', import.meta.url));
const address = 'http://127.0.0.1:29117';

const environment = {
  OPENAI_API_KEY: 'key',
  OPENAI_BASE_URL: `${address}/v1`,
  AZURE_OPENAI_API_KEY: 'key',
  AZURE_OPENAI_ENDPOINT: address,
  HF_TOKEN: 'hf_key',
  HF_ENDPOINT: address,
  ORCHESTRATE_PRICES: '{"gpt-4.1-mini-2025-04-14": {"training": 5, "input": 0.8, "output": 3.2, "hosting": 1.7}}',
};

/** A copy of the state that an earlier version wrote, as the README of the fixture describes it. Returns the state folder. */
export function copyOldState(): string {
  const folder = createScratchFolder();
  const dir = join(folder, '.orchestrate');
  cpSync(join(fixture, 'project'), folder, { recursive: true });
  cpSync(join(fixture, 'state'), dir, { recursive: true });
  for (const path of globSync('runs/*/train.json', { cwd: dir })) {
    const text = readFileSync(join(dir, path), 'utf8');
    writeFileSync(join(dir, path), text.replaceAll('/tmp/old-state-fixture', folder));
  }
  const database = new DatabaseSync(join(dir, 'state.db'));
  for (const [table, column] of [
    ['run', 'record'],
    ['event', 'body'],
  ]) {
    database.prepare(`update ${table} set ${column} = replace(${column}, '/tmp/old-state-fixture', ?)`).run(folder);
  }
  database.close();
  return dir;
}

/** Opens the copy with the settings of the services at that time. */
export async function openOldState(dir: string, now = (): Date => new Date()): Promise<Orchestrator> {
  const orchestrator = await createOrchestrator({ dir, environment, now });
  onTestFinished(async () => await orchestrator[Symbol.asyncDispose]());
  return orchestrator;
}
