import { readFileSync } from 'node:fs';
import log from '../../../fixtures/huggingface/logs/autotrain-classification.json' with { type: 'json' };
import { huggingface } from '../../../providers/huggingface/index.ts';
import { contractTests, type ConformanceEnvironment } from '../../../src/testing/index.ts';
import type { JobRef } from '../../../src/provider/job.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import type { Settings } from './hub-server.ts';
import { canaryToken, createHubFixture, facts, key, toInput, type HubFixture } from './fixture.ts';
import { testConformance } from '../../testing/test-conformance.ts';

type Fixture = ConformanceEnvironment & HubFixture;

const lines = [
  { type: 'engine-started', engine: 'autotrain', task: 'text-classification' },
  ...log,
  { type: 'model-uploaded', repository: 'acme/x' },
];
const files = {
  'model.safetensors': 'weights',
  'README.md': readFileSync(new URL('../../../fixtures/huggingface/card-classification.md', import.meta.url), 'utf8'),
  'checkpoint-45/trainer_state.json': readFileSync(
    new URL('../../../fixtures/huggingface/trainer-state-classification.json', import.meta.url),
    'utf8',
  ),
};

const live = (): AbortSignal => new AbortController().signal;
const create = async (settings: Partial<Settings> = {}): Promise<Fixture> =>
  await createHubFixture({ lines, files, jobMs: 22_000, ...settings });

const base = toInput();
const different: Readonly<Record<string, TranslationInput>> = {
  epochs: toInput({ training: { epochs: 2 } }),
  'another batch': toInput({ training: { batchSize: 2 } }),
  'another rate': toInput({ training: { learningRate: 1e-4 } }),
  'another seed': toInput({ training: { seed: 2 } }),
  trl: toInput({ options: { engine: 'trl' } }),
  transformers: toInput({ options: { engine: 'transformers' } }),
  'another machine': toInput({ options: { flavor: 'a10g-small' } }),
  'another namespace': toInput({ options: { namespace: 'acme-labs' } }),
  'a public model': toInput({ options: { private: false } }),
  'another image': toInput({ options: { image: 'acme/trainer' } }),
  chats: toInput({ task: 'chat' }),
  'all tokens of chats': toInput({ task: 'chat', training: { loss: 'all' } }),
  preferences: toInput({ task: 'preference' }),
  'a raw setting': toInput({ native: { logging_steps: 3 } }),
  'another model': toInput({ model: { kind: 'hub', name: 'acme/other', revision: null } }),
  'another revision': toInput({ model: { kind: 'hub', name: 'acme/base', revision: 'v2' } }),
  'other labels': toInput({}, { facts: { ...facts, labels: ['no', 'other', 'yes'] } }),
  'more time': toInput({ budget: { usd: null, hours: 9 } }),
};

const failures = (['500', 'html', 'cut', '401', '429'] as const).map((type) => [type, { fault: { on: /./, type } }] as const);
const prepared = {
  endpoint: '',
  namespace: 'acme',
  dataset: { repo: 'acme/data', revision: 'a', hasValidation: false },
  output: 'acme/model',
};
const toCalls = (name: string, call: (fixture: Fixture) => Promise<unknown>): Record<string, (fixture: Fixture) => Promise<unknown>> =>
  Object.fromEntries(
    failures.map(([type, settings]) => [
      `${name} at a service that answers with ${type}`,
      async (fixture: Fixture) => {
        Object.assign(fixture.hub.settings, settings);
        return await call(fixture);
      },
    ]),
  );
const job: JobRef = { provider: 'huggingface', id: 'x', location: '', attempt: 1, createdAt: '2026-11-22T12:00:00.000Z', url: null };

const tests = contractTests<Fixture>({
  provider: huggingface,
  inputs: { base, different, same: { 'other tags': toInput({ tags: { team: 'search' } }) } },
  createEnvironment: async () => await create(),
  ends: {
    succeeded: {},
    failed: {
      bring: async ({ hub }) => {
        const failed = { type: 'training-failed', code: 'data-invalid', message: 'the data has no such column: x', hint: null };
        Object.assign(hub.settings, { stage: 'ERROR', message: 'exit code 1', lines: [...lines, failed] });
        await Promise.resolve();
      },
    },
    cancelled: { bring: async ({ provider, toAttempt }, ref) => await provider.training.cancel!(ref, toAttempt(key, 1, live())) },
    expired: {
      bring: async ({ hub }) => {
        Object.assign(hub.settings, { stage: 'DELETED' });
        await Promise.resolve();
      },
    },
  },
  say: async ({ hub }, _job, word) => {
    hub.settings.said = word;
    await Promise.resolve();
  },
  stall: async ({ hub }) => {
    hub.settings.fault = { on: /./, type: 'hang' };
    await Promise.resolve();
  },
  failing: {
    ...toCalls(
      'prepare',
      async ({ provider, toAttempt }) =>
        await provider.training.prepare(provider.training.translate(base).request, toAttempt(key, 1, live())),
    ),
    ...toCalls('create', async ({ provider, hub, toAttempt }) => {
      const wire = provider.training.bind(provider.training.translate(base).request, { ...prepared, endpoint: hub.url }, key, 1);
      return await provider.training.create(wire, toAttempt(key, 1, live()));
    }),
    ...toCalls(
      'find',
      async ({ provider, hub, toAttempt }) =>
        await provider.training.find({}, [{ ...prepared, endpoint: hub.url }], toAttempt(key, 1, live())),
    ),
    ...toCalls('fence', async ({ provider, toAttempt }) => await provider.training.fence!(prepared, toAttempt(key, 1, live()))),
    ...toCalls(
      'observe',
      async ({ provider, hub, toAttempt }) =>
        await provider.training.observe({ ...job, location: `${hub.url}/acme` }, null, toAttempt(key, 1, live())),
    ),
    ...toCalls(
      'cancel',
      async ({ provider, hub, toAttempt }) =>
        await provider.training.cancel!({ ...job, location: `${hub.url}/acme` }, toAttempt(key, 1, live())),
    ),
  },
  snapshot: async ({ hub }) =>
    await Promise.resolve({
      jobs: hub.jobs.map(({ id, end }) => ({ id, end })),
      repos: [...hub.repos].map(([name, { sha, branches }]) => [name, sha, [...branches]]),
    }),
  secrets: [canaryToken],
});

testConformance(tests);
