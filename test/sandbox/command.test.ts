import { once } from 'node:events';
import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import { whoAmI } from '@huggingface/hub';
import { expect, onTestFinished, test } from 'vitest';
import { runCli, startCli } from '../cli/run-cli.ts';
import { createJob } from './fixture.ts';

async function start(...flags: string[]): Promise<{ line: string; stop: () => Promise<{ status: number | null; stdout: string }> }> {
  const { child, ended } = startCli(['sandbox', ...flags]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await once(lines, 'line')) as [string];
  const stop = async (): Promise<{ status: number | null; stdout: string }> => {
    child.kill('SIGINT');
    return await ended;
  };
  return { line, stop };
}

test('`sandbox --json` prints one line with what to set, answers, and ends with Ctrl-C', async () => {
  const { line, stop } = await start('--json');
  const { env } = JSON.parse(line) as { env: Record<string, string> };
  const azure = ['OPENAI_ENDPOINT', 'OPENAI_API_KEY', 'MANAGEMENT_URL', 'MANAGEMENT_TOKEN', 'SUBSCRIPTION_ID', 'RESOURCE_GROUP', 'ACCOUNT'];
  const names = [
    'OPENAI_BASE_URL',
    'OPENAI_API_KEY',
    'HF_ENDPOINT',
    'HF_TOKEN',
    'HF_HUB_DISABLE_XET',
    ...['BASE_URL', 'API_BASE_URL', 'API_KEY'].map((name) => `TOGETHER_${name}`),
    ...azure.map((name) => `AZURE_${name}`),
    ...['BASE_URL', 'API_KEY'].map((name) => `ENDPOINT_${name}`),
  ];
  expect(Object.keys(env)).toEqual(names);
  expect(env['OPENAI_BASE_URL']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  const client = new OpenAI({ baseURL: env['OPENAI_BASE_URL'], apiKey: env['OPENAI_API_KEY'], maxRetries: 0 });
  expect(await createJob(client)).toMatchObject({ status: 'validating_files' });
  expect(await whoAmI({ hubUrl: env['HF_ENDPOINT'] ?? '', accessToken: env['HF_TOKEN'] ?? '' })).toMatchObject({ name: 'demo' });
  expect(await stop()).toMatchObject({ status: 0, stdout: `${line}\n` });
});

test('`sandbox` prints what to set in a shell', async () => {
  const { line, stop } = await start();
  expect(line).toMatch(/^export OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1$/);
  expect((await stop()).stdout).toMatch(/^export OPENAI_API_KEY=sk-sandbox-demo$/m);
});

test('a port that is no port, or taken, is refused', async () => {
  expect(await runCli('sandbox', '--port', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('--port') });
  const { line, stop } = await start('--json');
  const port = /:(\d+)\//.exec(line)![1]!;
  expect(await runCli('sandbox', '--port', port)).toMatchObject({ status: 69, stderr: expect.stringContaining(`port ${port}`) });
  await stop();
});

test('a base model that is no folder with a model is refused', async () => {
  expect(await runCli('sandbox', '--base-model', 'nowhere')).toMatchObject({ status: 66, stderr: expect.stringContaining('--base-model') });
});
