import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import { createOpenAICompatible } from '../../../providers/openai/openai-shaped.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { httpTests, type HttpCall, type HttpTarget, type HttpEnvironment } from '../../../src/testing/index.ts';
import type { Provider } from '../../../src/provider/provider.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { startMisbehavingServer } from '../../provider-kit/http/misbehaving-server.ts';
import { canaryKey, dialects, facts, key } from './fixture.ts';

const now = '2026-11-22T12:00:00.000Z';
const model = 'gpt-4.1-mini-2025-04-14';
const job = { id: 'ftjob-1', status: 'running', model, created_at: 1_763_812_800 };

/** One answer for every path: a job, a page of a list, and an answer to a conversation. */
const good = JSON.stringify({
  ...job,
  data: [job],
  choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
});

interface Fixture extends HttpEnvironment {
  readonly provider: Provider;
  readonly location: string;
  readonly folder: string;
  toAttempt(signal: AbortSignal): Attempt;
}

async function createFixture(dialect: Dialect, deadlineMs: number): Promise<Fixture> {
  const { origin, arrivals, behave, close } = await startMisbehavingServer({ toBody: () => good });
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const settings: Readonly<Record<string, string>> = { OPENAI_BASE_URL: `${origin}/v1`, AZURE_OPENAI_ENDPOINT: origin };
  const toAttempt = (signal: AbortSignal): Attempt => ({
    signal,
    now: () => new Date(now),
    wait: async () => await Promise.resolve(signal.throwIfAborted()),
    setting: (name) => settings[name] ?? null,
    credential: (name) => (name.endsWith('_KEY') ? new Secret(canaryKey) : null),
    key,
    attempt: 1,
    workDir: folder,
    facts,
    async *readRows() {},
  });
  return {
    // Answers of a model may take minutes, and no test waits for them.
    provider: createOpenAICompatible({
      ...dialect,
      openClient: async (context, options) => await dialect.openClient(context, { ...options, deadlineMs }),
    }),
    location: dialect.getBaseUrl(toAttempt(new AbortController().signal)),
    folder,
    toAttempt,
    misbehave: behave,
    arrivals: () => arrivals,
    async close() {
      rmSync(folder, { recursive: true, force: true });
      await close();
    },
  };
}

/** Calls of the provider, and how many requests one after the other each makes at most when none is answered in time. */
const calls: Readonly<Record<string, readonly [HttpCall<Fixture>['run'], number?]>> = {
  observe: [
    async ({ provider, location, toAttempt }, signal) =>
      await provider.training.observe(
        { provider: provider.id, id: 'ftjob-1', location, attempt: 1, createdAt: now, url: null },
        null,
        toAttempt(signal),
      ),
  ],
  find: [
    async ({ provider, toAttempt }, signal) =>
      await provider.training.find({}, [{ trainingFile: 'file-1', validationFile: null }], toAttempt(signal)),
  ],
  listJobs: [async ({ provider, toAttempt }, signal) => await Array.fromAsync(provider.account!.jobs!(toAttempt(signal))), 2],
  listModels: [async ({ provider, toAttempt }, signal) => await Array.fromAsync(provider.account!.models!(toAttempt(signal)))],
  fetchJob: [async ({ provider, folder, toAttempt }, signal) => await provider.account!.fetchJob!('ftjob-1', folder, toAttempt(signal))],
  predict: [
    async ({ provider, location, toAttempt }, signal) => {
      const rows = [{ id: 'a', messages: [{ role: 'user', content: 'hi' }] }];
      const c = { ...toAttempt(signal), generation: {}, concurrency: 1 };
      const endpoint = { kind: 'endpoint', identity: model, location, name: model, base: model } as const;
      return await Array.fromAsync(provider.inference!.predict!(endpoint, rows, c));
    },
  ],
  create: [
    async ({ provider, toAttempt }, signal) => await provider.training.create({ model, training_file: 'file-1' }, toAttempt(signal)),
  ],
};

function toSubject(dialect: Dialect, name: string, deadlineMs: number): HttpTarget<Fixture> {
  const [run, requests = 1] = calls[name]!;
  return {
    createEnvironment: async () => await createFixture(dialect, deadlineMs),
    calls: { [name]: { isCreate: name === 'create', run } },
    deadlineMs,
    requests,
    secrets: [canaryKey],
  };
}

/** What ends by its deadline alone has a short one; everything else has time, however busy the machine is. */
const endsLate = /^calls end well with (no answer|a (head|body) that drips)$/;

const tests = Object.values(dialects).flatMap((dialect) =>
  Object.keys(calls).flatMap((name) => {
    const [patient, hasty] = [20_000, 300].map((ms) => httpTests(toSubject(dialect, name, ms)));
    const chosen = [...patient!.filter((one) => !endsLate.test(one.name)), ...hasty!.filter((one) => endsLate.test(one.name))];
    return chosen.map(({ name: title, run }) => [`${dialect.id} ${name}: ${title}`, run] as const);
  }),
);

test.concurrent.each(tests)('%s', async (_, run) => {
  await expect(run()).resolves.toBeUndefined();
});
