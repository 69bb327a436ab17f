import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOpenAICompatible } from '../../../providers/openai-compatible/index.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { httpTests, type HttpCall, type HttpTarget, type HttpEnvironment } from '../../../src/testing/index.ts';
import type { Provider } from '../../../src/provider/provider.ts';
import { startMisbehavingServer } from '../../provider-kit/http/misbehaving-server.ts';
import { canaryKey, configs, createContext, services, type ServiceId } from './fixture.ts';

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

async function createFixture(id: ServiceId, deadlineMs: number): Promise<Fixture> {
  const { origin, arrivals, behave, close } = await startMisbehavingServer({ toBody: () => good });
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const toAttempt = (signal: AbortSignal): Attempt => createContext(origin, { signal, workDir: folder, deadlineMs });
  return {
    // Answers of a model may take minutes, and no test waits for them.
    provider: createOpenAICompatible({ ...configs[id], deadlines: { answerMs: deadlineMs, downloadMs: deadlineMs } }),
    location: configs[id].baseUrl(toAttempt(new AbortController().signal)),
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
      const context = { ...toAttempt(signal), generation: {}, concurrency: 1 };
      const endpoint = { kind: 'endpoint', identity: model, location, name: model, base: model } as const;
      return await Array.fromAsync(provider.inference!.predict!(endpoint, rows, context));
    },
  ],
  create: [
    async ({ provider, toAttempt }, signal) => await provider.training.create({ model, training_file: 'file-1' }, toAttempt(signal)),
  ],
};

function toTarget(service: ServiceId, name: string, deadlineMs: number): HttpTarget<Fixture> {
  const [run, requests = 1] = calls[name]!;
  return {
    createEnvironment: async () => await createFixture(service, deadlineMs),
    calls: { [name]: { isCreate: name === 'create', run } },
    deadlineMs,
    requests,
    secrets: [canaryKey],
  };
}

/** What ends by its deadline alone has a short one; everything else has time, however busy the machine is. */
const endsLate = /^calls end well with (no answer|a (head|body) that drips)$/;

const tests = services.flatMap((service) =>
  Object.keys(calls).flatMap((name) => {
    const [patient, hasty] = [20_000, 300].map((ms) => httpTests(toTarget(service, name, ms)));
    const chosen = [...patient!.filter((one) => !endsLate.test(one.name)), ...hasty!.filter((one) => endsLate.test(one.name))];
    return chosen.map(({ name: title, run }) => [`${service} ${name}: ${title}`, run] as const);
  }),
);

test.concurrent.each(tests)('%s', async (_, run) => {
  await expect(run()).resolves.toBeUndefined();
});
