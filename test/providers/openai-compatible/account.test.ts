import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { azure } from '../../../providers/azure/index.ts';
import { openai } from '../../../providers/openai/index.ts';
import { createJob, toChatText, uploadText } from '../../import/service-jobs.ts';
import { canaryKey, configs, createSandboxFixture, providers, services } from './fixture.ts';
import { startService } from './service.ts';

const base = 'gpt-4.1-mini-2025-04-14';

test('all jobs of many pages are listed, each once, newest first', async () => {
  await using fixture = await createSandboxFixture({ pageSize: 13, settings: { otherJobs: 247 } });
  const asking = { sandbox: fixture.sandbox, apiKey: canaryKey, dialect: 'openai' } as const;
  const train = await uploadText(asking, toChatText(10));
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    ids.unshift(await createJob(asking, { model: base, training_file: train }));
    fixture.sandbox.step(2000);
  }
  const from = fixture.sandbox.account(canaryKey).requests.length;
  const jobs = await Array.fromAsync(fixture.provider.account!.jobs!(fixture.toAttempt()));
  expect(jobs).toHaveLength(250);
  expect(new Set(jobs.map(({ job }) => job.id)).size).toBe(250);
  expect(jobs.slice(0, 3).map(({ job }) => job.id)).toEqual(ids);
  const times = jobs.map(({ job }) => job.createdAt);
  expect(times).toEqual(times.toSorted((a, b) => b.localeCompare(a)));
  expect(jobs[2]).toEqual({
    job: {
      provider: 'openai',
      id: ids[2],
      location: `${fixture.sandbox.url}/v1`,
      attempt: 1,
      createdAt: '2026-11-22T12:00:00.000Z',
      url: null,
    },
    status: { phase: 'succeeded', raw: 'succeeded' },
    base,
    model: expect.stringMatching(/^ft:/) as string,
    end: { date: '2027-01-14', source: 'shutdown_date of GET /models', asOf: null },
  });
  const kinds = fixture.sandbox
    .account(canaryKey)
    .requests.slice(from)
    .map(({ kind }) => kind);
  expect(kinds).toEqual(['models', ...Array.from({ length: Math.ceil(250 / 13) }, () => 'list')]);
});

test('a service that gives the same page for ever is asked for it twice', async () => {
  const data = [{ id: 'ftjob-1', status: 'queued', model: base, created_at: 1_700_000_000 }];
  await using service = await startService(({ path }) => ({
    body: path.includes('models') ? { data: [] } : { data, has_more: true },
  }));
  const jobs = await Array.fromAsync(openai.account!.jobs!(service.createContext()));
  expect(jobs.map(({ job }) => job.id)).toEqual(['ftjob-1']);
  expect(jobs[0]!.end).toMatchObject({ date: '2027-01-14', asOf: '2026-11-22' });
  expect(service.requests.map(({ path, query }) => `${path}?${query.toString()}`)).toEqual([
    '/v1/models?',
    '/v1/fine_tuning/jobs?limit=100',
    '/v1/fine_tuning/jobs?limit=100&after=ftjob-1',
  ]);
});

test('a page of a proxy is no empty list, and neither is a service without the list', async () => {
  await using fixture = await createSandboxFixture();
  const { jobs, models, files } = openai.account!;
  for (const [kind, list] of [
    ['list', jobs!],
    ['models', models!],
    ['files', files!],
  ] as const) {
    fixture.sandbox.setFaults({ [kind]: [{ type: 'html' }] }, canaryKey);
    await expect(Array.fromAsync<unknown>(list(fixture.toAttempt()))).rejects.toMatchObject({ code: 'response-invalid' });
  }
  await using service = await startService(() => ({ status: 404, body: { error: { message: 'no such address' } } }));
  for (const list of [jobs!, files!]) {
    await expect(Array.fromAsync<unknown>(list(service.createContext()))).rejects.toMatchObject({ code: 'request-refused' });
  }
});

