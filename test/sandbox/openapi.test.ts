import type { MiddlewareHandler } from 'hono';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { trimDocument, type ApiDocument } from '../../fixtures/openapi/make.ts';
import document from '../../fixtures/openapi/openai.json' with { type: 'json' };
import type { SandboxEnv } from '../../src/sandbox/main.ts';
import { startSandbox } from '../../src/sandbox/main.ts';
import { base, createJob, openSandbox, smallLines } from './fixture.ts';
import { createOpenApiRecorder, startCheckedSandbox } from './openapi.ts';

test('the document has nothing that its script would leave out', () => {
  expect(trimDocument(document as unknown as ApiDocument)).toEqual(document);
});

/** What the recorder says of a request that is carried out, however it is, and of what is answered in place of the sandbox's own answer. */
async function record(
  method: string,
  path: string,
  { body, answer }: { body?: string | FormData; answer?: Response } = {},
): Promise<string[]> {
  const { middleware, problems } = createOpenApiRecorder();
  const replace: MiddlewareHandler<SandboxEnv> = async (context) => {
    await middleware(context, async () => {
      context.res = answer?.clone() ?? Response.json({ object: 'list', data: [] });
      await Promise.resolve();
    });
  };
  await using sandbox = await startSandbox({ middleware: replace });
  const type = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
  const headers = { authorization: 'Bearer sk-sandbox-demo', ...type };
  await (await fetch(`${sandbox.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })).text();
  return problems;
}

const job: object = JSON.parse(`{"object": "fine_tuning.job", "id": "ftjob-1", "created_at": 1, "finished_at": null, "model": "m",
  "fine_tuned_model": null, "organization_id": "o", "result_files": [], "status": "running", "training_file": "f", "validation_file": null,
  "hyperparameters": {}, "trained_tokens": null, "error": null, "seed": 1}`);

test.each<[object, string | null, string | null]>([
  [{}, null, null],
  [{ status: 'paused' }, null, null],
  [{ status: 'pending' }, 'status must be equal', null],
  [{ hyperparameters: null }, 'hyperparameters must be object', null],
  [{ status: 'lost' }, 'status must be equal', 'status must be equal'],
  [{ seed: undefined }, "must have required property 'seed'", "must have required property 'seed'"],
  [{ metadata: { key: 1 } }, 'metadata/key must be string', 'metadata/key must be string'],
])('a job with %j as an answer of OpenAI and of Azure', async (part, ofOpenAI, ofAzure) => {
  for (const [path, expected] of [
    ['/v1', ofOpenAI],
    ['/openai/v1', ofAzure],
  ] as const) {
    const problems = await record('GET', `${path}/fine_tuning/jobs/ftjob-1`, { answer: Response.json({ ...job, ...part }) });
    expect(problems.join()).toContain(expected ?? '');
    expect(problems).toHaveLength(expected === null ? 0 : 1);
  }
});

const dpo = (hyperparameters: object): object => ({ method: { type: 'dpo', dpo: { hyperparameters } } });
const file = (name: string): FormData => {
  const form = new FormData();
  for (const [field, value] of [
    ['purpose', 'fine-tune'],
    [name, new File(['{}'], 'a.jsonl')],
  ] as const)
    form.set(field, value);
  return form;
};

test.each<[string, string, string | FormData | undefined, string]>([
  ['POST', '/v1/fine_tuning/jobs', JSON.stringify({ model: base, training_file: 'f', learning_rate: 1 }), 'unevaluated properties'],
  ['POST', '/v1/fine_tuning/jobs', JSON.stringify({ model: base, training_file: 'f', trainingType: 'standard' }), 'unevaluated properties'],
  ['POST', '/v1/fine_tuning/jobs', JSON.stringify({ model: base, training_file: 'f', ...dpo({ beta: 2.5 }) }), 'must be <= 2'],
  ['POST', '/v1/fine_tuning/jobs', JSON.stringify({ model: base, training_file: 'f', ...dpo({ n_epoch: 2 }) }), 'unevaluated properties'],
  ['POST', '/v1/fine_tuning/jobs', JSON.stringify({ model: base, training_file: 3 }), 'training_file must be string'],
  ['POST', '/v1/chat/completions', JSON.stringify({ model: base, messages: [{ role: 'user', content: 'x' }], best_of: 2 }), 'unevaluated'],
  ['POST', '/v1/chat/completions', JSON.stringify({ model: base, messages: [], temperature: 3 }), 'must be <= 2'],
  ['POST', '/v1/files', file('data'), "must have required property 'file'"],
  ['GET', '/v1/fine_tuning/jobs?page=2', undefined, 'query parameter page'],
  ['POST', '/v1/fine_tuning/jobs/ftjob-1/cancel', '{"why":"x"}', 'a body where the document has none'],
])('%s %s with %s is noted', async (method, path, body, problem) => {
  const problems = await record(method, path, { ...(body === undefined ? {} : { body }), answer: Response.json(job) });
  expect(problems).toContainEqual(expect.stringContaining(problem));
});

test('an error that is not as published, and an error of the sandbox, are noted', async () => {
  const answer = Response.json({ error: { message: 'no' } }, { status: 400 });
  expect(await record('GET', '/v1/models', { answer })).toEqual([expect.stringContaining("must have required property 'type'")]);
  const { middleware, problems } = createOpenApiRecorder();
  let calls = 0;
  await using sandbox = await startSandbox({ middleware, now: () => new Date(calls++ < 2 ? 0 : NaN) });
  const body = JSON.stringify({ model: base, messages: [{ role: 'user', content: 'Hello' }] });
  const headers = { authorization: 'Bearer sk-sandbox-demo' };
  const answered = await fetch(`${sandbox.url}/v1/chat/completions`, { method: 'POST', headers, body });
  expect([answered.status, problems]).toEqual([500, [expect.stringContaining('RangeError')]]);
});

test('a checked sandbox ends with an error where a request that was carried out was not as published', async () => {
  const sandbox = await startCheckedSandbox();
  const client = new OpenAI({ baseURL: sandbox.env.OPENAI_BASE_URL, apiKey: sandbox.env.OPENAI_API_KEY, maxRetries: 0 });
  const method = (n_epochs: number) => ({ type: 'supervised', supervised: { hyperparameters: { n_epochs } } }) as const;
  await createJob(client, { method: method(50) });
  await createJob(client, { method: method(51) });
  await expect(sandbox.close()).rejects.toThrow('POST /v1/fine_tuning/jobs: ');
});

test('a whole job with its files is as published', async () => {
  const { client, sandbox } = await openSandbox();
  const upload = await client.uploads.create({
    bytes: smallLines.length,
    filename: 'a.jsonl',
    mime_type: 'text/jsonl',
    purpose: 'fine-tune',
  });
  const part = await client.uploads.parts.create(upload.id, { data: new File([smallLines], 'part') });
  const { file: made } = await client.uploads.complete(upload.id, { part_ids: [part.id] });
  const { id } = await createJob(client, { training_file: made!.id, validation_file: made!.id, seed: 3, metadata: { key: 'k' } });
  sandbox.step(4000);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'succeeded' });
  for (const list of [
    client.fineTuning.jobs.listEvents(id),
    client.fineTuning.jobs.checkpoints.list(id),
    client.models.list(),
    client.files.list(),
  ])
    expect((await Array.fromAsync<unknown>(list)).length).toBeGreaterThan(0);
});
