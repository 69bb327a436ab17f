import { describe } from 'vitest';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import { azure, openai } from '../../../providers/openai/index.ts';
import { createOpenAICompatible } from '../../../providers/openai/openai-shaped.ts';
import { contractTests, type ConformanceEnvironment } from '../../../src/testing/index.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import type { FaultPlans } from '../../../src/sandbox/main.ts';
import { testConformance } from '../../testing/test-conformance.ts';
import { canaryKey, createSandboxFixture, facts, key, toInput, type SandboxFixture } from './fixture.ts';

type OpenAIFixture = ConformanceEnvironment & SandboxFixture & { readonly said: { word: string | null } };

const live = (): AbortSignal => new AbortController().signal;
const jobMs = 60_000;

/** The same service, with this word for the status of every job. */
function saying(dialect: Dialect, word: string): Dialect {
  return {
    ...dialect,
    async openClient(context, options) {
      const client = await dialect.openClient(context, options);
      const read = client.get.bind(client);
      const get = async (path: string, asked?: object): Promise<unknown> => {
        const answer = await read<object>(path, asked);
        return /^\/fine_tuning\/jobs\/[^/]+$/.test(path) ? { ...answer, status: word } : answer;
      };
      return Object.assign(client, { get });
    },
  };
}

async function createFixture(provider: Provider, dialect: 'openai' | 'azure'): Promise<OpenAIFixture> {
  const fixture = await createSandboxFixture({ dialect, settings: { jobMs } });
  // A job can be paused once it runs; the test asks for it right after the creation.
  const create: Provider['training']['create'] = async (wire, context) => {
    const job = await provider.training.create(wire, context);
    fixture.sandbox.step(jobMs * 0.3);
    return job;
  };
  const said: OpenAIFixture['said'] = { word: null };
  const observe: Provider['training']['observe'] = async (...args) => {
    const asked = said.word === null ? provider : createOpenAICompatible(saying(fixture.dialect, said.word));
    return await asked.training.observe(...args);
  };
  return { ...fixture, said, provider: { ...provider, training: { ...provider.training, create, observe } } };
}

const base = toInput();
const tuned = { kind: 'service', name: 'gpt-4.1-2025-04-14' } as const;
const different: Readonly<Record<string, TranslationInput>> = {
  epochs: toInput({ training: { epochs: 2 } }),
  'another batch': toInput({ training: { batchSize: 2 } }),
  'another multiplier': toInput({ training: { learningRate: { multiplier: 2 } } }),
  'another seed': toInput({ training: { seed: 2 } }),
  'another suffix': toInput({ options: { suffix: 'other' } }),
  'a prompt': toInput({ prompt: { system: 'Sort it.' } }),
  chats: toInput({ task: 'chat' }),
  preferences: toInput({ task: 'preference' }),
  'a raw field': toInput({ native: { integrations: [] } }),
  metadata: toInput({ native: { metadata: { team: 'search' } } }),
  'another model': toInput({ model: tuned }),
  'other labels': toInput({}, { facts: { ...facts, labels: ['no', 'other', 'yes'] } }),
};

const failures: Readonly<Record<string, FaultPlans>> = Object.fromEntries(
  (['500-before', 'cut', 'html', 'drop-before', '429'] as const).map((type) => {
    const faults = Array.from({ length: 9 }, () => ({ type }));
    return [
      `a service that answers with "${type}"`,
      { upload: faults, file: faults, create: faults, list: faults, get: faults, delete: faults },
    ];
  }),
);

describe.each([
  ['openai', openai],
  ['azure', azure],
] as const)('%s', (id, provider) => {
  const failing = (call: (fixture: OpenAIFixture) => Promise<unknown>) =>
    Object.entries(failures).map(([label, faults]): [string, (fixture: OpenAIFixture) => Promise<unknown>] => [
      label,
      async (fixture) => {
        fixture.sandbox.setFaults(faults, canaryKey);
        return await call(fixture);
      },
    ]);
  const toCalls = (
    name: string,
    call: (fixture: OpenAIFixture) => Promise<unknown>,
  ): Record<string, (fixture: OpenAIFixture) => Promise<unknown>> =>
    Object.fromEntries(failing(call).map(([label, run]) => [`${name} at ${label}`, run]));
  const prepared = { trainingFile: 'file-none', validationFile: null };

  const tests = contractTests<OpenAIFixture>({
    provider,
    inputs: {
      base,
      different: id === 'azure' ? { ...different, 'another tier': toInput({ options: { trainingType: 'developerTier' } }) } : different,
      same: { 'other tags': toInput({ tags: { team: 'search' } }) },
    },
    createEnvironment: async () => await createFixture(provider, id),
    ends: {
      succeeded: {},
      failed: {
        bring: async ({ sandbox }) => {
          sandbox.setSettings({ jobMs, jobError: { code: 'invalid_training_file', message: 'line 3' } }, canaryKey);
          await Promise.resolve();
        },
      },
      cancelled: { bring: async ({ toAttempt }, job) => await provider.training.cancel!(job, toAttempt(key, 1, live())) },
    },
    say: async ({ said }, _job, word) => {
      said.word = word;
      await Promise.resolve();
    },
    stall: async ({ sandbox }) => {
      const faults = Array.from({ length: 20 }, () => ({ type: 'hang-after' }) as const);
      sandbox.setFaults({ upload: faults, file: faults, create: faults, list: faults, get: faults, events: faults }, canaryKey);
      await Promise.resolve();
    },
    failing: {
      ...toCalls(
        'prepare',
        async ({ toAttempt }) => await provider.training.prepare(provider.training.translate(base).request, toAttempt(key, 1, live())),
      ),
      ...toCalls(
        'create',
        async ({ toAttempt }) => await provider.training.create({ model: 'x', training_file: 'file-1' }, toAttempt(key, 1, live())),
      ),
      ...toCalls('find', async ({ toAttempt }) => await provider.training.find({}, [prepared], toAttempt(key, 1, live()))),
      ...toCalls('fence', async ({ toAttempt }) => await provider.training.fence!(prepared, toAttempt(key, 1, live()))),
      'a key that is refused': async ({ sandbox, toAttempt }) => {
        sandbox.setSettings({ refuse: 'invalid_api_key' }, canaryKey);
        return await provider.training.create({ model: 'x', training_file: 'file-1' }, toAttempt(key, 1, live()));
      },
    },
    snapshot: async ({ sandbox }) => {
      const { bill, jobs, files } = sandbox.account(canaryKey);
      return await Promise.resolve({ bill, jobs, files });
    },
    secrets: [canaryKey],
  });

  testConformance(tests);
});
