import { inspect } from 'node:util';
import OpenAI from 'openai';
import { afterEach, expect, test, vi } from 'vitest';
import { create, find, bind } from '../../../providers/openai/submit.ts';
import { translate } from '../../../providers/openai/translate.ts';
import { startRecordingServer } from './recording-server.ts';
import { canaryKey, createSandboxFixture, dialects, key, toInput } from './fixture.ts';

afterEach(() => void vi.unstubAllEnvs());

const job = {
  id: 'ftjob-1',
  object: 'fine_tuning.job',
  created_at: 1_763_812_800,
  status: 'queued',
  training_file: 'file-1',
  metadata: {},
};
const prepared = { trainingFile: 'file-1', validationFile: null };
const { request } = translate(dialects.openai, toInput({ training: { epochs: 2, seed: 3 } }));
const wire = bind(request, prepared, key, 1);

test.each([
  [{}, '/openai/v1/fine_tuning/jobs', { authorization: `Bearer ${canaryKey}` }],
  [
    { AZURE_OPENAI_API_KEY: null, AZURE_OPENAI_AD_TOKEN: 'entra-token-1' },
    '/openai/v1/fine_tuning/jobs',
    { authorization: 'Bearer entra-token-1' },
  ],
  [
    { AZURE_OPENAI_API_KEY: null, AZURE_OPENAI_AD_TOKEN: 'entra-token-1', OPENAI_API_VERSION: '2025-04-01-preview' },
    '/openai/fine_tuning/jobs?api-version=2025-04-01-preview',
    { authorization: 'Bearer entra-token-1' },
  ],
])('Azure with %o is asked at %s', async (settings, path, headers) => {
  await using server = await startRecordingServer(() => ({ json: job }));
  for (const end of ['', '/', '/openai', '/openai/v1/']) {
    const environment = { ...settings, AZURE_OPENAI_ENDPOINT: `${server.url}${end}` };
    await using fixture = await createSandboxFixture({ dialect: 'azure', environment });
    await create(fixture.dialect, wire, fixture.toAttempt());
  }
  for (const sent of server.requests) {
    expect(sent).toMatchObject({ path, headers });
    expect(Object.keys(sent.headers).filter((name) => name === 'authorization' || name === 'api-key')).toEqual(Object.keys(headers));
  }
});

test('nothing of the environment gets in: all comes from the context', async () => {
  for (const name of [
    'OPENAI_API_KEY',
    'OPENAI_ADMIN_KEY',
    'OPENAI_ORG_ID',
    'OPENAI_PROJECT_ID',
    'OPENAI_WEBHOOK_SECRET',
    'AZURE_OPENAI_API_KEY',
  ]) {
    vi.stubEnv(name, 'from-the-environment');
  }
  vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:9/from-the-environment');
  vi.stubEnv('OPENAI_LOG', 'debug');
  vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'authorization: from-the-environment\nx-other: from-the-environment');
  const log = vi.spyOn(console, 'debug');
  await using server = await startRecordingServer(() => ({ json: job }));
  await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: `${server.url}/v1` } });
  await create(dialects.openai, wire, fixture.toAttempt());
  expect(JSON.stringify(server.requests[0]!.headers)).not.toContain('from-the-environment');
  expect(server.requests[0]!.headers['openai-organization']).toBeUndefined();
  expect(log).not.toHaveBeenCalled();
});

test('the key is in none of the objects of the client', async () => {
  await using fixture = await createSandboxFixture();
  const client = await dialects.openai.openClient(fixture.toAttempt());
  const error: unknown = await client.fineTuning.jobs.retrieve('none').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.APIError);
  expect(inspect([client, error], { depth: Infinity, showHidden: true, maxStringLength: Infinity })).not.toContain(canaryKey);
});

test("an abort of the context ends a call, whoever's signal the call has", async () => {
  await using fixture = await createSandboxFixture();
  fixture.sandbox.setFaults({ models: [{ type: 'hang-after' }] }, canaryKey);
  const controller = new AbortController();
  const client = await dialects.openai.openClient(fixture.toAttempt(key, 1, controller.signal));
  const ended = client.models.list({ signal: new AbortController().signal }).then(String, String);
  setTimeout(() => controller.abort(), 0);
  await expect(ended).resolves.toMatch(/Error/);
});

test.each([
  ['not an address', 'OPENAI_BASE_URL'],
  ['ftp://example.org', 'OPENAI_BASE_URL'],
  ['https://user:hunter22@example.org/v1', 'OPENAI_BASE_URL'],
  ['https://example.org/v1?key=hunter22', 'OPENAI_BASE_URL'],
])('the address %s is refused, and not repeated', async (address, setting) => {
  await using fixture = await createSandboxFixture({ environment: { [setting]: address } });
  const error: unknown = await find(dialects.openai, [], fixture.toAttempt()).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'configuration-invalid', message: expect.stringContaining(setting) as string });
  expect(inspect(error)).not.toContain('hunter22');
});
