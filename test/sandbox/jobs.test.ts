import { expect, test } from 'vitest';
import { base, createJob, gather, openSandbox, toLines, uploadLines } from './sandbox-world.ts';

test('a supervised job goes through its states and leaves a model, checkpoints and results', async () => {
  const { client, sandbox } = await openSandbox();
  const created = await createJob(client, { suffix: 'mood', seed: 11, metadata: { key: 'k' }, validation_file: await uploadLines(client) });
  expect(created).toMatchObject({ status: 'validating_files', seed: 11, fine_tuned_model: null, metadata: { key: 'k' }, error: null });
  expect(created.hyperparameters).toEqual({ n_epochs: 10, batch_size: 1, learning_rate_multiplier: 2 });
  const seen = [];
  for (let i = 0; i < 4; i++) {
    sandbox.step(500);
    const { status, estimated_finish: end } = await client.fineTuning.jobs.retrieve(created.id);
    seen.push([status, end == null ? null : end - created.created_at]);
  }
  expect(seen).toEqual([
    ['queued', null],
    ['running', 4],
    ['running', 4],
    ['running', 4],
  ]);
  sandbox.step(2000);
  const done = await client.fineTuning.jobs.retrieve(created.id);
  expect(done).toMatchObject({ status: 'succeeded', fine_tuned_model: `ft:${base}:sandbox:mood:${created.id.slice(6, 14)}` });
  expect(done.finished_at! - done.created_at).toBe(4);
  expect(done.trained_tokens).toBeGreaterThan(1000);
  expect(done.trained_tokens! % 10).toBe(0);

  const checkpoints = await gather(client.fineTuning.jobs.checkpoints.list(created.id));
  expect(checkpoints.map(({ step_number: step }) => step)).toEqual([100, 90, 80]);
  expect(checkpoints[0]!.metrics).toHaveProperty('full_valid_loss');
  const listed = await gather(client.models.list());
  expect(listed.map(({ id }) => id)).toContain(done.fine_tuned_model);
  expect(listed.map(({ id }) => id)).not.toContain(checkpoints[0]!.fine_tuned_model_checkpoint);

  const encoded = await (await client.files.content(done.result_files[0]!)).text();
  const [header, ...rows] = Buffer.from(encoded, 'base64').toString('utf8').trim().split('\n');
  expect(header).toBe('step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy');
  expect(rows).toHaveLength(100);
});

test('events come newest first, page by page, with measures that fall', async () => {
  const { client, sandbox } = await openSandbox({ pageSize: 7 });
  const { id } = await createJob(client);
  sandbox.step(4000);
  const events = await gather(client.fineTuning.jobs.listEvents(id, { limit: 50 }));
  expect(events.at(-1)!.message).toBe(`Created fine-tuning job: ${id}`);
  expect(events[0]!.message).toBe('The job has successfully completed');
  const measured = events.filter(({ type }) => type === 'metrics').map(({ data }) => data as { step: number; train_loss: number });
  expect(measured.map(({ step }) => step)).toEqual(Array.from({ length: 100 }, (_, i) => 100 - i));
  expect(measured.at(-1)!.train_loss).toBeGreaterThan(2);
  expect(measured[0]!.train_loss).toBeLessThan(0.4);
  const times = events.map(({ created_at: at }) => at);
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
  const short = await client.fineTuning.jobs.listEvents(id, { limit: 3 });
  expect(short.data).toHaveLength(3);
  expect(short.has_more).toBe(true);
});

test('jobs are listed newest first, page by page, and by metadata', async () => {
  const { client } = await openSandbox({ pageSize: 2, settings: { otherJobs: 5 } });
  const ids = [];
  for (const key of ['a', 'b', 'a']) ids.push((await createJob(client, { metadata: { key, more: '1' } })).id);
  const plain = await createJob(client);
  const all = await gather(client.fineTuning.jobs.list());
  expect(all).toHaveLength(9);
  expect(all.slice(0, 4).map(({ id }) => id)).toEqual([plain.id, ...ids.toReversed()]);
  const found = await gather(client.fineTuning.jobs.list({ metadata: { key: 'a', more: '1' } }));
  expect(found.map(({ id }) => id)).toEqual([ids[2], ids[0]]);
  expect(await gather(client.fineTuning.jobs.list({ metadata: { key: 'c' } }))).toEqual([]);
  await expect(client.fineTuning.jobs.list({ after: 'ftjob-none' })).rejects.toMatchObject({ status: 400, param: 'after' });
});