test('jobs are listed with the dates of the program where the service does not list its models', async () => {
  await using fixture = await createSandboxFixture({ settings: { otherJobs: 2 } });
  fixture.sandbox.setFaults({ models: Array.from({ length: 4 }, () => ({ type: '500-before' })) }, canaryKey);
  const jobs = await Array.fromAsync(fixture.provider.account!.jobs!(fixture.toAttempt()));
  expect(jobs.map(({ end }) => end?.asOf)).toEqual(['2026-11-22', '2026-11-22']);
});

test.each(services)('all files of %s are listed, of many pages, each once', async (service) => {
  await using fixture = await createSandboxFixture({ service, pageSize: 7 });
  const asking = { sandbox: fixture.sandbox, apiKey: canaryKey, dialect: service };
  const ids: string[] = [];
  for (let i = 0; i < 23; i++) ids.unshift(await uploadText(asking, toChatText(10 + i)));
  const from = fixture.sandbox.account(canaryKey).requests.length;
  const files = await Array.fromAsync(fixture.provider.account!.files!(fixture.toAttempt()));
  expect(files.map(({ id }) => id)).toEqual(ids);
  expect(files[22]).toEqual({
    id: ids[22],
    name: 'rows.jsonl',
    purpose: 'fine-tune',
    bytes: toChatText(10).length,
    createdAt: '2026-11-22T12:00:00.000Z',
    expiresAt: null,
  });
  const asked = fixture.sandbox.account(canaryKey).requests.slice(from);
  expect(asked.map(({ kind }) => kind)).toEqual(Array.from({ length: Math.ceil(23 / 7) }, () => 'files'));
});

test('a file says when it will be gone; fields that a service leaves out are not known', async () => {
  const data = [
    { id: 'file-1', purpose: 'fine-tune-results', bytes: 12, created_at: 1_700_000_000, expires_at: 1_700_086_400 },
    { id: 'file-2', bytes: '12' },
  ];
  await using service = await startService(() => ({ body: { data } }));
  const nothing = { name: null, purpose: null, bytes: null, createdAt: null, expiresAt: null };
  expect(await Array.fromAsync(openai.account!.files!(service.createContext()))).toEqual([
    {
      id: 'file-1',
      name: null,
      purpose: 'fine-tune-results',
      bytes: 12,
      createdAt: '2023-11-14T22:13:20.000Z',
      expiresAt: '2023-11-15T22:13:20.000Z',
    },
    { ...nothing, id: 'file-2' },
  ]);
});

test('models: those that can be tuned, then those of the account, each with its end', async () => {
  const models = [
    { id: 'gpt-6-luna', created: 1_700_000_000, shutdown_date: null },
    { id: base, created: 1_700_000_000, shutdown_date: '2027-02-01' },
    { id: `ft:${base}:org:a:1`, created: 1_700_000_001, shutdown_date: null },
    { id: `ft:${base}:org:b:2`, created: 1_700_000_002, shutdown_date: '2027-01-31' },
    { id: 'ft:gpt-4o-2024-08-06:org:c:3', created: 1_700_000_000 },
    { id: 'o4-mini-2025-04-16', created: 1_700_000_000, shutdown_date: '2026-10-23' },
  ];
  await using service = await startService(() => ({ body: { object: 'list', data: models } }));
  const found = await Array.fromAsync(openai.account!.models!(service.createContext()));
  expect(found.map(({ name, kind, end }) => [name, kind, end?.date, end?.asOf])).toEqual([
    [base, 'base', '2027-02-01', null],
    [`ft:${base}:org:b:2`, 'tuned', '2027-01-31', null],
    [`ft:${base}:org:a:1`, 'tuned', '2027-02-01', null], // as its base
    ['ft:gpt-4o-2024-08-06:org:c:3', 'tuned', '2027-01-14', '2026-11-22'],
  ]);
});

