import { expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import { isFailure } from '../../../src/errors.ts';
import type { JobRef } from '../../../src/provider/job.ts';
import { canaryKey } from './fixture.ts';
import { startService, toJobRef, type Answer } from './service.ts';

const { cancel, pause, resume } = openai.training;
const controls = { cancel: cancel!, pause: pause!, resume: resume! };
const refused: Answer = { status: 400, body: { error: { message: `not now, ${canaryKey}` } } };

/** Asks something of a job with this status; the service gives this answer to it. */
async function control(verb: keyof typeof controls, status: string, answer: Answer | null): Promise<{ end: unknown; requests: string[] }> {
  await using service = await startService(({ method }) => (method === 'POST' ? answer : { body: { id: 'ftjob-1', model: 'm', status } }));
  const end = await controls[verb](toJobRef(service), service.createContext()).catch((error: unknown) => error);
  return { end, requests: service.requests.map(({ method, path }) => `${method} ${path}`) };
}

test.each(['cancel', 'pause', 'resume'] as const)('%s is one request', async (verb) => {
  const { end, requests } = await control(verb, 'running', { body: {} });
  expect((end as JobRef | undefined)?.id).toBe(verb === 'resume' ? 'ftjob-1' : undefined);
  expect(requests).toEqual([`POST /v1/fine_tuning/jobs/ftjob-1/${verb}`]);
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
] as const)('%s refused for a job that is %s: fine is %s', async (verb, status, isFine) => {
  for (const answer of [refused, null]) {
    const { end } = await control(verb, status, answer);
    expect(isFailure(end)).toBe(!isFine);
    expect(String(end)).not.toContain(canaryKey);
  }
});

test('a job at another location is left alone', async () => {
  await using service = await startService(() => ({ body: {} }));
  const job = { ...toJobRef(service), location: 'https://other.example/v1' };
  for (const call of Object.values(controls)) {
    await expect(call(job, service.createContext())).rejects.toMatchObject({ code: 'configuration-invalid' });
  }
  expect(service.requests).toEqual([]);
});
