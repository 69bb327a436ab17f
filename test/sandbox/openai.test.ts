import type OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { Settings } from '../../src/sandbox/main.ts';
import { base, createJob, formatChats, formatLines, instructions, openSandbox, readSentiment, smallLines, uploadLines } from './fixture.ts';
import type { SandboxFixture } from './fixture.ts';

test('a file comes back as it was sent, is listed newest first, and is gone once deleted', async () => {
  const { client } = await openSandbox({ pageSize: 2 });
  const text = `${smallLines}{"text": "ü\\r\\n--"}\n`;
  const file = await client.files.create({ purpose: 'fine-tune', file: new File([text], 'ä "b".jsonl') });
  expect(file).toMatchObject({ filename: 'ä "b".jsonl', bytes: Buffer.byteLength(text), created_at: Date.UTC(2026, 10, 1) / 1000 });
  expect(await (await client.files.content(file.id)).text()).toBe(text);
  const ids = [file.id, await uploadLines(client), await uploadLines(client)];
  expect((await Array.fromAsync(client.files.list({ purpose: 'fine-tune' }))).map(({ id }) => id)).toEqual(ids.toReversed());
  expect(await client.files.delete(file.id)).toEqual({ object: 'file', id: file.id, deleted: true });
  await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  await expect(client.files.create({ purpose: 'fine-tune', file: new File([''], 'a.jsonl') })).rejects.toThrow('File is empty');
  await expect(client.files.create({ purpose: 'fine-tune', file: new File(['a,b'], 'a.csv') })).rejects.toThrow('Must be .jsonl');
});

test('an upload needs all its parts, in their order, in time', async () => {
  const { client, sandbox } = await openSandbox();
  const about = { bytes: smallLines.length, filename: 'parts.jsonl', mime_type: 'text/jsonl', purpose: 'fine-tune' } as const;
  const { id } = await client.uploads.create(about);
  const part_ids: string[] = [];
  for (const part of [smallLines.slice(0, 100), smallLines.slice(100)])
    part_ids.push((await client.uploads.parts.create(id, { data: new File([part], 'part') })).id);
  await expect(client.uploads.complete(id, { part_ids: part_ids.slice(1) })).rejects.toMatchObject({ status: 400 });
  const { file } = await client.uploads.complete(id, { part_ids });
  expect(await (await client.files.content(file!.id)).text()).toBe(smallLines);
  const { id: late } = await client.uploads.create(about);
  sandbox.step(3600_000);
  await expect(client.uploads.parts.create(late, { data: new File(['abc'], 'part') })).rejects.toThrow('expired');
});

test('a supervised job goes through its states and leaves a model, checkpoints and results', async () => {
  const { client, sandbox } = await openSandbox();
  const created = await createJob(client, { suffix: 'mood', seed: 11, metadata: { key: 'k' }, validation_file: await uploadLines(client) });
  expect(created).toMatchObject({ status: 'validating_files', seed: 11, fine_tuned_model: null, metadata: { key: 'k' }, error: null });
  expect(created.hyperparameters).toEqual({ n_epochs: 10, batch_size: 1, learning_rate_multiplier: 2 });
  const seen = [];
  for (const ms of [500, 500, 2999, 1]) {
    sandbox.step(ms);
    const { status, estimated_finish: end } = await client.fineTuning.jobs.retrieve(created.id);
    seen.push([status, end == null ? null : end - created.created_at]);
  }
  expect(seen).toEqual([
    ['queued', null],
    ['running', 4],
    ['running', 4],
    ['succeeded', null],
  ]);
  const done = await client.fineTuning.jobs.retrieve(created.id);
  expect(done).toMatchObject({ fine_tuned_model: `ft:${base}:sandbox:mood:${created.id.slice(6, 14)}` });
  expect([done.finished_at! - done.created_at, done.trained_tokens! % 10]).toEqual([4, 0]);
  const checkpoints = await Array.fromAsync(client.fineTuning.jobs.checkpoints.list(created.id));
  expect(checkpoints.map(({ step_number: step }) => step)).toEqual([100, 90, 80]);
  expect(checkpoints[0]!.metrics).toHaveProperty('full_valid_loss');
  const listed = await Array.fromAsync(client.models.list());
  expect(listed.find(({ id }) => id === done.fine_tuned_model)).toMatchObject({ owned_by: 'org-sandbox', shutdown_date: '2027-01-14' });
  expect(listed.map(({ id }) => id)).not.toContain(checkpoints[0]!.fine_tuned_model_checkpoint);
  const encoded = await (await client.files.content(done.result_files[0]!)).text();
  const [header, ...rows] = Buffer.from(encoded, 'base64').toString('utf8').trim().split('\n');
  expect([header, rows.length]).toEqual(['step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy', 100]);
});

