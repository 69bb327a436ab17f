import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSettings } from '../../src/cli/env-file.ts';
import { createScratchFolder } from '../scratch.ts';
import { startCli } from './run-cli.ts';

function writeEnv(text: string, name = '.env'): string {
  const folder = createScratchFolder();
  writeFileSync(join(folder, name), text);
  return folder;
}

test('the environment comes first, then the .env file beside the job; what was used is named without its value', () => {
  const folder = writeEnv('OPENAI_API_KEY=sk-file\nHF_TOKEN="hf file" # a comment\nEMPTY=\n');
  const { environment, describe } = readSettings({ HF_TOKEN: 'hf-own', OPENAI_API_KEY: '' }, { address: join(folder, 'job.json') });
  expect(describe()).toBeNull();
  expect([environment['HF_TOKEN'], environment['OPENAI_API_KEY'], environment['OTHER']]).toEqual(['hf-own', 'sk-file', undefined]);
  expect(describe()).toMatch(/\.env: OPENAI_API_KEY$/);
});

test('a file that nobody named does not decide where a key of the environment goes', () => {
  const folder = writeEnv('OPENAI_BASE_URL=http://127.0.0.1:1/v1\nAZURE_OPENAI_ENDPOINT=http://127.0.0.1:2\n');
  const own = { OPENAI_API_KEY: 'sk-own' };
  const found = readSettings(own, { address: join(folder, 'job.json') });
  expect(() => found.environment['OPENAI_BASE_URL']).toThrow(expect.objectContaining({ code: 'configuration-invalid' }));
  expect(found.environment['AZURE_OPENAI_ENDPOINT']).toBe('http://127.0.0.1:2');
  const named = readSettings(own, { path: join(folder, '.env') });
  expect(named.environment['OPENAI_BASE_URL']).toBe('http://127.0.0.1:1/v1');
});

test('a named file must be there; a folder called .env is none', () => {
  expect(() => readSettings({}, { path: '/no/such/file' })).toThrow(expect.objectContaining({ code: 'file-missing' }));
  expect(readSettings({}, { address: 'no/such/job.json' }).describe()).toBeNull();
});

test('a command says which settings it took from the file, and never prints a value', async () => {
  const folder = writeEnv('OPENAI_API_KEY=sk-canary-of-the-file\nOPENAI_BASE_URL=http://127.0.0.1:1/v1\n');
  const { stdout, stderr } = await startCli(['models', 'openai'], { cwd: folder, env: { PATH: process.env['PATH'] } }).ended;
  expect(stderr).toContain('settings from .env: OPENAI_API_KEY, OPENAI_BASE_URL');
  expect(stdout + stderr).not.toContain('canary');
});
