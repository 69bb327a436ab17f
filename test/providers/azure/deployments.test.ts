import { expect, test } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openManagement } from '../../../providers/azure/management.ts';
import { openai } from '../../../providers/openai/index.ts';
import type { Context, DeploymentContext } from '../../../src/provider/context.ts';
import type { EndpointModel } from '../../../src/provider/model.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { canaryKey, configs, createSandboxFixture, type SandboxFixture, type FixtureOptions } from '../openai-compatible/fixture.ts';
import { startService, type Answer, type ReceivedRequest, type Service } from '../openai-compatible/service.ts';

const { deploy, undeploy, quote } = azure.deployments!;

const base = 'gpt-4.1-mini-2025-04-14';
/** The sandbox deploys base models too. */
const toModel = (context: Context, name = base): EndpointModel => {
  const baseUrl = configs.azure.baseUrl(context);
  return { kind: 'endpoint', identity: `${baseUrl} ${name}`, location: baseUrl, name, base };
};

async function createFixture(environment: FixtureOptions['environment'] = {}): Promise<SandboxFixture> {
  return await createSandboxFixture({ service: 'azure', environment: { AZURE_MANAGEMENT_TOKEN: canaryKey, ...environment } });
}

const toContext = (fixture: SandboxFixture, options: DeploymentContext['options'] = {}): DeploymentContext => ({
  ...fixture.toAttempt(),
  options,
});

const toBill = ({ sandbox }: SandboxFixture): unknown[] => sandbox.account(canaryKey).bill.map(({ kind }) => kind);

async function ask(model: EndpointModel, context: DeploymentContext): Promise<string | null | undefined> {
  const rows = [{ id: 'a', messages: [{ role: 'user', content: 'Hello' }] }] as const;
  for await (const { answer } of azure.inference!.predict!(model, rows, { ...context, generation: {}, concurrency: 1 })) return answer;
  return undefined;
}

test('a model answers by the name of its deployment, until it is undeployed; to ask again makes no second one', async () => {
  await using fixture = await createFixture();
  const context = toContext(fixture);
  const model = toModel(context);
  await expect(ask({ ...model, name: 'mine' }, context)).rejects.toMatchObject({
    code: 'model-unavailable',
    hint: expect.stringContaining('orchestrate deploy RUN --hours N') as string,
  });
  const deployed = await deploy(model, 'mine', context);
  // Its answers are kept under the same key, deployed or not.
  expect(deployed).toEqual({ ...model, name: 'mine' });
  expect(await deploy(model, 'mine', context)).toEqual(deployed);
  expect(await ask(deployed, context)).toBe('I have not learned this.');
  await undeploy(toModel(context), 'mine', context);
  expect(fixture.sandbox.account(canaryKey).used).toMatchObject({ deploy: 1, 'deployment-delete': 1 });
  await undeploy(toModel(context), 'mine', context);
  await expect(ask(deployed, context)).rejects.toMatchObject({ code: 'model-unavailable' });
  expect(toBill(fixture)).toEqual(['deployment', 'chat', 'deployment-end']);
});

test('it returns once the service says that it answers, not before', async () => {
  await using fixture = await createFixture();
  const context = toContext(fixture);
  const startedMs = context.now().getTime();
  await deploy(toModel(context), 'mine', context);
  expect(context.now().getTime() - startedMs).toBeGreaterThanOrEqual(500);
});

test('a deployment that is there and not ready yet is asked again', async () => {
  await using fixture = await createFixture();
  const context = toContext(fixture);
  const model = { format: 'OpenAI', name: base, version: '1' };
  await openManagement(context).create('mine', { sku: { name: 'standard', capacity: 1 }, properties: { model } });
  fixture.sandbox.step(500);
  expect(await openManagement(context).read('mine')).toEqual({ model: base, state: 'Succeeded' });
  expect(await ask({ ...toModel(context), name: 'mine' }, context)).toBe('I have not learned this.');
  expect(fixture.sandbox.account(canaryKey).used).toMatchObject({ chat: 2 });
});