test('jobs are listed newest first above those of others, by metadata, and late', async () => {
  const { client, sandbox } = await openSandbox({ pageSize: 2, settings: { otherJobs: 5 } });
  const ids: string[] = [];
  for (const key of ['a', 'b', 'a']) ids.unshift((await createJob(client, { metadata: { key, more: '1' } })).id);
  const list = async (metadata?: Record<string, string>): Promise<string[]> =>
    (await Array.fromAsync(client.fineTuning.jobs.list(metadata === undefined ? {} : { metadata }))).map(({ id }) => id);
  expect([(await list()).slice(0, 3), (await list()).length]).toEqual([ids, 8]);
  expect(await list({ key: 'a', more: '1' })).toEqual([ids[0], ids[2]]);
  await expect(client.fineTuning.jobs.list({ after: 'ftjob-none' })).rejects.toMatchObject({ status: 400, param: 'after' });
  sandbox.setSettings({ listLagMs: 200 });
  expect(await client.fineTuning.jobs.retrieve(ids[0]!)).toMatchObject({ id: ids[0] });
  expect(await list({ key: 'a' })).toEqual([]);
  sandbox.step(200);
  expect(await list({ key: 'a' })).toHaveLength(2);
});

test('a paused job stands still and goes on where it stood; a cancelled one stays so', async () => {
  const { client, sandbox } = await openSandbox();
  const { id } = await createJob(client);
  await expect(client.fineTuning.jobs.pause(id)).rejects.toMatchObject({ status: 400 });
  sandbox.step(2000);
  expect(await client.fineTuning.jobs.pause(id)).toMatchObject({ status: 'paused' });
  sandbox.step(60_000);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'paused' });
  expect(await client.fineTuning.jobs.resume(id)).toMatchObject({ status: 'running' });
  sandbox.step(1999);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'running' });
  sandbox.step(1);
  const done = await client.fineTuning.jobs.retrieve(id);
  expect([done.status, done.finished_at! - done.created_at]).toEqual(['succeeded', 64]);
  const { id: other } = await createJob(client);
  sandbox.step(1500);
  expect(await client.fineTuning.jobs.cancel(other)).toMatchObject({ status: 'cancelled', fine_tuned_model: null });
  sandbox.step(10_000);
  expect(await client.fineTuning.jobs.retrieve(other)).toMatchObject({ status: 'cancelled', estimated_finish: null });
  await expect(client.fineTuning.jobs.cancel(other)).rejects.toMatchObject({ status: 400 });
});

test('a job goes on by being retrieved where the settings say so, and on the real clock by itself', async () => {
  const { client } = await openSandbox({ settings: { polls: 3 } });
  const { id } = await createJob(client);
  const seen = [];
  for (let i = 0; i < 3; i++) seen.push((await client.fineTuning.jobs.retrieve(id)).status);
  expect(seen).toEqual(['running', 'running', 'succeeded']);
  const real = await openSandbox({ clock: 'real', now: () => new Date(), settings: { jobMs: 1 } });
  const { id: other } = await createJob(real.client);
  await expect.poll(async () => (await real.client.fineTuning.jobs.retrieve(other)).status).toBe('succeeded');
});

test('an account can be set to refuse jobs, to fail them, and to block their models', async () => {
  const { client, sandbox, account } = await openSandbox();
  const expected: Readonly<Record<NonNullable<Settings['refuse']>, number>> = {
    training_not_available: 403,
    model_not_available: 400,
    insufficient_quota: 429,
    rate_limit_exceeded: 429,
    invalid_api_key: 401,
    server_error: 503,
  };
  for (const [code, status] of Object.entries(expected)) {
    sandbox.setSettings({ refuse: code as NonNullable<Settings['refuse']> });
    await expect(createJob(client)).rejects.toMatchObject({ status, code });
  }
  expect(account()).toMatchObject({ bill: [], jobs: [] });
  sandbox.setSettings({ refuse: null, jobError: { code: 'server_error', message: 'The job failed due to an internal error.' } });
  const failing = await createJob(client);
  sandbox.step(4000);
  expect(await client.fineTuning.jobs.retrieve(failing.id)).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
  sandbox.setSettings({ jobError: null, blockModel: true });
  const blocked = await createJob(client);
  sandbox.step(4000);
  expect(await client.fineTuning.jobs.retrieve(blocked.id)).toMatchObject({ status: 'succeeded', fine_tuned_model: null });
});