test('a created job is found by its id at once, and in the list after the lag', async () => {
  const { client, sandbox } = await openSandbox({ settings: { listLagMs: 200 } });
  const { id } = await createJob(client);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ id });
  sandbox.step(199);
  expect(await gather(client.fineTuning.jobs.list())).toEqual([]);
  sandbox.step(1);
  expect(await gather(client.fineTuning.jobs.list())).toHaveLength(1);
});

test('a cancelled job stays so', async () => {
  const { client, sandbox } = await openSandbox();
  const { id } = await createJob(client);
  sandbox.step(1500);
  expect(await client.fineTuning.jobs.cancel(id)).toMatchObject({ status: 'cancelled', fine_tuned_model: null });
  sandbox.step(10_000);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'cancelled', estimated_finish: null });
  await expect(client.fineTuning.jobs.cancel(id)).rejects.toMatchObject({ status: 400 });
  expect(sandbox.account().bill).toHaveLength(1);
});

test('a paused job stands still, and goes on where it stood', async () => {
  const { client, sandbox } = await openSandbox();
  const { id } = await createJob(client);
  await expect(client.fineTuning.jobs.pause(id)).rejects.toMatchObject({ status: 400 });
  sandbox.step(2000);
  expect(await client.fineTuning.jobs.pause(id)).toMatchObject({ status: 'paused' });
  const before = (await gather(client.fineTuning.jobs.listEvents(id))).length;
  sandbox.step(60_000);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'paused' });
  expect(await gather(client.fineTuning.jobs.listEvents(id))).toHaveLength(before);
  expect(await client.fineTuning.jobs.resume(id)).toMatchObject({ status: 'running' });
  sandbox.step(1999);
  expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'running' });
  sandbox.step(1);
  const done = await client.fineTuning.jobs.retrieve(id);
  expect(done.status).toBe('succeeded');
  expect(done.finished_at! - done.created_at).toBe(64);
  await expect(client.fineTuning.jobs.resume(id)).rejects.toMatchObject({ status: 400 });
});

test('a job on preferences teaches the preferred answers', async () => {
  const { client, sandbox } = await openSandbox();
  const pairs = Array.from({ length: 12 }, (_, i) => ({
    input: { messages: [{ role: 'user', content: `question about topic ${'abcdefghijkl'[i]}` }] },
    preferred_output: [{ role: 'assistant', content: `answer ${i}` }],
    non_preferred_output: [{ role: 'assistant', content: `no answer ${i}` }],
  }));
  const training_file = await uploadLines(client, toLines(pairs));
  const method = { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 2 } } } as const;
  const created = await createJob(client, { training_file, method });
  expect(created.method?.dpo?.hyperparameters).toEqual({ beta: 0.2, n_epochs: 2, batch_size: 1, learning_rate_multiplier: 1 });
  expect(created.hyperparameters).toEqual({});
  sandbox.step(4000);
  const { fine_tuned_model: model } = await client.fineTuning.jobs.retrieve(created.id);
  const messages = [{ role: 'user', content: 'My question about topic d' } as const];
  const { choices } = await client.chat.completions.create({ model: model!, messages });
  expect(choices[0]!.message.content).toBe('answer 3');
});

