import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { listResources } from '../../../providers/huggingface/account.ts';
import { createHuggingFace } from '../../../providers/huggingface/index.ts';
import { logStart, readLog, type LogLine } from '../../../providers/huggingface/job-log.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { faultCases, type HttpFault } from '../../../src/testing/http-fault.ts';
import { httpTests, type HttpCall, type HttpTarget, type HttpEnvironment } from '../../../src/testing/index.ts';
import { isFailure } from '../../../src/errors.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { startMisbehavingServer } from '../../provider-kit/http/misbehaving-server.ts';
import { canaryToken, facts, key, toInput } from './fixture.ts';

const now = '2026-11-22T12:00:00.000Z';
const job = { id: 'job-1', createdAt: now, startedAt: now, status: { stage: 'RUNNING' }, labels: { orchestrate_key: key } };

function toBody(path: string, method: string): string {
  if (path.startsWith('/api/whoami')) return '{"name":"acme"}';
  if (path.endsWith('/logs')) return `data: ${JSON.stringify({ timestamp: now, data: 'hello' })}\n\n`;
  if (/^\/api\/(datasets|models)\?/.test(path)) return '[]';
  if (/^\/api\/jobs\/acme(\?|$)/.test(path) && method === 'GET') return JSON.stringify([job]);
  if (path.startsWith('/api/jobs/acme')) return JSON.stringify(job);
  return '{"branches":[],"siblings":[]}';
}

interface Fixture extends HttpEnvironment {
  readonly endpoint: string;
  toAttempt(signal: AbortSignal): Attempt;
}

async function createFixture(deadlineMs: number, misbehaving: RegExp): Promise<Fixture> {
  const { origin, arrivals, behave, close } = await startMisbehavingServer({ toBody, misbehaving });
  const settings: Readonly<Record<string, string>> = { HF_ENDPOINT: origin, ORCHESTRATE_REQUEST_SECONDS: String(deadlineMs / 1000) };
  return {
    endpoint: origin,
    toAttempt: (signal) => ({
      signal,
      now: () => new Date(now),
      wait: async () => await Promise.resolve(signal.throwIfAborted()),
      setting: (name) => settings[name] ?? null,
      credential: () => new Secret(canaryToken),
      key,
      attempt: 1,
      workDir: '/nowhere',
      facts,
      async *readRows() {},
    }),
    misbehave: behave,
    arrivals: () => arrivals.filter(({ path, isForeign }) => isForeign || misbehaving.test(path)),
    close,
  };
}

const provider = createHuggingFace({ quietMs: 60, allMs: 300 });
const { request } = provider.training.translate(toInput());

function toWire(endpoint: string): unknown {
  const dataset = { repo: 'acme/data', revision: 'a', hasValidation: false };
  return provider.training.bind(request, { endpoint, namespace: 'acme', dataset, output: 'acme/model' }, key, 1);
}

async function listAll(context: Attempt): Promise<unknown> {
  return await listResources({ ended: [], open: [], isAll: true }, context);
}

/** Calls, and the addresses that misbehave for each. */
const calls: Readonly<Record<string, readonly [HttpCall<Fixture>['run'], RegExp]>> = {
  observe: [
    async ({ endpoint, toAttempt }, signal) => {
      const ref = { provider: 'huggingface', id: 'job-1', location: `${endpoint}/acme`, attempt: 1, createdAt: now, url: null };
      return await provider.training.observe(ref, null, toAttempt(signal));
    },
    /^/,
  ],
  'find of an account that must be asked for': [
    async ({ toAttempt }, signal) => await provider.training.find(request, [], toAttempt(signal)),
    /^/,
  ],
  find: [async ({ toAttempt }, signal) => await provider.training.find(request, [], toAttempt(signal)), /^\/api\/jobs/],
  'the datasets of the account': [async ({ toAttempt }, signal) => await listAll(toAttempt(signal)), /^\/api\/datasets/],
  'the models of the account': [async ({ toAttempt }, signal) => await listAll(toAttempt(signal)), /^\/api\/models/],
  create: [
    async ({ endpoint, toAttempt }, signal) => await provider.training.create(toWire(endpoint), toAttempt(signal)),
    /^\/api\/jobs\/acme$/,
  ],
};

function toSubject(name: string, deadlineMs: number): HttpTarget<Fixture> {
  const [run, misbehaving] = calls[name]!;
  return {
    createEnvironment: async () => await createFixture(deadlineMs, misbehaving),
    calls: { [name]: { isCreate: name === 'create', run } },
    deadlineMs,
    secrets: [canaryToken],
  };
}

/** What ends by its deadline alone has a short one; everything else has time, however busy the machine is. */
const endsLate = /^calls end well with (no answer|a (head|body) that drips)$/;

const tests = Object.keys(calls).flatMap((name) => {
  const [patient, hasty] = [20_000, 300].map((ms) => httpTests(toSubject(name, ms)));
  const chosen = [...patient!.filter((one) => !endsLate.test(one.name)), ...hasty!.filter((one) => endsLate.test(one.name))];
  return chosen.map(({ name: title, run }) => [`${name}: ${title}`, run] as const);
});

test.concurrent.each(tests)('%s', async (_, run) => {
  await expect(run()).resolves.toBeUndefined();
});

/** Answers that cannot be distinguished from a log without lines. */
function isLikeEmptyLog(fault: HttpFault): boolean {
  if (fault.kind !== 'answer') return fault.kind === 'redirect-away';
  return fault.status < 400 && fault.headers?.['content-type'] !== 'text/html';
}

test.concurrent.each(Object.entries(faultCases))('the log of an ended job meets %s', async (_, { fault }) => {
  const fixture = await createFixture(20_000, /\/logs$/);
  try {
    await fixture.misbehave(fault);
    const asked = { namespace: 'acme', id: 'job-1', hasEnded: true };
    const from = { position: logStart, limits: { quietMs: 60, allMs: 300 } };
    const context = fixture.toAttempt(new AbortController().signal);
    const end = await readLog(asked, from, context).catch((error: unknown) => error);
    expect(inspect(end, { depth: Infinity })).not.toContain(canaryToken);
    const found = isFailure(end) ? 'a failure' : (end as { lines: LogLine[] }).lines;
    expect(['a failure', ...(isLikeEmptyLog(fault) ? [[]] : [])]).toContainEqual(found);
  } finally {
    await fixture.close();
  }
});
