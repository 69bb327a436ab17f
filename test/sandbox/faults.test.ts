import { RateLimitError } from 'openai';
import { expect, test } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { base, createJob, gather, openSandbox, uploadLines } from './sandbox-world.ts';

interface Outcome {
  readonly fault: Fault;
  /** What the client makes of it. */
  readonly outcome: unknown;
  /** What the service makes of it. */
  readonly jobs: number;
}

const dropped: unknown = expect.objectContaining({ message: 'Connection error.' });
const page: unknown = expect.stringContaining('<html>');
const failed: unknown = expect.objectContaining({ status: 500 });

test.each<Outcome>([
  { fault: { type: 'ok' }, outcome: expect.objectContaining({ status: 'validating_files' }), jobs: 1 },
  { fault: { type: 'drop-before' }, outcome: dropped, jobs: 0 },
  { fault: { type: 'drop-after' }, outcome: dropped, jobs: 1 },
  { fault: { type: '500-before' }, outcome: failed, jobs: 0 },
  { fault: { type: '500-after' }, outcome: failed, jobs: 1 },
  { fault: { type: '429' }, outcome: expect.objectContaining({ status: 429, code: 'rate_limit_exceeded' }), jobs: 0 },
  { fault: { type: 'cut' }, outcome: expect.objectContaining({ message: 'terminated' }), jobs: 1 },
  { fault: { type: 'html' }, outcome: page, jobs: 1 },
  { fault: { type: 'html-before' }, outcome: page, jobs: 0 },
])('a creation that meets $fault.type', async ({ fault, outcome, jobs }) => {
  const { client, sandbox } = await openSandbox({ faults: { create: [{ type: 'ok' }, fault] } });
  await createJob(client);
  const second: unknown = await createJob(client).catch((error: unknown) => error);
  expect(second).toEqual(outcome);
  expect(sandbox.account().bill).toHaveLength(1 + jobs);
  expect(sandbox.account().requests.filter(({ kind }) => kind === 'create')).toMatchObject([{ fault: 'ok' }, { fault: fault.type }]);
  await createJob(client);
  expect(sandbox.account().bill).toHaveLength(2 + jobs);
});

test('429 says when to come back', async () => {
  const { client } = await openSandbox({ faults: { models: [{ type: '429', retryAfterSeconds: 3 }] } });
  const error: unknown = await client.models.list().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RateLimitError);
  expect((error as RateLimitError).headers.get('retry-after')).toBe('3');
});

test('hang-after: the job is there, and no answer comes', async () => {
  const { client, sandbox } = await openSandbox({ faults: { create: [{ type: 'hang-after' }] } });
  const training_file = await uploadLines(client);
  const timeout = 200;
  await expect(client.fineTuning.jobs.create({ model: base, training_file }, { timeout })).rejects.toThrow('timed out');
  expect(sandbox.account().bill).toMatchObject([{ kind: 'job', trainingFile: training_file }]);
});

test('late: the client has gone when the job comes, and a file that was deleted before keeps it away', async () => {
  const { client, sandbox } = await openSandbox({
    faults: {
      create: [
        { type: 'late', ms: 100 },
        { type: 'late', ms: 100 },
      ],
    },
  });
  const timeout = 200;
  const files = [await uploadLines(client), await uploadLines(client)];
  for (const training_file of files)
    await expect(client.fineTuning.jobs.create({ model: base, training_file }, { timeout })).rejects.toThrow('timed out');
  await client.files.delete(files[1]!);
  sandbox.step(99);
  expect(await gather(client.fineTuning.jobs.list())).toEqual([]);
  sandbox.step(1);
  expect(await gather(client.fineTuning.jobs.list())).toHaveLength(1);
  expect(sandbox.account().bill).toMatchObject([{ trainingFile: files[0] }]);
});

test('each kind of request has faults of its own', async () => {
  const { client, sandbox } = await openSandbox();
  sandbox.setFaults({ list: [{ type: '500-before' }], delete: [{ type: 'drop-after' }], chat: [{ type: 'cut' }] });
  const id = await uploadLines(client);
  await expect(client.fineTuning.jobs.list()).rejects.toMatchObject({ status: 500 });
  expect((await client.fineTuning.jobs.list()).data).toEqual([]);
  await expect(client.files.delete(id)).rejects.toThrow('Connection error');
  await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404 });
  const messages = [{ role: 'user', content: 'Hello' } as const];
  await expect(client.chat.completions.create({ model: base, messages })).rejects.toThrow('terminated');
  sandbox.setFaults({ list: [{ type: '500-before' }] });
  await expect(client.fineTuning.jobs.list()).rejects.toMatchObject({ status: 500 });
});

test('a client that tries again after a lost answer pays again', async () => {
  const { client, sandbox } = await openSandbox({ faults: { create: [{ type: 'drop-after' }] } });
  await createJob(client.withOptions({ maxRetries: 1 }));
  expect(sandbox.account().bill.map(({ kind }) => kind)).toEqual(['job', 'job']);
});
