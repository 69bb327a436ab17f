import type OpenAI from 'openai';
import { AzureOpenAI } from 'openai';
import { expect, test } from 'vitest';
import { base, createJob, formatChats, openSandbox, readSentiment, uploadLines, type SandboxFixture } from './fixture.ts';

function createClient({ sandbox: { azureEnv } }: SandboxFixture): AzureOpenAI {
  const { AZURE_OPENAI_ENDPOINT: endpoint, AZURE_OPENAI_API_KEY: apiKey } = azureEnv;
  return new AzureOpenAI({ endpoint, apiKey, apiVersion: '2025-04-01-preview', maxRetries: 0 });
}

async function upload(client: OpenAI, { sandbox }: SandboxFixture): Promise<string> {
  const id = await uploadLines(client, formatChats(readSentiment('train').slice(0, 400)));
  sandbox.step(300);
  return id;
}

/** A request to the management service. */
async function manage({ ask }: SandboxFixture, method: string, name: string, body?: unknown): Promise<Response> {
  const path = `/subscriptions/S/resourceGroups/G/providers/Microsoft.CognitiveServices/accounts/A/deployments/${name}`;
  return await ask(method, `${path}?api-version=2024-10-21`, body);
}

const describeDeployment = (model: string, sku = 'standard'): unknown => ({
  sku: { name: sku, capacity: 1 },
  properties: { model: { format: 'OpenAI', name: model, version: '1' } },
});

test('a job has the words, names and columns of Azure', async () => {
  const fixture = await openSandbox();
  const client = createClient(fixture);
  const file = await client.files.create({ purpose: 'fine-tune', file: new File(['x'], 'train.jsonl') });
  expect(file).toMatchObject({ status: 'pending' });
  await expect(createJob(client, { training_file: file.id })).rejects.toMatchObject({ status: 400, code: 'fileImportNotCompleted' });
  const training_file = await upload(client, fixture);
  const created = await createJob(client, { training_file, validation_file: training_file, suffix: 'mood' });
  expect(created).toMatchObject({ status: 'pending', hyperparameters: null });
  fixture.sandbox.step(4000);
  const done = await client.fineTuning.jobs.retrieve(created.id);
  expect(done).toMatchObject({
    status: 'succeeded',
    fine_tuned_model: expect.stringMatching(/^gpt-4\.1-mini-2025-04-14\.ft-[0-9a-f]{32}-mood$/),
  });
  const [header] = (await (await client.files.content(done.result_files[0]!)).text()).split('\n');
  const ofValidation = ['valid_loss', 'validation_mean_token_accuracy', 'full_valid_loss', 'full_valid_mean_token_accuracy'];
  expect(header!.split(',')).toEqual(['step', 'train_loss', 'train_mean_token_accuracy', ...ofValidation]);
  await client.files.delete(training_file);
  await expect(client.files.retrieve(training_file)).rejects.toMatchObject({ status: 404 });
});

test('a tuned model answers once it is deployed, and until it no longer is', async () => {
  const fixture = await openSandbox();
  const { sandbox, account } = fixture;
  const client = createClient(fixture);
  const { id } = await createJob(client, { training_file: await upload(client, fixture) });
  sandbox.step(4000);
  const { fine_tuned_model: model } = await client.fineTuning.jobs.retrieve(id);
  const ask = async (): Promise<string | null> => {
    const messages = [{ role: 'user', content: 'I loved it, excellent.' } as const];
    return (await client.chat.completions.create({ model: 'mood', messages, temperature: 0 })).choices[0]!.message.content;
  };
  await expect(ask()).rejects.toMatchObject({ status: 404, code: 'DeploymentNotFound' });
  const created = await manage(fixture, 'PUT', 'mood', describeDeployment(model!));
  const creating = { name: 'mood', properties: { provisioningState: 'Creating', model: { name: model } } };
  expect([created.status, await created.json()]).toMatchObject([201, creating]);
  sandbox.step(500);
  expect(await (await manage(fixture, 'GET', 'mood')).json()).toMatchObject({ properties: { provisioningState: 'Succeeded' } });
  await expect(ask()).rejects.toMatchObject({ status: 404, code: 'DeploymentNotReady' });
  sandbox.step(200);
  expect(await ask()).toBe('positive');
  sandbox.step(2 * 3600_000);
  expect((await manage(fixture, 'DELETE', 'mood')).status).toBe(200);
  expect((await manage(fixture, 'DELETE', 'mood')).status).toBe(204);
  await expect(ask()).rejects.toMatchObject({ status: 404 });
  const deployed = [
    { kind: 'deployment', deployment: 'mood', model, sku: 'standard' },
    { kind: 'chat', model },
  ];
  expect(account().bill).toMatchObject([{ kind: 'job' }, ...deployed, { kind: 'deployment-end', deployment: 'mood', hours: 3 }]);
});

test('a deployment of the developer tier costs nothing and lives for a day', async () => {
  const fixture = await openSandbox();
  expect((await manage(fixture, 'PUT', 'trial', describeDeployment(base, 'developertier'))).status).toBe(201);
  fixture.sandbox.step(24 * 3600_000 - 1);
  expect((await manage(fixture, 'GET', 'trial')).status).toBe(200);
  fixture.sandbox.step(1);
  expect((await manage(fixture, 'GET', 'trial')).status).toBe(404);
  expect(fixture.account().bill.at(-1)).toEqual({ kind: 'deployment-end', at: '2026-11-02T00:00:00.000Z', deployment: 'trial', hours: 0 });
});

test('a deployment needs a model that exists and a body that is right', async () => {
  const fixture = await openSandbox();
  for (const body of [describeDeployment('none'), describeDeployment(base, 'gold'), { sku: { name: 'standard' } }])
    expect((await manage(fixture, 'PUT', 'x', body)).status).toBe(400);
  expect(fixture.account().bill).toEqual([]);
});

test.each<[object, object]>([
  [{ model: 'gpt-2' }, { code: 'model_not_available' }],
  [{ model: 'Ministral-3B' }, { code: 'invalidPayload', param: 'trainingType' }],
  [{ trainingType: 'cheap' }, { param: 'trainingType' }],
  [{ method: { type: 'dpo' }, hyperparameters: { n_epochs: 1 } }, { code: 'invalidPayload' }],
])('a creation with %j is refused', async (part, error) => {
  const fixture = await openSandbox();
  const client = createClient(fixture);
  await expect(createJob(client, { training_file: await upload(client, fixture), ...part })).rejects.toMatchObject({
    status: 400,
    ...error,
  });
  expect(fixture.account().bill).toEqual([]);
});

test('an open model is tuned on the global tier, and only on Azure', async () => {
  const fixture = await openSandbox();
  const client = createClient(fixture);
  const more: object = { model: 'Ministral-3B', trainingType: 'globalStandard' };
  expect(await createJob(client, { training_file: await upload(client, fixture), ...more })).toMatchObject({ model: 'Ministral-3B' });
  await expect(createJob(fixture.client, more)).rejects.toMatchObject({ status: 400, param: 'trainingType' });
  expect((await fixture.client.fineTuning.jobs.list()).data).toEqual([]);
});