const settings = ['AZURE_MANAGEMENT_TOKEN', 'AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'AZURE_ACCOUNT'] as const;

test.each([
  [
    settings,
    'credentials-invalid',
    'for which AZURE_MANAGEMENT_TOKEN, AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ACCOUNT are missing',
  ],
  [settings.slice(0, 1), 'credentials-invalid', 'for which AZURE_MANAGEMENT_TOKEN is missing'],
  [settings.slice(2), 'configuration-invalid', 'for which AZURE_RESOURCE_GROUP, AZURE_ACCOUNT are missing'],
] as const)('without %j nothing is asked, and all that is missing is named', async (missing, code, message) => {
  await using fixture = await createFixture(Object.fromEntries(missing.map((name) => [name, null])));
  const context = toContext(fixture);
  const expected = { code, message: expect.stringContaining(message) as string, hint: expect.stringContaining('az account') as string };
  await expect(quote(toModel(context), context)).rejects.toMatchObject(expected);
  await expect(undeploy(toModel(context), 'mine', context)).rejects.toMatchObject(expected);
  await expect(deploy(toModel(context), 'mine', context)).rejects.toMatchObject({ sent: 'no', failure: { code } });
  expect(fixture.sandbox.account(canaryKey).requests).toEqual([]);
});

test('only Azure has deployments; an hour costs what the setting says, nothing at the developer tier, and else nobody knows', async () => {
  expect(openai.deployments).toBeUndefined();
  await using unpriced = await createFixture();
  expect(await quote(toModel(toContext(unpriced)), toContext(unpriced))).toBeNull();
  await using fixture = await createFixture({ ORCHESTRATE_PRICES: JSON.stringify({ [base]: { hosting: 1.7 } }) });
  const context = toContext(fixture);
  expect(await quote({ ...toModel(context), name: `${base}.ft-0a` }, context)).toMatchObject({
    low: 1.7,
    high: 1.7,
    source: 'ORCHESTRATE_PRICES',
  });
  const free = await quote(toModel(context), toContext(fixture, { trainingType: 'developerTier' }));
  expect(free).toMatchObject({ low: 0, high: 0, asOf: '2026-11-22' });
});

/** A management service whose answers a test makes up, and a context for it. */
async function startManagement(
  answer: (request: ReceivedRequest, count: number) => Answer | null,
): Promise<{ service: Service; context: DeploymentContext }> {
  let count = 0;
  const service = await startService((request) => answer(request, count++));
  const { url } = service;
  const values: Readonly<Record<string, string>> = {
    AZURE_OPENAI_ENDPOINT: url,
    AZURE_MANAGEMENT_URL: `${url}/`,
    AZURE_SUBSCRIPTION_ID: 'a sub',
    AZURE_RESOURCE_GROUP: 'group',
    AZURE_ACCOUNT: 'account',
  };
  let nowMs = 0;
  const context = {
    ...service.createContext({
      setting: (name) => values[name] ?? null,
      credential: () => new Secret(canaryKey),
      now: () => new Date(nowMs),
    }),
    options: {},
    wait: async (ms: number): Promise<void> => await Promise.resolve(void (nowMs += ms)),
  };
  return { service, context };
}

const gone: Answer = { status: 404, body: { error: { code: 'ResourceNotFound', message: 'none' } } };
const toFound = (state: string, name = base): Answer => ({ body: { properties: { provisioningState: state, model: { name } } } });

test.each([
  [{}, base, { name: 'standard' }, 'OpenAI'],
  [{ trainingType: 'developerTier' }, 'o4-mini-2025-04-16', { name: 'developertier' }, 'OpenAI'],
  [{ trainingType: 'globalStandard' }, 'gpt-oss-20b', { name: 'globalstandard' }, 'OpenAI-OSS'],
  [{ trainingType: 'globalStandard' }, 'Qwen-32B', { name: 'globalstandard' }, 'OpenAI-OSS'],
])('the request for %j of %s', async (options, from, sku, format) => {
  const { service, context } = await startManagement((_, i) => [gone, toFound('Creating'), toFound('Succeeded')][i]!);
  await using _ = service;
  await deploy({ ...toModel(context, 'tuned'), base: from }, 'mine', { ...context, options });
  expect(service.requests.map(({ method }) => method)).toEqual(['GET', 'PUT', 'GET']);
  expect(service.requests[1]).toMatchObject({
    path: '/subscriptions/a%20sub/resourceGroups/group/providers/Microsoft.CognitiveServices/accounts/account/deployments/mine',
    json: { sku, properties: { model: { format, name: 'tuned', version: '1' } } },
  });
  expect(service.requests.map(({ query }) => query.get('api-version'))).toEqual(Array(3).fill('2025-07-01-preview'));
});

test.each<[string, Answer, object]>([
  ['refused', { status: 403, body: { error: { code: 'AuthorizationFailed', message: `no ${canaryKey}` } } }, { sent: 'refused' }],
  ['without quota', { status: 400, body: { error: { code: 'InsufficientQuota', message: 'no' } } }, { sent: 'refused' }],
])('a deployment that is %s was surely not made', async (_word, given, outcome) => {
  const { service, context } = await startManagement((_, i) => (i === 0 ? gone : given));
  await using _ = service;
  const failure: unknown = await deploy(toModel(context), 'mine', context).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(SubmitFailure);
  expect(failure).toMatchObject(outcome);
  expect(String(failure)).not.toContain(canaryKey);
  expect(service.requests).toHaveLength(2);
});

test.each<[string, readonly (Answer | null)[], object]>([
  ['whose answer is lost', [gone, null], { code: 'service-unavailable' }],
  ['that the service fails to answer', [gone, { status: 500, body: 'no' }], { code: 'service-unavailable' }],
  ['that cannot be provided', [gone, toFound('Creating'), toFound('Failed')], { code: 'service-unavailable', message: /state is Failed/ }],
  ['of another model', [toFound('Succeeded', 'other')], { code: 'request-refused', message: /found other/ }],
  [
    'that nobody may look at afterwards',
    [gone, toFound('Creating'), { status: 403, body: { error: { message: 'no' } } }],
    { code: 'credentials-invalid' },
  ],
])(
  'a deployment %s may be there: that is no SubmitFailure, and it is not asked for again',
  async (_word, answers, { message = /./, ...failed }: { message?: RegExp }) => {
    const { service, context } = await startManagement((_, i) => answers[i]!);
    await using _ = service;
    const failure: unknown = await deploy(toModel(context), 'mine', context).catch((error: unknown) => error);
    expect(failure).not.toBeInstanceOf(SubmitFailure);
    expect(failure).toMatchObject({ name: 'Failure', message: expect.stringMatching(message) as string, ...failed });
    expect(service.requests.filter(({ method }) => method === 'PUT').length).toBeLessThanOrEqual(1);
  },
);

test('one that is being deleted is waited for, and one that never comes up is given up after half an hour', async () => {
  const answers = [toFound('Deleting'), toFound('Deleting'), gone, toFound('Creating'), toFound('Succeeded')];
  const { service, context } = await startManagement((_, i) => answers[i]!);
  await using _ = service;
  await deploy(toModel(context), 'mine', context);
  expect(service.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET', 'PUT', 'GET']);
  const slow = await startManagement(() => toFound('Creating'));
  await using _slow = slow.service;
  await expect(deploy(toModel(slow.context), 'mine', slow.context)).rejects.toMatchObject({
    code: 'timeout',
    message: /Creating after 30 minutes/,
  });
});

test('a deletion is asked for until it is heard, waited for, and fails where the account is not there', async () => {
  const busy: Answer = { status: 409, body: { error: { code: 'RequestConflict', message: 'another operation' } } };
  const answers = [busy, busy, { status: 202, body: '' }, toFound('Deleting'), gone];
  const { service, context } = await startManagement((_, i) => answers[i]!);
  await using _ = service;
  await undeploy(toModel(context), 'mine', context);
  expect(service.requests.map(({ method }) => method)).toEqual(['DELETE', 'DELETE', 'DELETE', 'GET', 'GET']);
  for (const given of [
    busy,
    { status: 404, body: { error: { code: 'ResourceGroupNotFound', message: 'no group' } } },
    { status: 404, body: 'what?' },
  ]) {
    const elsewhere = await startManagement(() => given);
    await using _elsewhere = elsewhere.service;
    await expect(undeploy(toModel(elsewhere.context), 'mine', elsewhere.context)).rejects.toMatchObject({ name: 'Failure' });
  }
});

test('what is not there is not taken for ended where the settings name another account than the one of the model', async () => {
  const { service, context } = await startManagement(() => gone);
  await using _ = service;
  const account = context.setting('AZURE_ACCOUNT')!;
  const model = toModel(context);
  await undeploy({ ...model, location: `https://${account.toUpperCase()}.openai.azure.com` }, 'mine', context);
  await expect(undeploy({ ...model, location: 'https://other.openai.azure.com' }, 'mine', context)).rejects.toMatchObject({
    code: 'configuration-invalid',
    message: `the deployment mine is not in the account ${account}; its model is at https://other.openai.azure.com`,
  });
});

test('a model at another place is not deployed', async () => {
  await using fixture = await createFixture();
  const context = toContext(fixture);
  await expect(deploy({ ...toModel(context), location: 'https://other.example/openai/v1' }, 'mine', context)).rejects.toMatchObject({
    sent: 'no',
    failure: { code: 'configuration-invalid' },
  });
  expect(fixture.sandbox.account(canaryKey).requests).toEqual([]);
});
