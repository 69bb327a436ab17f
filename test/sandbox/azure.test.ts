import OpenAI, { AzureOpenAI } from 'openai';
import { expect, test } from 'vitest';
import type { Sandbox } from '../../src/sandbox/start-sandbox.ts';
import { base, createJob, gather, openSandbox, readSentiment, toChatLines } from './sandbox-world.ts';

function toClient({ azureEnv }: Sandbox): AzureOpenAI {
  return new AzureOpenAI({
    endpoint: azureEnv.AZURE_OPENAI_ENDPOINT,
    apiKey: azureEnv.AZURE_OPENAI_API_KEY,
    apiVersion: '2025-04-01-preview',
    maxRetries: 0,
  });
}

async function upload(client: OpenAI, sandbox: Sandbox, lines = toChatLines(readSentiment('train').slice(0, 400))): Promise<string> {
  const { id } = await client.files.create({ purpose: 'fine-tune', file: new File([lines], 'train.jsonl') });
  sandbox.step(300);
  return id;
}

/** A request to the management service. */
async function manage(sandbox: Sandbox, method: string, name: string, body?: unknown): Promise<Response> {
  const path = `/subscriptions/S/resourceGroups/G/providers/Microsoft.CognitiveServices/accounts/A/deployments/${name}`;
  return await fetch(`${sandbox.url}${path}?api-version=2024-10-21`, {
    method,
    headers: { authorization: `Bearer ${sandbox.azureEnv.AZURE_OPENAI_API_KEY}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

const toDeployment = (model: string, sku = 'standard'): unknown => ({
  sku: { name: sku, capacity: 1 },
  properties: { model: { format: 'OpenAI', name: model, version: '1' } },
});

test('a job has the words, names and columns of Azure', async () => {
  const { sandbox } = await openSandbox();
  const client = toClient(sandbox);
  const file = await client.files.create({ purpose: 'fine-tune', file: new File(['x'], 'train.jsonl') });
  expect(file).toMatchObject({ status: 'pending' });
  await expect(createJob(client, { training_file: file.id })).rejects.toMatchObject({ status: 400, code: 'fileImportNotCompleted' });
  const training_file = await upload(client, sandbox);
  const created = await createJob(client, { training_file, validation_file: training_file, suffix: 'mood' });
  expect(created).toMatchObject({ status: 'pending', hyperparameters: null });
  sandbox.step(2000);
  expect(await client.fineTuning.jobs.retrieve(created.id)).toMatchObject({ status: 'running' });
  sandbox.step(2000);
  const done = await client.fineTuning.jobs.retrieve(created.id);
  expect(done.status).toBe('succeeded');
  expect(done.fine_tuned_model).toMatch(/^gpt-4\.1-mini-2025-04-14\.ft-[0-9a-f]{32}-mood$/);
  const [header] = (await (await client.files.content(done.result_files[0]!)).text()).split('\n');
  expect(header).toBe(
    'step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy',
  );
  expect(await gather(client.fineTuning.jobs.list())).toHaveLength(1);
  expect((await gather(client.fineTuning.jobs.listEvents(created.id))).length).toBeGreaterThan(100);
  await client.files.delete(training_file);
  await expect(client.files.retrieve(training_file)).rejects.toMatchObject({ status: 404 });
});

test('a tuned model answers once it is deployed, and until it no longer is', async () => {
  const { sandbox } = await openSandbox();
  const client = toClient(sandbox);
  const { id } = await createJob(client, { training_file: await upload(client, sandbox) });
  sandbox.step(4000);
  const { fine_tuned_model: model } = await client.fineTuning.jobs.retrieve(id);
  const ask = async (): Promise<string | null> => {
    const messages = [{ role: 'user', content: 'I loved it, excellent.' } as const];
    return (await client.chat.completions.create({ model: 'mood', messages, temperature: 0 })).choices[0]!.message.content;
  };
  await expect(ask()).rejects.toMatchObject({ status: 404, code: 'DeploymentNotFound' });
  const created = await manage(sandbox, 'PUT', 'mood', toDeployment(model!));
  expect(created.status).toBe(201);
  expect(await created.json()).toMatchObject({ name: 'mood', properties: { provisioningState: 'Creating', model: { name: model } } });
  sandbox.step(500);
  expect(await (await manage(sandbox, 'GET', 'mood')).json()).toMatchObject({ properties: { provisioningState: 'Succeeded' } });
  await expect(ask()).rejects.toMatchObject({ status: 404, code: 'DeploymentNotReady' });
  sandbox.step(200);
  expect(await ask()).toBe('positive');
  sandbox.step(2 * 3600_000);
  expect((await manage(sandbox, 'DELETE', 'mood')).status).toBe(200);
  expect((await manage(sandbox, 'DELETE', 'mood')).status).toBe(204);
  await expect(ask()).rejects.toMatchObject({ status: 404 });
  expect(sandbox.account().bill).toMatchObject([
    { kind: 'job' },
    { kind: 'deployment', deployment: 'mood', model, sku: 'standard' },
    { kind: 'chat', model },
    { kind: 'deployment-end', deployment: 'mood', hours: 3 },
  ]);
});

test('a deployment of the developer tier costs nothing and lives for a day', async () => {
  const { sandbox } = await openSandbox();
  expect((await manage(sandbox, 'PUT', 'trial', toDeployment(base, 'developertier'))).status).toBe(201);
  sandbox.step(24 * 3600_000 - 1);
  expect((await manage(sandbox, 'GET', 'trial')).status).toBe(200);
  sandbox.step(1);
  expect((await manage(sandbox, 'GET', 'trial')).status).toBe(404);
  expect(sandbox.account().bill.at(-1)).toEqual({ kind: 'deployment-end', at: '2026-11-02T00:00:00.000Z', deployment: 'trial', hours: 0 });
});

test('the versionless address takes a bearer and no version', async () => {
  const { sandbox } = await openSandbox();
  const client = new OpenAI({ baseURL: `${sandbox.url}/openai/v1/`, apiKey: sandbox.azureEnv.AZURE_OPENAI_API_KEY, maxRetries: 0 });
  const { id } = await createJob(client, { training_file: await upload(client, sandbox) });
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'pending' });
  await expect(client.get('/models?api-version=2024-10-21')).rejects.toThrow('API version not supported');
  await manage(sandbox, 'PUT', 'base', toDeployment(base));
  sandbox.step(700);
  const messages = [{ role: 'user', content: 'Hello' } as const];
  const { choices } = await client.chat.completions.create({ model: 'base', messages });
  expect(choices[0]!.message.content).toBe('I have not learned this.');
});

test.each<[string, object, object]>([
  ['an unknown model', { model: 'gpt-2' }, { code: 'model_not_available' }],
  ['an open model on its own tier', { model: 'Ministral-3B' }, { code: 'invalidPayload', param: 'trainingType' }],
  ['an unknown tier', { trainingType: 'cheap' }, { param: 'trainingType' }],
  ['hyperparameters beside dpo', { method: { type: 'dpo' }, hyperparameters: { n_epochs: 1 } }, { code: 'invalidPayload' }],
])('a creation with %s is refused', async (_, part, error) => {
  const { sandbox } = await openSandbox();
  const client = toClient(sandbox);
  const training_file = await upload(client, sandbox);
  await expect(createJob(client, { training_file, ...part })).rejects.toMatchObject({ status: 400, ...error });
  expect(sandbox.account().bill).toEqual([]);
});

test('an open model is tuned on the global tier, and only on Azure', async () => {
  const { sandbox, client: openai } = await openSandbox();
  const client = toClient(sandbox);
  const more: object = { trainingType: 'globalStandard' };
  const created = await createJob(client, { training_file: await upload(client, sandbox), model: 'Ministral-3B', ...more });
  expect(created.model).toBe('Ministral-3B');
  await expect(createJob(openai, more)).rejects.toMatchObject({ status: 400, param: 'trainingType' });
  expect(await gather(openai.fineTuning.jobs.list())).toEqual([]);
});

test('a deployment needs a model that is there and a body that is right', async () => {
  const { sandbox } = await openSandbox();
  expect((await manage(sandbox, 'PUT', 'x', toDeployment('none'))).status).toBe(400);
  expect((await manage(sandbox, 'PUT', 'x', toDeployment(base, 'gold'))).status).toBe(400);
  expect((await manage(sandbox, 'PUT', 'x', { sku: { name: 'standard' } })).status).toBe(400);
  expect((await manage(sandbox, 'GET', 'x')).status).toBe(404);
  expect(sandbox.account().bill).toEqual([]);
});
