import { expect, test } from 'vitest';
import { refusals, type RefusalName } from '../../src/sandbox/settings.ts';
import { base, createJob, openSandbox, uploadLines } from './sandbox-world.ts';

/** Sends a body as it is, past the types of the client. */
async function post(url: string, path: string, body: unknown): Promise<{ status: number; error: Record<string, unknown> }> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-sandbox-rehearsal', 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, error };
}

const supervised = (hyperparameters: object): object => ({ method: { type: 'supervised', supervised: { hyperparameters } } });
const dpo = (hyperparameters: object): object => ({ method: { type: 'dpo', dpo: { hyperparameters } } });

test.each<[object, string, string]>([
  [{ learning_rate: 1 }, 'learning_rate', 'Unrecognized request argument supplied: learning_rate'],
  [supervised({ n_epochs: 0 }), 'method.supervised.hyperparameters.n_epochs', 'must be >= 1'],
  [supervised({ n_epochs: 51 }), 'method.supervised.hyperparameters.n_epochs', 'must be <= 50'],
  [supervised({ batch_size: 257 }), 'method.supervised.hyperparameters.batch_size', 'must be <= 256'],
  [supervised({ learning_rate_multiplier: 0 }), 'method.supervised.hyperparameters.learning_rate_multiplier', 'must be > 0'],
  [supervised({ beta: 1 }), 'method.supervised.hyperparameters.beta', 'Unrecognized'],
  [dpo({ beta: 2.5 }), 'method.dpo.hyperparameters.beta', 'must be <= 2'],
  [{ method: { type: 'dpo', supervised: {} } }, 'method', 'must NOT be valid'],
  [{ seed: -1 }, 'seed', 'must be >= 0'],
  [{ suffix: 'a'.repeat(65) }, 'suffix', 'must NOT have more than 64 characters'],
  [{ metadata: { key: 'v'.repeat(513) } }, 'metadata.key', 'must NOT have more than 512 characters'],
  [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])) }, 'metadata', 'must NOT have more than 16'],
  [{ training_file: 3 }, 'training_file', 'must be string'],
])('a creation with %j is refused', async (part, param, message) => {
  const { client, sandbox } = await openSandbox();
  const body = { model: base, training_file: await uploadLines(client), ...part };
  const { status, error } = await post(sandbox.url, '/v1/fine_tuning/jobs', body);
  expect({ status, error }).toMatchObject({ status: 400, error: { type: 'invalid_request_error', param } });
  expect(error['message']).toContain(message);
  expect(sandbox.account().bill).toEqual([]);
});

test.each([
  ['gpt-4o-mini', undefined],
  ['gpt-4.1-nano-2025-04-14', undefined],
  ['gpt-6-luna', undefined],
  ['gpt-4o-mini-2024-07-18', { type: 'dpo' } as const],
])('model %s with method %j is not available for tuning', async (model, method) => {
  const { client } = await openSandbox();
  const created = createJob(client, { model, ...(method === undefined ? {} : { method }) });
  await expect(created).rejects.toMatchObject({ status: 400, code: 'model_not_available', param: 'model' });
});

test.each(Object.keys(refusals) as RefusalName[])('an account can be set to refuse creations with %s', async (code) => {
  const { client, sandbox } = await openSandbox({ settings: { refuse: code } });
  await expect(createJob(client)).rejects.toMatchObject({ status: refusals[code].status, code });
  expect(sandbox.account()).toMatchObject({ bill: [], jobs: [], files: [{ status: 'processed' }] });
  sandbox.setSettings({ refuse: null });
  await createJob(client);
});

test('a creation needs a training file that is there', async () => {
  const { client, sandbox } = await openSandbox();
  const id = await uploadLines(client);
  await client.files.delete(id);
  for (const training_file of [id, 'file-none'])
    await expect(createJob(client, { training_file })).rejects.toMatchObject({ status: 400, param: 'training_file' });
  const batch = await client.files.create({ purpose: 'batch', file: new File(['{}'], 'a.jsonl') });
  await expect(createJob(client, { training_file: batch.id })).rejects.toMatchObject({ status: 400 });
  await expect(createJob(client, { validation_file: 'file-none' })).rejects.toMatchObject({ param: 'validation_file' });
  expect(sandbox.account().bill).toEqual([]);
});

const messages = [{ role: 'user', content: 'Hello' }];

test.each<[object, string]>([
  [{ model: base, messages, best_of: 2 }, 'Unrecognized request argument supplied: best_of'],
  [{ model: base, messages, temperature: 3 }, "Invalid 'temperature': must be <= 2"],
  [{ model: base, messages, stream: true }, "Invalid 'stream'"],
  [{ model: base, messages, top_logprobs: 2 }, "'logprobs' parameter must be true"],
  [{ model: base, messages, logprobs: true, top_logprobs: 21 }, "Invalid 'top_logprobs': must be <= 20"],
  [{ model: base, messages: [{ role: 'user' }] }, 'expected content in a message'],
  [{ messages }, 'you must provide a model parameter'],
])('a chat with %j is refused', async (body, message) => {
  const { sandbox } = await openSandbox();
  const { status, error } = await post(sandbox.url, '/v1/chat/completions', body);
  expect(status).toBe(400);
  expect(error['message']).toContain(message);
});

test('what is no JSON, and what is nowhere, is refused', async () => {
  const { client, sandbox } = await openSandbox();
  expect(await post(sandbox.url, '/v1/fine_tuning/jobs', '{')).toMatchObject({ status: 400 });
  expect(await post(sandbox.url, '/v1/fine_tuning/models', {})).toMatchObject({ status: 404, error: { code: 'unknown_url' } });
  expect(await post(sandbox.url, '/v2/files', {})).toMatchObject({ status: 404 });
  await expect(client.fineTuning.jobs.retrieve('ftjob-none')).rejects.toMatchObject({ status: 404 });
  await expect(client.get('/fine_tuning/jobs?page=2')).rejects.toMatchObject({ status: 400, param: 'page' });
  await expect(client.get('/fine_tuning/jobs?limit=0')).rejects.toMatchObject({ status: 400, param: 'limit' });
  await expect(client.fineTuning.jobs.list({ metadata: null })).rejects.toMatchObject({ status: 400, param: 'metadata' });
  expect(await client.get('/fine_tuning/jobs?metadata=null')).toMatchObject({ data: [] });
});
