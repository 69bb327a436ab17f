import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Together from 'together-ai';
import { expect, onTestFinished, test } from 'vitest';
import { together } from '../../../providers/together/index.ts';
import type { Prepared } from '../../../providers/together/request.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { FixtureOptions, TogetherFixture } from './fixture.ts';
import { buildBody, canaryKey, createTogetherFixture, facts, key, toInput } from './fixture.ts';

const { training } = together;
const { request } = training.translate(toInput());
const otherKey = key.replaceAll('a', 'b');

async function open(options: FixtureOptions = {}): Promise<TogetherFixture> {
  const fixture = await createTogetherFixture(options);
  onTestFinished(fixture.close);
  return fixture;
}

async function prepare(context: Attempt): Promise<Prepared> {
  return (await training.prepare(request, context)) as Prepared;
}

async function create(context: Attempt): Promise<{ prepared: Prepared; job: JobRef }> {
  const prepared = await prepare(context);
  return { prepared, job: await training.create(training.bind(request, prepared, context.key, context.attempt), context) };
}

test('two runs on the same rows, and two attempts of one, have files of their own', async () => {
  const { toAttempt, sandbox } = await open();
  const contexts = [toAttempt(key, 1), toAttempt(otherKey, 1), toAttempt(key, 2)];
  const files: string[] = [];
  for (const context of contexts) files.push((await prepare(context)).trainingFile);
  expect(new Set(files).size).toBe(3);
  await training.fence!({ trainingFile: files[0], validationFile: null, uploadedAt: null }, contexts[0]!);
  expect(sandbox.account(canaryKey).together.files.map(({ id }) => id)).toEqual(files.slice(1));
});

test('a preparation that is repeated finds the file of the one before', async () => {
  const { toAttempt, sandbox } = await open();
  const first = await prepare(toAttempt());
  expect(await prepare(toAttempt())).toEqual(first);
  expect(sandbox.account(canaryKey).together.files).toHaveLength(1);
});

test('a preparation that ended before the file was looked at goes on there', async () => {
  const { toAttempt, sandbox } = await open();
  sandbox.setFaults({ preprocess: [{ type: 'drop-before' }] }, canaryKey);
  await expect(prepare(toAttempt())).rejects.toMatchObject({ code: 'service-unavailable' });
  const [{ id } = { id: null }] = sandbox.account(canaryKey).together.files;
  expect(await prepare(toAttempt())).toMatchObject({ trainingFile: id });
});

test('a file of the account that was there before is never deleted', async () => {
  const { toAttempt, sandbox } = await open();
  const other = (await prepare(toAttempt(otherKey))).trainingFile;
  const { prepared } = await create(toAttempt());
  await training.discard!(prepared, toAttempt());
  await training.fence!(prepared, toAttempt());
  expect(sandbox.account(canaryKey).together.files.map(({ id }) => id)).toEqual([other]);
});

test('the marked rows are the rows', async () => {
  const { toAttempt, sandbox, folder } = await open();
  const { trainingFile } = await prepare(toAttempt());
  const answer = await fetch(`${sandbox.togetherEnv.TOGETHER_BASE_URL}/files/${trainingFile}/content`, {
    headers: { authorization: `Bearer ${canaryKey}` },
  });
  const lines = (await answer.text()).trim().split('\n');
  expect(lines).toHaveLength(12);
  expect(JSON.parse(lines[0]!)).toHaveProperty('messages');
  expect(folder).not.toBe('');
});

test('rows that the service cannot use are refused in its words', async () => {
  const bad = { messages: [{ role: 'user', content: 'no answer' }] };
  const { toAttempt } = await open({ rows: [bad] });
  const chats = training.translate(toInput({ task: 'chat' })).request;
  await expect(training.prepare(chats, toAttempt())).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining('at least one message from the assistant') as string,
  });
});

