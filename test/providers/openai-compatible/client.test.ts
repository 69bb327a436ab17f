import { inspect } from 'node:util';
import OpenAI from 'openai';
import { afterEach, expect, test, vi } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openai } from '../../../providers/openai/index.ts';
import { openClient } from '../../../providers/openai-compatible/client.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { buildBody, canaryKey, configs, createSandboxFixture, key, toInput } from './fixture.ts';
import { startService } from './service.ts';

afterEach(() => void vi.unstubAllEnvs());

const job = { id: 'ftjob-1', object: 'fine_tuning.job', created_at: 1_763_812_800, status: 'queued', training_file: 'file-1' };
const body = buildBody(toInput({ training: { epochs: 2, seed: 3 } }));

test.each([
  [{ AZURE_OPENAI_API_KEY: canaryKey }, {}, '/openai/v1/fine_tuning/jobs', { authorization: `Bearer ${canaryKey}` }],
  [{ AZURE_OPENAI_AD_TOKEN: 'entra-token-1' }, {}, '/openai/v1/fine_tuning/jobs', { authorization: 'Bearer entra-token-1' }],
  [
    { AZURE_OPENAI_AD_TOKEN: 'entra-token-1' },
    { OPENAI_API_VERSION: '2025-04-01-preview' },
    '/openai/fine_tuning/jobs',
    { authorization: 'Bearer entra-token-1' },
  ],
])('Azure with %o and %o is asked at %s', async (credentials: Readonly<Record<string, string>>, settings, path, headers) => {
  await using service = await startService(() => ({ body: job }));
  for (const end of ['', '/', '/openai', '/openai/v1/']) {
    const values: Readonly<Record<string, string>> = { ...settings, AZURE_OPENAI_ENDPOINT: `${service.url}${end}` };
    const credential = (name: string): Secret | null => (credentials[name] === undefined ? null : new Secret(credentials[name]));
    await azure.training.create(body, service.createContext({ setting: (name) => values[name] ?? null, credential }));
  }
  for (const request of service.requests) {
    expect(request).toMatchObject({ path, headers });
    expect(request.query.get('api-version')).toBe('OPENAI_API_VERSION' in settings ? settings.OPENAI_API_VERSION : null);
    expect(Object.keys(request.headers).filter((name) => name === 'authorization' || name === 'api-key')).toEqual(Object.keys(headers));
  }
});

test('nothing of the environment gets in: all comes from the context', async () => {
  const names = ['API_KEY', 'ADMIN_KEY', 'ORG_ID', 'PROJECT_ID', 'WEBHOOK_SECRET'].map((name) => `OPENAI_${name}`);
  for (const name of [...names, 'AZURE_OPENAI_API_KEY']) vi.stubEnv(name, 'from-the-environment');
  vi.stubEnv('OPENAI_BASE_URL', 'http://127.0.0.1:9/from-the-environment');
  vi.stubEnv('OPENAI_LOG', 'debug');
  vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'authorization: from-the-environment\nx-other: from-the-environment');
  const log = vi.spyOn(console, 'debug');
  await using service = await startService(() => ({ body: job }));
  await openai.training.create(body, service.createContext());
  expect(JSON.stringify(service.requests[0]!.headers)).not.toContain('from-the-environment');
  expect(service.requests[0]!.headers['openai-organization']).toBeUndefined();
  expect(log).not.toHaveBeenCalled();
});

test('the key is in none of the objects of the client', async () => {
  await using fixture = await createSandboxFixture();
  const client = await openClient(configs.openai, fixture.toAttempt());
  const error: unknown = await client.fineTuning.jobs.retrieve('none').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.APIError);
  expect(inspect([client, error], { depth: Infinity, showHidden: true, maxStringLength: Infinity })).not.toContain(canaryKey);
});

test("an abort of the context ends a call, whoever's signal the call has", async () => {
  await using fixture = await createSandboxFixture();
  fixture.sandbox.setFaults({ models: [{ type: 'hang-after' }] }, canaryKey);
  const controller = new AbortController();
  const client = await openClient(configs.openai, fixture.toAttempt(key, 1, controller.signal));
  const ended = client.models.list({ signal: new AbortController().signal }).then(String, String);
  setTimeout(() => controller.abort(), 0);
  await expect(ended).resolves.toMatch(/Error/);
});

test.each(['not an address', 'ftp://example.org', 'https://user:hunter22@example.org/v1', 'https://example.org/v1?key=hunter22'])(
  'the address %s is refused, and not repeated',
  async (address) => {
    await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: address } });
    const error: unknown = await openai.training.find({}, [], fixture.toAttempt()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'configuration-invalid', message: expect.stringContaining('OPENAI_BASE_URL') as string });
    expect(inspect(error)).not.toContain('hunter22');
  },
);