test('models of Azure say themselves whether they can be tuned, and when they end', async () => {
  const model = { created_at: 1_700_000_000, lifecycle_status: 'generally-available' };
  const models = [
    { ...model, id: 'gpt-5-2025-08-07', capabilities: { fine_tune: true }, deprecation: { inference: 1_830_211_200 } },
    { ...model, id: 'dall-e-3', capabilities: { fine_tune: false } },
    { ...model, id: base, capabilities: { fine_tune: false } },
    { ...model, id: `${base}.ft-0a1b-mine`, capabilities: { fine_tune: true } },
  ];
  await using service = await startService(() => ({ body: { data: models } }));
  const found = await Array.fromAsync(azure.account!.models!(service.createContext()));
  expect(found).toEqual([
    {
      name: 'gpt-5-2025-08-07',
      kind: 'base',
      createdAt: '2023-11-14T22:13:20.000Z',
      end: { date: '2027-12-31', source: 'deprecation.inference of GET /models', asOf: null },
    },
    expect.objectContaining({
      name: `${base}.ft-0a1b-mine`,
      kind: 'tuned',
      end: expect.objectContaining({ date: '2027-10-14' }) as unknown,
    }),
  ]);
});

test.each([
  ['openai', base, '2027-01-14'],
  ['openai', `ft:${base}:org:suffix:id`, '2027-01-14'],
  ['openai', `ft:${base}:org::id:ckpt-step-90`, '2027-01-14'],
  ['openai', 'o4-mini-2025-04-16', '2026-10-23'],
  ['openai', 'gpt-6-luna', null],
  ['openai', 'toString', null],
  ['azure', base, '2027-10-14'],
  ['azure', `${base}.ft-0a1b2c-suffix`, '2027-10-14'],
  ['azure', 'gpt-oss-20b', null],
] as const)('the program knows the end at %s of %s: %s', (id, model, date) => {
  const end = providers[id].getDeprecation!(model);
  const known = { date, source: expect.stringMatching(/deprecations|retirement/) as string, asOf: '2026-11-22' };
  expect(end).toEqual(date === null ? null : known);
});

test.each(services)('%s: a key that works', async (service) => {
  await using fixture = await createSandboxFixture({ service });
  const context = fixture.toAttempt();
  const found = expect.stringContaining(`the key works at ${configs[service].baseUrl(context)}`) as string;
  expect(await fixture.provider.check!(context)).toEqual([{ name: configs[service].name, ok: true, found, hint: null }]);
  expect(fixture.sandbox.account(canaryKey).bill).toEqual([]);
});

test('a key that does not work, and is not shown', async () => {
  const key = 'sk-wrong-key-0123456789';
  await using fixture = await createSandboxFixture({ environment: { OPENAI_API_KEY: key } });
  const checks = await fixture.provider.check!(fixture.toAttempt());
  expect(checks).toMatchObject([
    { ok: false, found: expect.stringContaining('401') as string, hint: expect.stringContaining('key') as string },
  ]);
  expect(inspect(checks)).not.toContain(key);
});

test.each([
  ['openai', { OPENAI_API_KEY: null }, 'not set up: OPENAI_API_KEY not set'],
  ['azure', { AZURE_OPENAI_API_KEY: null }, 'not set up: AZURE_OPENAI_API_KEY and AZURE_OPENAI_AD_TOKEN not set'],
] as const)('%s without a key is not set up, which is no fault, and nothing is asked', async (service, environment, found) => {
  await using fixture = await createSandboxFixture({ service, environment });
  expect(await fixture.provider.check!(fixture.toAttempt())).toEqual([{ name: configs[service].name, ok: null, found, hint: null }]);
  expect(fixture.sandbox.account(canaryKey).requests).toEqual([]);
});

test('a key without an endpoint is a fault', async () => {
  await using fixture = await createSandboxFixture({ service: 'azure', environment: { AZURE_OPENAI_ENDPOINT: null } });
  expect(await fixture.provider.check!(fixture.toAttempt())).toMatchObject([
    { ok: false, found: expect.stringContaining('AZURE_OPENAI_ENDPOINT') as string },
  ]);
});

test('a page of a proxy is not the service', async () => {
  await using fixture = await createSandboxFixture();
  fixture.sandbox.setFaults({ models: [{ type: 'html' }] }, canaryKey);
  expect(await fixture.provider.check!(fixture.toAttempt())).toMatchObject([{ ok: false }]);
});
