import { createOpenAICompatible, type OpenAICompatibleConfig } from '../../../providers/openai-compatible/index.ts';
import type { JobRef } from '../../../src/provider/job.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import type { FaultPlans } from '../../../src/sandbox/main.ts';
import type { ConformanceEnvironment, ConformanceTarget } from '../../../src/testing/index.ts';
import { canaryKey, configs, createSandboxFixture, key, noFiles, toInput, type SandboxFixture, type ServiceId } from './fixture.ts';
import { forward, startService } from './service.ts';

export type HostedEnvironment = ConformanceEnvironment & SandboxFixture & { readonly said: { word: string | null } };

const jobMs = 60_000;

/** A look at a job whose service says this word for its status. */
async function observeWord(
  config: OpenAICompatibleConfig,
  { job, cursor, word }: { readonly job: JobRef; readonly cursor: unknown; readonly word: string },
  context: Attempt,
): Promise<ReturnType<Provider['training']['observe']>> {
  await using relay = await startService(async (request) => {
    const answer = await forward(`${new URL(job.location).origin}${request.path}`, request);
    const isJob = /\/jobs\/[^/]+$/.test(request.path);
    return isJob && answer !== null ? { ...answer, body: { ...(JSON.parse(answer.body) as object), status: word } } : answer;
  });
  const location = `${relay.url}${new URL(job.location).pathname}`;
  const provider = createOpenAICompatible({ ...config, baseUrl: () => location });
  return await provider.training.observe({ ...job, location }, cursor, context);
}

/** Leads the provider to the sandbox where it needs another address or other credentials. */
export type Connect = (fixture: SandboxFixture) => Promise<{ readonly values: Readonly<Record<string, string>>; close(): Promise<void> }>;

const connectDirectly: Connect = async () => await Promise.resolve({ values: {}, close: async () => await Promise.resolve() });

async function createEnvironment(
  service: ServiceId,
  config: Partial<OpenAICompatibleConfig>,
  connect: Connect,
): Promise<HostedEnvironment> {
  const fixture = await createSandboxFixture({ service, config, settings: { jobMs } });
  const { values, close } = await connect(fixture);
  const toAttempt: SandboxFixture['toAttempt'] = (...args) => {
    const context = fixture.toAttempt(...args);
    return {
      ...context,
      setting: (name) => values[name] ?? context.setting(name),
      credential: (name) => (values[name] === undefined ? context.credential(name) : new Secret(values[name])),
    };
  };
  const { training } = fixture.provider;
  const said: HostedEnvironment['said'] = { word: null };
  // A job can be paused once it runs; the conformance test pauses it right after the creation.
  const create: Provider['training']['create'] = async (wire, context) => {
    const job = await training.create(wire, context);
    fixture.sandbox.step(jobMs * 0.3);
    return job;
  };
  const observe: Provider['training']['observe'] = async (job, cursor, context) =>
    said.word === null
      ? await training.observe(job, cursor, context)
      : await observeWord({ ...configs[service], ...config }, { job, cursor, word: said.word }, context);
  return {
    ...fixture,
    said,
    toAttempt,
    provider: { ...fixture.provider, training: { ...training, create, observe } },
    close: async () => {
      await close();
      await fixture.close();
    },
  };
}

const repeat = (type: string): readonly { readonly type: never }[] => Array.from({ length: 20 }, () => ({ type: type as never }));
const types = ['500-before', 'cut', 'html', 'drop-before', '429'] as const;
const failures: Readonly<Record<string, FaultPlans>> = Object.fromEntries(
  types.map((type) => {
    const faults = repeat(type);
    return [
      `a service that answers with "${type}"`,
      { upload: faults, file: faults, create: faults, list: faults, get: faults, delete: faults },
    ];
  }),
);

/** The provider of this service, held to the contract against the sandbox. */
export function createTarget({
  service,
  config = {},
  different,
  connect = connectDirectly,
}: {
  readonly service: ServiceId;
  /** Differences of the provider from that of the service. */
  readonly config?: Partial<OpenAICompatibleConfig>;
  readonly different: Readonly<Record<string, TranslationInput>>;
  readonly connect?: Connect;
}): ConformanceTarget<HostedEnvironment> {
  const provider = createOpenAICompatible({ ...configs[service], ...config });
  const { training } = provider;
  const base = toInput();
  const body = { model: 'x', training_file: 'file-1' };
  const calls: Readonly<Record<string, (context: Attempt) => Promise<unknown>>> = {
    prepare: async (context) => await training.prepare(training.translate(base).request, context),
    create: async (context) => await training.create(body, context),
    find: async (context) => await training.find({}, [noFiles], context),
    ...(training.fence === undefined ? {} : { fence: async (context: Attempt) => await training.fence!(noFiles, context) }),
  };
  const failing = Object.entries(calls).flatMap(([name, call]) =>
    Object.entries(failures).map(([label, faults]) => {
      const run = async ({ sandbox, toAttempt }: HostedEnvironment): Promise<unknown> => {
        sandbox.setFaults(faults, canaryKey);
        return await call(toAttempt(key, 1));
      };
      return [`${name} at ${label}`, run] as const;
    }),
  );
  return {
    provider,
    inputs: { base, different, same: { 'other tags': toInput({ tags: { team: 'search' } }) } },
    createEnvironment: async () => await createEnvironment(service, config, connect),
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
      const faults = repeat('hang-after');
      sandbox.setFaults({ upload: faults, file: faults, create: faults, list: faults, get: faults, events: faults }, canaryKey);
      await Promise.resolve();
    },
    failing: {
      ...Object.fromEntries(failing),
      'a key that is refused': async ({ sandbox, toAttempt }) => {
        sandbox.setSettings({ refuse: 'invalid_api_key' }, canaryKey);
        return await training.create(body, toAttempt(key, 1));
      },
    },
    snapshot: async ({ sandbox }) => {
      const { bill, jobs, files } = sandbox.account(canaryKey);
      return await Promise.resolve({ bill, jobs, files });
    },
    secrets: [canaryKey],
  };
}
