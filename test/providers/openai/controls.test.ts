import { expect, test } from 'vitest';
import { openaiDialect } from '../../../providers/openai/openai.ts';
import { cancel, pause, resume } from '../../../providers/openai/controls.ts';
import { isFailure } from '../../../src/errors.ts';
import { startAnsweringServer, type Said } from './answering-server.ts';
import { canaryKey } from './fixture.ts';

const calls = { cancel, pause, resume };
const refused: Said = { status: 400, body: { error: { message: `not now, ${canaryKey}` } } };

/** Asks something of a job with this status; what the service answers to it is given. */
async function steer(verb: keyof typeof calls, status: string, said: Said | null): Promise<{ end: unknown; asked: string[] }> {
  await using server = await startAnsweringServer(({ method }) =>
    method === 'POST' ? said : { body: { id: 'ftjob-1', model: 'm', status } },
  );
  const job = { provider: 'openai', id: 'ftjob-1', location: server.getBaseUrl(openaiDialect), attempt: 1, createdAt: '', url: null };
  const end = await calls[verb](openaiDialect, job, server.toContext()).catch((error: unknown) => error);
  return { end, asked: server.asked.map(({ method, path }) => `${method} ${path}`) };
}

test.each(['cancel', 'pause', 'resume'] as const)('%s is one request', async (verb) => {
  const { end, asked } = await steer(verb, 'running', { body: {} });
  expect(isFailure(end)).toBe(false);
  expect(asked).toEqual([`POST /v1/fine_tuning/jobs/ftjob-1/${verb}`]);
});

test.each([
  ['cancel', 'succeeded', true],
  ['cancel', 'failed', true],
  ['cancel', 'cancelled', true],
  ['cancel', 'running', false],
  ['cancel', 'queued', false],
  ['cancel', 'a-word-of-tomorrow', false],
  ['pause', 'paused', true],
  ['pause', 'pausing', true],
  ['pause', 'validating_files', true],
  ['pause', 'queued', true],
  ['pause', 'succeeded', true],
  ['pause', 'running', false],
  ['pause', 'a-word-of-tomorrow', false],
  ['resume', 'running', true],
  ['resume', 'cancelled', true],
  ['resume', 'paused', false],
  ['resume', 'a-word-of-tomorrow', false],
] as const)('%s refused of a job that is %s: fine is %s', async (verb, status, isFine) => {
  for (const said of [refused, null]) {
    const { end } = await steer(verb, status, said);
    expect(isFailure(end)).toBe(!isFine);
    expect(String(end)).not.toContain(canaryKey);
  }
});

test('resume returns the job', async () => {
  await using server = await startAnsweringServer(() => ({ body: {} }));
  const job = { provider: 'openai', id: 'ftjob-1', location: server.getBaseUrl(openaiDialect), attempt: 1, createdAt: '', url: null };
  expect(await resume(openaiDialect, job, server.toContext())).toBe(job);
});

test('a job at another location is left alone', async () => {
  await using server = await startAnsweringServer(() => ({ body: {} }));
  const job = { provider: 'openai', id: 'ftjob-1', location: 'https://other.example/v1', attempt: 1, createdAt: '', url: null };
  for (const call of Object.values(calls)) {
    await expect(call(openaiDialect, job, server.toContext())).rejects.toMatchObject({ code: 'configuration-invalid' });
  }
  expect(server.asked).toEqual([]);
});
