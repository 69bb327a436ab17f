import type { JobRef } from '../../../src/provider/job.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import { together } from '../../../providers/together/index.ts';
import type { FaultPlans } from '../../../src/sandbox/main.ts';
import { contractTests, type ConformanceEnvironment, type ConformanceTarget } from '../../../src/testing/index.ts';
import { forward, startService } from '../openai-compatible/service.ts';
import { testConformance } from '../../testing/test-conformance.ts';
import { canaryKey, createTogetherFixture, facts, key, model, noFiles, toInput, type TogetherFixture } from './fixture.ts';

type Environment = ConformanceEnvironment & TogetherFixture & { readonly said: { word: string | null } };

const jobMs = 60_000;

/** A look at a job whose service says this word for its status. */
async function observeWord(
  { job, cursor, word }: { job: JobRef; cursor: unknown; word: string },
  context: Attempt,
): ReturnType<Provider['training']['observe']> {
  await using relay = await startService(async (request) => {
    const answer = await forward(`${new URL(job.location).origin}${request.path}`, request);
    const isJob = /\/fine-tunes\/[^/]+$/.test(request.path);
    return isJob && answer !== null ? { ...answer, body: { ...(JSON.parse(answer.body) as object), status: word } } : answer;
  });
  const location = `${relay.url}${new URL(job.location).pathname}`;
  const setting = (name: string): string | null => (name === 'TOGETHER_BASE_URL' ? location : context.setting(name));
  return await together.training.observe({ ...job, location }, cursor, { ...context, setting });
}

async function createEnvironment(): Promise<Environment> {
  const fixture = await createTogetherFixture({ settings: { jobMs } });
  const said: Environment['said'] = { word: null };
  const observe: Provider['training']['observe'] = async (job, cursor, context) =>
    said.word === null
      ? await together.training.observe(job, cursor, context)
      : await observeWord({ job, cursor, word: said.word }, context);
  return { ...fixture, said, provider: { ...together, training: { ...together.training, observe } } };
}

const repeat = (type: string): readonly { readonly type: never }[] => Array.from({ length: 20 }, () => ({ type: type as never }));
const kinds = ['upload', 'upload-put', 'preprocess', 'file', 'create', 'list', 'get', 'delete', 'events'] as const;
const plan = (type: string): FaultPlans => Object.fromEntries(kinds.map((kind) => [kind, repeat(type)]));

const base = toInput();
const { training } = together;
const calls: Readonly<Record<string, (context: Attempt) => Promise<unknown>>> = {
  prepare: async (context) => await training.prepare(training.translate(base).request, context),
  create: async (context) => await training.create({ model, training_file: 'file-1' }, context),
  find: async (context) => await training.find({}, [noFiles], context),
  fence: async (context) => await training.fence!(noFiles, context),
};
const failing = Object.entries(calls).flatMap(([name, call]) =>
  ['500-before', 'cut', 'html', 'drop-before', '429'].map((type) => {
    const run = async ({ sandbox, toAttempt }: Environment): Promise<unknown> => {
      sandbox.setFaults(plan(type), canaryKey);
      return await call(toAttempt(key, 1));
    };
    return [`${name} at a service that answers with "${type}"`, run] as const;
  }),
);

const different: Readonly<Record<string, TranslationInput>> = {
  epochs: toInput({ training: { epochs: 2 } }),
  'another batch': toInput({ training: { batchSize: 8 } }),
  'another rate': toInput({ training: { learningRate: 2e-5 } }),
  'another seed': toInput({ training: { seed: 2 } }),
  'another rank': toInput({ training: { adapter: { type: 'lora', rank: 4 } } }),
  'all weights': toInput({ training: { adapter: { type: 'full' } } }),
  'all tokens': toInput({ training: { loss: 'all' } }),
  'another schedule': toInput({ training: { schedule: 'linear' } }),
  checkpoints: toInput({ options: { checkpoints: 3 } }),
  'a prompt': toInput({ prompt: { system: 'Sort it.' } }),
  chats: toInput({ task: 'chat' }),
  preferences: toInput({ task: 'preference' }),
  'a raw field': toInput({ native: { packing: false } }),
  'another model': toInput({ model: { kind: 'service', name: 'meta-llama/Meta-Llama-3.1-8B-Instruct-Reference' } }),
  'other labels': toInput({}, { facts: { ...facts, labels: ['no', 'other', 'yes'] } }),
};

const target: ConformanceTarget<Environment> = {
  provider: together,
  inputs: { base, different, same: { 'other tags': toInput({ tags: { team: 'search' } }) } },
  createEnvironment,
  ends: {
    succeeded: {},
    failed: {
      bring: async ({ sandbox }) => {
        sandbox.setSettings({ jobMs, jobError: { code: 'invalid_training_file', message: 'line 3' } }, canaryKey);
        await Promise.resolve();
      },
    },
    cancelled: { bring: async ({ toAttempt }, job) => await training.cancel!(job, toAttempt(key, 1)) },
  },
  say: async ({ said }, _job, word) => {
    said.word = word;
    await Promise.resolve();
  },
  stall: async ({ sandbox }) => {
    sandbox.setFaults(plan('hang-after'), canaryKey);
    await Promise.resolve();
  },
  failing: {
    ...Object.fromEntries(failing),
    'a key that is refused': async ({ sandbox, toAttempt }) => {
      sandbox.setSettings({ refuse: 'invalid_api_key' }, canaryKey);
      return await training.create({ model, training_file: 'file-1' }, toAttempt(key, 1));
    },
  },
  snapshot: async ({ sandbox }) => {
    const { bill, together: found } = sandbox.account(canaryKey);
    return await Promise.resolve({ bill, found });
  },
  secrets: [canaryKey],
};

testConformance(contractTests(target));
