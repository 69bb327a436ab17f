import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { serviceCredentials, spawnCheck, spawnPrediction, spawnTraining } from '../../src/lib/process.ts';
import { createScratchFolder } from '../scratch.ts';

const { signal } = new AbortController();

test.each<[string, (folder: string) => ChildProcess]>([
  ['a training', (folder) => spawnTraining(folder, join(folder, 'log'))],
  ['a prediction', () => spawnPrediction(signal)],
  ['a check', () => spawnCheck('cpu', { signal })],
])('%s gets no credential', async (_name, start) => {
  const folder = createScratchFolder();
  const seen = join(folder, 'seen.json');
  const spy = join(folder, 'spy.mjs');
  writeFileSync(
    spy,
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(seen)}, JSON.stringify(process.env)); process.exit(0);`,
  );
  const others = ['AWS_SECRET_ACCESS_KEY', 'GITHUB_TOKEN', 'DB_PASSWORD', 'https_proxy', 'apikey'];
  for (const name of [...serviceCredentials, ...others]) vi.stubEnv(name, 'canary');
  vi.stubEnv('NODE_OPTIONS', `--import ${pathToFileURL(spy).href}`);
  vi.stubEnv('LANG', 'C.UTF-8');
  onTestFinished(() => void vi.unstubAllEnvs());
  await once(start(folder), 'exit');
  const environment = readFileSync(seen, 'utf8');
  expect(environment).not.toContain('canary');
  expect(JSON.parse(environment)).toMatchObject({ PATH: process.env['PATH'], LANG: 'C.UTF-8' });
});

test('every credential that a provider reads is known', () => {
  const sources = globSync('providers/**/*.ts').map((path) => readFileSync(path, 'utf8'));
  const read = sources.flatMap((text) => [...text.matchAll(/'([A-Z]+(?:_[A-Z]+)*_(?:KEY|TOKEN))'/g)].map(([, name]) => name!));
  expect([...new Set(read)].sort()).toEqual([...serviceCredentials].sort());
});