test('a tuned model can be tuned again, and goes when it is deleted', async () => {
  const { client, sandbox } = await openSandbox();
  const first = await createJob(client);
  sandbox.step(4000);
  const { fine_tuned_model: model } = await client.fineTuning.jobs.retrieve(first.id);
  expect(await client.models.retrieve(model!)).toMatchObject({ id: model, owned_by: 'org-sandbox', shutdown_date: '2027-01-14' });
  const second = await createJob(client, { model: model! });
  sandbox.step(4000);
  const { fine_tuned_model: again } = await client.fineTuning.jobs.retrieve(second.id);
  expect(again).toMatch(/^ft:gpt-4\.1-mini-2025-04-14:sandbox::\w{8}$/);
  expect(again).not.toBe(model);
  expect(await client.models.delete(model!)).toMatchObject({ deleted: true });
  await expect(client.models.retrieve(model!)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  expect(await client.models.retrieve(again!)).toMatchObject({ shutdown_date: '2027-01-14' });
});

const nine = toLines(Array.from({ length: 9 }, () => ({ messages: [{ role: 'assistant', content: 'a' }] })));
const withLine = (line: string): string => `${nine}${line}\n`;

test.each([
  ['too few lines', nine, 'invalid_n_examples', 'Training file has 9 example(s), but must have at least 10 examples'],
  ['no JSON', withLine('{'), 'invalid_training_file', 'Line 10: expected a JSON object'],
  ['a stray key', withLine('{"messages":[],"label":1}'), 'invalid_training_file', 'Line 10: unexpected key "label"'],
  [
    'no answer',
    withLine('{"messages":[{"role":"user","content":"a"}]}'),
    'invalid_training_file',
    'at least one message from the assistant',
  ],
  ['a half weight', withLine('{"messages":[{"role":"assistant","content":"a","weight":0.5}]}'), 'invalid_training_file', 'weight'],
  ['an unknown role', withLine('{"messages":[{"role":"bot","content":"a"}]}'), 'invalid_training_file', 'roles'],
])('a job fails on a file with %s', async (_, lines, code, message) => {
  const { client, sandbox } = await openSandbox();
  const created = await createJob(client, { training_file: await uploadLines(client, lines) });
  expect(created).toMatchObject({ status: 'validating_files', error: null });
  sandbox.step(4000);
  const failed = await client.fineTuning.jobs.retrieve(created.id);
  expect(failed).toMatchObject({ status: 'failed', fine_tuned_model: null, error: { code, param: 'training_file' } });
  expect(failed.error!.message).toContain(message);
  const [newest] = (await client.fineTuning.jobs.listEvents(created.id)).data;
  expect(newest).toMatchObject({ level: 'error', message: failed.error!.message });
});

test('a validation file is checked too', async () => {
  const { client, sandbox } = await openSandbox();
  const { id } = await createJob(client, { validation_file: await uploadLines(client, 'x') });
  sandbox.step(4000);
  const { error } = await client.fineTuning.jobs.retrieve(id);
  expect(error).toMatchObject({ code: 'invalid_validation_file', param: 'validation_file' });
});

test('an account can be set to end jobs otherwise', async () => {
  const { client, sandbox } = await openSandbox();
  sandbox.setSettings({ jobError: { code: 'server_error', message: 'The job failed due to an internal error.' } });
  const failing = await createJob(client);
  sandbox.step(4000);
  expect(await client.fineTuning.jobs.retrieve(failing.id)).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
  sandbox.setSettings({ jobError: null, blockModel: true });
  const blocked = await createJob(client);
  sandbox.step(4000);
  expect(await client.fineTuning.jobs.retrieve(blocked.id)).toMatchObject({ status: 'succeeded', fine_tuned_model: null });
  const events = await gather(client.fineTuning.jobs.listEvents(blocked.id));
  expect(events.map(({ type }) => type)).toContain('moderation_checks');
});

test('a job can go on by being looked at', async () => {
  const { client } = await openSandbox({ settings: { looks: 3 } });
  const { id } = await createJob(client);
  const seen = [];
  for (let i = 0; i < 3; i++) seen.push((await client.fineTuning.jobs.retrieve(id)).status);
  expect(seen).toEqual(['running', 'running', 'succeeded']);
});