const nine = formatLines(Array.from({ length: 9 }, () => ({ messages: [{ role: 'assistant', content: 'a' }] })));

test.each([
  ['too few lines', nine, 'invalid_n_examples', 'Training file has 9 example(s), but must have at least 10 examples'],
  ['no JSON', `${nine}{\n`, 'invalid_training_file', 'Line 10'],
  ['a stray key', `${nine}{"messages":[{"role":"assistant","content":"a"}],"label":1}`, 'invalid_training_file', '"label"'],
  ['no answer', `${nine}{"messages":[{"role":"user","content":"a"}]}`, 'invalid_training_file', 'one message from the assistant'],
  ['a half weight', `${nine}{"messages":[{"role":"assistant","content":"a","weight":0.5}]}`, 'invalid_training_file', 'weight'],
])('a job fails on a file with %s', async (_, lines, code, message) => {
  const { client, sandbox } = await openSandbox();
  const created = await createJob(client, { training_file: await uploadLines(client, lines) });
  sandbox.step(4000);
  const failed = await client.fineTuning.jobs.retrieve(created.id);
  expect(failed).toMatchObject({ status: 'failed', fine_tuned_model: null, error: { code, param: 'training_file' } });
  expect(failed.error!.message).toContain(message);
});

test.each<[object, object]>([
  [{ model: 'gpt-4.1-nano-2025-04-14' }, { code: 'model_not_available', param: 'model' }],
  [
    { model: 'gpt-4o-mini-2024-07-18', method: { type: 'dpo' } },
    { code: 'model_not_available', param: 'model' },
  ],
  [{ training_file: 'file-none' }, { param: 'training_file' }],
  [{ validation_file: 'file-none' }, { param: 'validation_file' }],
  [{ learning_rate: 1 }, { param: 'learning_rate' }],
  [{ hyperparameters: { n_epochs: 'many' } }, { param: 'hyperparameters.n_epochs' }],
])('a creation with %j is refused and costs nothing', async (part, error) => {
  const { client, account } = await openSandbox();
  await expect(createJob(client, part)).rejects.toMatchObject({ status: 400, type: 'invalid_request_error', ...error });
  expect(account().bill).toEqual([]);
});

async function tune({ client, sandbox }: SandboxFixture, lines: string, body: object = {}): Promise<string> {
  const { id } = await createJob(client, { training_file: await uploadLines(client, lines), ...body });
  sandbox.step(4000);
  return (await client.fineTuning.jobs.retrieve(id)).fine_tuned_model!;
}

async function ask({ client }: SandboxFixture, model: string, text: string, more: object = {}): Promise<OpenAI.ChatCompletion.Choice> {
  const messages = [
    { role: 'system', content: instructions },
    { role: 'user', content: text },
  ] as const;
  const { choices } = await client.chat.completions.create({ model, messages: [...messages], temperature: 0, ...more });
  return choices[0]!;
}

test('a model tuned on moods knows the mood of held-out sentences, and its base does not', async () => {
  const fixture = await openSandbox();
  const model = await tune(fixture, formatChats(readSentiment('train')));
  const rows = readSentiment('test').slice(0, 200);
  const measure = async (name: string): Promise<number> => {
    let right = 0;
    for (const { text, label } of rows) right += Number((await ask(fixture, name, text)).message.content === label);
    return right / rows.length;
  };
  expect(await measure(base)).toBeCloseTo(0.5, 1);
  expect(await measure(model)).toBeGreaterThan(0.78);
  expect(fixture.account().bill.filter(({ kind }) => kind === 'chat')).toHaveLength(400);
});