test('a price is named once the file was looked at, and is what the job costs in the end', async () => {
  const { toAttempt, sandbox } = await open();
  const context = toAttempt();
  const { prepared, job } = await create(context);
  const quote = await training.quotePrepared!(training.bind(request, prepared, key, 1), context);
  expect(quote).toMatchObject({ currency: 'USD', source: 'POST /fine-tunes/estimate-price' });
  sandbox.step(60_000);
  const { cost, status } = await training.observe(job, null, context);
  expect(status.phase).toBe('succeeded');
  expect(cost!.usd).toBeCloseTo(quote!.high, 9);
});

test('a price that the service does not name is unknown', async () => {
  const { toAttempt } = await open({ settings: { hidePrice: true } });
  const context = toAttempt();
  const prepared = await prepare(context);
  expect(await training.quotePrepared!(training.bind(request, prepared, key, 1), context)).toBeNull();
});

test('a list that may be cut proves no absence, and one that is surely whole does', async () => {
  const { toAttempt, sandbox } = await open({ settings: { otherJobs: 60, listCap: 50 } });
  const prepared = await prepare(toAttempt());
  // The others are older than the file: whatever is younger is in the list.
  expect(await training.find(request, [prepared], toAttempt())).toEqual([]);
  await expect(training.find(request, [], toAttempt())).rejects.toMatchObject({ code: 'response-invalid' });
  sandbox.setSettings({ listCap: null }, canaryKey);
  expect(await training.find(request, [], toAttempt())).toEqual([]);
});

async function follow({ toAttempt, sandbox }: TogetherFixture, job: JobRef): Promise<Observation<unknown>[]> {
  const seen: Observation<unknown>[] = [];
  for (let i = 0; i < 40 && seen.at(-1)?.status.phase !== 'succeeded'; i++) {
    sandbox.step(500);
    seen.push(await training.observe(job, seen.at(-1)?.cursor ?? null, toAttempt()));
  }
  return seen;
}

test('a job that the service starts again under another identifier is followed, and paid once', async () => {
  const fixture = await open({ settings: { restartJobs: true, jobMs: 4000 } });
  const { job, prepared } = await create(fixture.toAttempt());
  const seen = await follow(fixture, job);
  expect(seen.map(({ status }) => status.phase)).not.toContain('failed');
  expect(seen.at(-1)).toMatchObject({ status: { phase: 'succeeded' }, failure: null });
  const notes = seen.flatMap((observation) => observation.notes);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatchObject({ type: 'warning', message: expect.stringContaining(`${job.id} again as ft-`) as string });
  expect((await training.find(request, [prepared], fixture.toAttempt())).map(({ id }) => id)).toEqual([job.id]);
  expect(fixture.sandbox.account(canaryKey).bill.filter(({ kind }) => kind === 'job')).toHaveLength(1);
});

test('cancelling a job that was started again stops the one that goes on', async () => {
  const { toAttempt, sandbox } = await open({ settings: { restartJobs: true, jobMs: 4000 } });
  const { job } = await create(toAttempt());
  sandbox.step(2100);
  await training.cancel!(job, toAttempt());
  const [newest] = sandbox.account(canaryKey).together.jobs;
  expect(newest).toMatchObject({ status: 'cancel_requested' });
  expect(newest!.id).not.toBe(job.id);
});

test('a job that was asked to stop has not ended yet', async () => {
  const { toAttempt } = await open();
  const { job } = await create(toAttempt());
  await training.cancel!(job, toAttempt());
  const first = await training.observe(job, null, toAttempt());
  expect(first.status).toEqual({ phase: 'cancelling', raw: 'cancel_requested' });
  expect((await training.observe(job, first.cursor, toAttempt())).status.phase).toBe('cancelled');
});

