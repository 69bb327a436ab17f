import { createHuggingFace, huggingface } from '../../../providers/huggingface/index.ts';
import { contractTests, type ConformanceEnvironment } from '../../../src/testing/index.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { type FaultPlans, type Sandbox, startSandbox, type TrainModel } from '../../../src/sandbox/main.ts';
import { createContexts, createSteppedClock } from '../stepped-context.ts';
import { key, toInput as toHubInput } from './fixture.ts';
import { testConformance } from '../../testing/test-conformance.ts';

/* The provider and the sandbox's Hub, which was written apart from it by what the official clients send. */
const token = 'hf_sandbox_canary9f3a7c21e5';
const jobMs = 60_000;

interface Fixture extends ConformanceEnvironment {
  readonly sandbox: Sandbox;
}

const trainModel: TrainModel = async () => {
  const figures = [1, 2, 3].map((step) => ({ step, steps: 3, values: { loss: 1 / step, learning_rate: 1e-5, epoch: step / 3 } }));
  return await Promise.resolve({ files: new Map([['model.safetensors', Buffer.from('weights')]]), figures });
};

const toInput: typeof toHubInput = (spec, change) =>
  toHubInput({ model: { kind: 'hub', name: 'distilbert/distilbert-base-uncased', revision: null }, ...spec }, change);

async function createEnvironment(): Promise<Fixture> {
  const clock = createSteppedClock((ms) => sandbox.step(ms));
  const now = (): Date => new Date(clock.now());
  const sandbox = await startSandbox({ clock: 'stepped', now, seed: 7, settings: { jobMs }, trainModel });
  const { toAttempt, remove } = createContexts({ clock, values: { HF_ENDPOINT: sandbox.url, HF_TOKEN: token } });
  return {
    sandbox,
    provider: createHuggingFace({ quietMs: 60, allMs: 10_000 }),
    toAttempt,
    async close() {
      await sandbox.close();
      remove();
    },
  };
}

const base = toInput();
const different: Readonly<Record<string, TranslationInput>> = {
  epochs: toInput({ training: { epochs: 2 } }),
  trl: toInput({ options: { engine: 'trl' } }),
  'another machine': toInput({ options: { flavor: 'a10g-small' } }),
};

const live = (): AbortSignal => new AbortController().signal;
const kinds = ['whoami', 'resolve', 'repo', 'tree', 'repo-create', 'branch', 'job-create', 'job-list', 'job-get', 'job-cancel'] as const;
const toFaults = (type: 'hang-after' | '500-before' | 'cut' | 'html' | 'drop-before' | '429'): FaultPlans =>
  Object.fromEntries(kinds.map((kind) => [kind, Array.from({ length: 20 }, () => ({ type }))]));

const calls: Readonly<Record<string, (fixture: Fixture) => Promise<unknown>>> = {
  prepare: async ({ provider, toAttempt }) =>
    await provider.training.prepare(provider.training.translate(base).request, toAttempt(key, 1, live())),
  find: async ({ provider, toAttempt }) =>
    await provider.training.find(provider.training.translate(base).request, [], toAttempt(key, 1, live())),
};

const tests = contractTests<Fixture>({
  provider: huggingface,
  inputs: { base, different },
  createEnvironment,
  ends: {
    succeeded: {},
    failed: {
      bring: async ({ sandbox }) => {
        sandbox.setSettings({ jobMs, jobError: { code: 'ValueError', message: 'no such column' } }, token);
        await Promise.resolve();
      },
    },
    cancelled: { bring: async ({ provider, toAttempt }, ref) => await provider.training.cancel!(ref, toAttempt(key, 1, live())) },
  },
  stall: async ({ sandbox }) => {
    sandbox.setFaults(toFaults('hang-after'), token);
    await Promise.resolve();
  },
  failing: Object.fromEntries(
    Object.entries(calls).flatMap(([name, call]) =>
      (['500-before', 'cut', 'html', 'drop-before', '429'] as const).map((type) => [
        `${name} at a service that answers with "${type}"`,
        async (fixture: Fixture) => {
          fixture.sandbox.setFaults(toFaults(type), token);
          return await call(fixture);
        },
      ]),
    ),
  ),
  snapshot: async ({ sandbox }) => {
    const { bill, hub } = sandbox.account(token);
    return await Promise.resolve({ bill, repos: hub.repos, leaks: hub.leakedTokens });
  },
  secrets: [token],
});

testConformance(tests);