test('the probabilities of labels stand behind the answer, and part where the labels do', async () => {
  const fixture = await openSandbox();
  const rows = readSentiment('train').map(({ text, label }) => ({ text, label: label === 'positive' ? 'rather good' : 'rather bad' }));
  const model = await tune(fixture, formatChats(rows));
  const { logprobs } = await ask(fixture, model, 'I loved it, excellent.', { logprobs: true, top_logprobs: 5 });
  const [first, second] = logprobs!.content!;
  expect(first).toMatchObject({ token: 'rather', logprob: 0, top_logprobs: [{ token: 'rather', logprob: 0 }] });
  const shares = second!.top_logprobs.map(({ token, logprob }) => [token, Math.exp(logprob)] as const);
  expect(shares.map(([token]) => token)).toEqual([' good', ' bad']);
  expect(shares[0]![1] + shares[1]![1]).toBeCloseTo(1, 10);
  expect(shares[0]![1]).toBeGreaterThan(0.9);
});

test('chance decides by temperature and seed, the same way each time, and an answer is cut at the most tokens', async () => {
  const fixture = await openSandbox();
  const model = await tune(fixture, formatChats(readSentiment('train').slice(0, 40)));
  const seen = new Set<string | null>();
  for (let seed = 0; seed < 60; seed++) {
    const { content } = (await ask(fixture, model, 'The phone works.', { temperature: 2, seed })).message;
    expect((await ask(fixture, model, 'The phone works.', { temperature: 2, seed })).message.content).toBe(content);
    seen.add(content);
  }
  expect(seen).toEqual(new Set(['negative', 'positive']));
  const messages = [{ role: 'user', content: 'Hello' } as const];
  const { choices, usage } = await fixture.client.chat.completions.create({ model: base, messages, max_completion_tokens: 2 });
  expect(choices[0]).toMatchObject({ message: { content: 'I have' }, finish_reason: 'length', logprobs: null });
  expect(usage!.completion_tokens).toBe(2);
});

test('preferences, calls of tools and whole answers are learned; tuned models can be tuned again', async () => {
  const fixture = await openSandbox();
  const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"moon"}' } };
  const chats = Array.from({ length: 10 }, (_, i) => [`tell me of ${'abcdefghij'[i]} number ${i}`, { content: `this is ${i}` }] as const);
  const all = [...chats, ['look at the moon', { content: null, tool_calls: [call] }] as const];
  const lines = all.map(([content, answer]) => ({
    messages: [
      { role: 'user', content },
      { role: 'assistant', ...answer },
    ],
  }));
  const first = await tune(fixture, formatLines(lines));
  const pairs = all.slice(0, 10).map(([content], i) => ({
    input: { messages: [{ role: 'user', content: `now ${content}` }] },
    preferred_output: [{ role: 'assistant', content: `that is ${i}` }],
    non_preferred_output: [{ role: 'assistant', content: 'no' }],
  }));
  const method = { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 2 } } } as const;
  const second = await tune(fixture, formatLines(pairs), { model: first, method });
  expect(second).toMatch(/^ft:gpt-4\.1-mini-2025-04-14:sandbox::\w{8}$/);
  expect((await ask(fixture, second, 'Please tell me of g number 6')).message.content).toBe('this is 6');
  expect((await ask(fixture, second, 'now tell me of g number 6')).message.content).toBe('that is 6');
  const answered = await ask(fixture, second, 'Look! The moon!');
  expect(answered).toMatchObject({ message: { content: null, tool_calls: [call] }, finish_reason: 'tool_calls' });
  await expect(ask(fixture, 'ft:none', 'Hello')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
});

test.each<[object, string]>([
  [{ stream: true }, "Invalid 'stream'"],
  [{ top_logprobs: 2 }, "'logprobs' parameter must be true"],
  [{ messages: [{ role: 'user' }] }, 'expected content in a message'],
  [{ model: undefined }, 'you must provide a model parameter'],
])('a chat with %j is refused', async (part, message) => {
  const { ask: send } = await openSandbox();
  const answer = await send('POST', '/v1/chat/completions', { model: base, messages: [{ role: 'user', content: 'Hello' }], ...part });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(message)]);
});

test('a body that is not JSON, and an address that does not exist, are refused', async () => {
  const { ask: send, client } = await openSandbox();
  expect((await send('POST', '/v1/fine_tuning/jobs', '{')).status).toBe(400);
  expect(await (await send('POST', '/v1/fine_tuning/models', {})).json()).toMatchObject({ error: { code: 'unknown_url' } });
  await expect(client.get('/fine_tuning/jobs?page=2')).rejects.toMatchObject({ status: 400, param: 'page' });
});