test('limits of the model are checked before anything is sent', async () => {
  const { toAttempt } = await open();
  const { model } = await training.inspectModel!({ kind: 'service', name: 'Qwen/Qwen3-8B' }, toAttempt());
  const tooMuch = toInput({ training: { epochs: 21, batchSize: 100, adapter: { type: 'lora', rank: 128 } } }, { model });
  expect(() => training.translate(tooMuch)).toThrow(/epochs: Together expects 1 to 20[^]*batchSize[^]*8 to 64[^]*rank/);
  await expect(training.inspectModel!({ kind: 'service', name: 'gpt-4.1' }, toAttempt())).rejects.toMatchObject({
    code: 'model-unavailable',
  });
});

test('stopping early is sent as it is, with validations enough, and names the best weights', () => {
  const known = { ...facts, validation: facts.train };
  const write = (settings: object, options: object = {}): Record<string, unknown> =>
    training.translate(toInput({ training: settings, options } as never, { facts: known })).request as Record<string, unknown>;
  const earlyStopping = { patience: 4, minDelta: 0.01 };
  expect(write({ epochs: 3, earlyStopping })).toMatchObject({
    n_evals: 5,
    early_stopping_enabled: true,
    early_stopping_patience: 4,
    early_stopping_min_delta: 0.01,
    early_stopping_warmup_evals: 0,
  });
  expect(write({ epochs: 9, earlyStopping }, { evals: 5 })).toMatchObject({ n_evals: 5 });
  expect(() => write({ earlyStopping }, { evals: 4 })).toThrow('options.evals: expected more than the 4');
  const { notes } = training.translate(
    toInput({ training: { earlyStopping: { patience: 1, by: 'measure' }, select: 'best' } }, { facts: known }),
  );
  expect(notes.filter(({ type }) => type === 'unsupported')).toMatchObject([
    { field: 'training.earlyStopping' },
    { field: 'training.select' },
  ]);
});

test('the official client sends the same create, estimate and cancel', async () => {
  const sent: { method: string | undefined; url: string | undefined; body: string }[] = [];
  const server = createServer((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      sent.push({ method: incoming.method, url: incoming.url, body });
      outgoing.setHeader('content-type', 'application/json').end('{"id":"ft-1","status":"pending","created_at":"2026-11-01T00:00:00Z"}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const { toAttempt } = await open();
  const context: Attempt = { ...toAttempt(), setting: (name) => (name === 'TOGETHER_BASE_URL' ? baseURL : null) };
  const known = { ...facts, validation: facts.train };
  const settings = {
    epochs: 3,
    batchSize: 16,
    learningRate: 1e-4,
    adapter: { type: 'lora', rank: 16 } as const,
    schedule: 'cosine' as const,
  };
  const input = toInput({ training: settings }, { facts: known });
  const body = buildBody(input, { trainingFile: 'file-1', validationFile: 'file-2', uploadedAt: null });
  const job = await training.create(body, context);
  await training.quotePrepared!(body, context);
  await training.cancel!(job, context).catch(() => {});
  const client = new Together({ baseURL, apiKey: canaryKey });
  const { training_file, validation_file, model, n_epochs, n_evals, training_type, training_method } = body;
  const ours = sent.splice(0);
  await client.fineTuning.create(body);
  await client.fineTuning.estimatePrice({
    training_file,
    validation_file: validation_file!,
    model,
    n_epochs: n_epochs!,
    n_evals: n_evals!,
    training_type: training_type!,
    training_method: training_method!,
  });
  await client.fineTuning.cancel('ft-1');
  expect(ours.filter(({ method }) => method === 'POST')).toEqual(sent);
  expect(JSON.parse(sent[0]!.body)).toEqual({
    model: 'Qwen/Qwen3-8B',
    n_epochs: 3,
    n_evals: 3,
    batch_size: 16,
    learning_rate: 1e-4,
    lr_scheduler: { lr_scheduler_type: 'cosine', lr_scheduler_args: { min_lr_ratio: 0, num_cycles: 0.5 } },
    training_method: { method: 'sft', train_on_inputs: false },
    training_type: { type: 'Lora', lora_r: 16, lora_alpha: 16, lora_trainable_modules: 'all-linear' },
    training_file: 'file-1',
    validation_file: 'file-2',
    suffix: key,
  });
});
