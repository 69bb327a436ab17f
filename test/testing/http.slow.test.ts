import { expect, test } from 'vitest';
import { httpTests, type HttpCall, type HttpTarget, type HttpEnvironment } from '../../src/testing/index.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure } from '../../src/errors.ts';
import { createFetch, Secret, toSendOutcome, type Fetch } from '../../src/provider-kit/http.ts';
import { requestJson } from '../../src/provider-kit/json.ts';
import { startMisbehavingServer } from '../provider-kit/http/misbehaving-server.ts';
import { testConformance } from './test-conformance.ts';

const key = 'key-0f1e2d3c4b5a69788796';
const deadlineMs = 1000;

interface Fixture extends HttpEnvironment {
  readonly url: string;
  readonly fetch: Fetch;
}

/** How the little client of these tests asks; absent: as it should. */
interface Client {
  fetch?: (origin: string) => Fetch;
  read?: HttpCall<Fixture>['run'];
  create?: HttpCall<Fixture>['run'];
}

const headers = { 'x-api-key': key, authorization: `Bearer ${key}` };

function createCarefulFetch(origin: string): Fetch {
  const wait = async (): Promise<void> => await Promise.resolve();
  return createFetch({ origin, secrets: [new Secret(key)], deadlineMs, maxBodyBytes: 1024 * 1024, wait });
}

async function readJob({ fetch, url }: Fixture, signal: AbortSignal): Promise<unknown> {
  const { json } = await requestJson(fetch, { url: `${url}/jobs/1`, headers, signal });
  if (typeof json !== 'object' || json === null || !('ok' in json)) throw new Failure('response-invalid', 'expected a job');
  return json;
}

async function createJob({ fetch, url }: Fixture, signal: AbortSignal): Promise<unknown> {
  try {
    const { json } = await requestJson(fetch, { url: `${url}/jobs`, method: 'POST', headers, body: { model: 'tiny' }, signal });
    return json;
  } catch (error) {
    const { sent, failure } = toSendOutcome(error);
    throw new SubmitFailure(sent, failure);
  }
}

function createTarget({ fetch = createCarefulFetch, read = readJob, create = createJob }: Client = {}): HttpTarget<Fixture> {
  return {
    async createEnvironment() {
      const { origin, arrivals, behave, close } = await startMisbehavingServer();
      return { url: origin, fetch: fetch(origin), misbehave: behave, arrivals: () => arrivals, close };
    },
    calls: { read: { isCreate: false, run: read }, create: { isCreate: true, run: create } },
    deadlineMs,
    secrets: [key],
  };
}

testConformance(httpTests(createTarget()));

const plain = (): Fetch => globalThis.fetch;

/** What a client may do wrong, by a test that must notice it. */
const faults: readonly (readonly [string, string, Client])[] = [
  ['calls end well with no answer', 'waits for ever', { fetch: plain }],
  ['calls end well with a body that drips', 'stops its clock at the head', { fetch: () => withHeadTimeout }],
  ['calls end well with a body without end', 'takes bodies of any size', { fetch: plain }],
  ['calls end well with a reset before the head', 'throws what fetch throws', { fetch: plain }],
  ['calls end well with a redirect with the body to another origin', 'takes its key along', { fetch: plain, create: createJob }],
  ['calls end well with 421', 'leaves its create to fetch alone', { fetch: plain }],
  ['calls end well with 500', 'sends its create twice', { create: twice(createJob) }],
  ['calls end well with 429 with Retry-After "1"', 'calls a limit unknown', { create: renamed('unknown') }],
  ['calls end well with 401', 'calls a refusal unknown', { create: renamed('unknown') }],
  ['calls end well with a reset after the head', 'says that nothing was sent', { create: renamed('no') }],
  ['calls end well with no connection', 'asks a person where nothing was sent', { create: renamed('unknown') }],
  ['calls end well with 200 in HTML', 'takes any answer', { read: takeAll }],
  ['calls end well with 403', 'shows its key in the failure', { read: tellKey }],
  [
    'an abort ends calls at once, of a service that is half-open',
    'does not listen',
    { read: async (fixture) => await readJob(fixture, new AbortController().signal) },
  ],
  [
    'calls are answered by a service that answers',
    'fails always',
    { read: async () => await Promise.reject(new Failure('timeout', 'no')) },
  ],
];

test.each(faults)('%s: a client that %s is found out', async (name, _fault, client) => {
  const { run } = httpTests(createTarget(client)).find((one) => one.name === name)!;
  await expect(run()).rejects.toThrow(/expected .+, found ./s);
});

const withHeadTimeout: Fetch = async (input, init) => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Failure('timeout', 'no head')), deadlineMs);
  return await fetch(input, { ...init, signal: controller.signal }).finally(() => clearTimeout(timer));
};

function twice(call: HttpCall<Fixture>['run']): HttpCall<Fixture>['run'] {
  return async (fixture, signal) => await call(fixture, signal).catch(async () => await call(fixture, signal));
}

function renamed(sent: 'no' | 'unknown'): HttpCall<Fixture>['run'] {
  return async (fixture, signal) => {
    await createJob(fixture, signal).catch((error: unknown) => {
      throw new SubmitFailure(sent, (error as SubmitFailure).failure);
    });
  };
}

async function takeAll({ fetch, url }: Fixture, signal: AbortSignal): Promise<unknown> {
  return await (await fetch(url, { headers, signal })).text();
}

async function tellKey(fixture: Fixture, signal: AbortSignal): Promise<unknown> {
  return await readJob(fixture, signal).catch((error: unknown) => {
    throw new Failure('credentials-invalid', `${key} is refused`, { error });
  });
}
