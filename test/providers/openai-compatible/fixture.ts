import { config as azureConfig } from '../../../providers/azure/config.ts';
import { azure } from '../../../providers/azure/index.ts';
import { config as openaiConfig, openai } from '../../../providers/openai/index.ts';
import { createOpenAICompatible, type OpenAICompatibleConfig } from '../../../providers/openai-compatible/index.ts';
import type { CreateBody, Prepared } from '../../../providers/openai-compatible/request.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { Sandbox, SandboxOptions } from '../../../src/sandbox/main.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { startCheckedSandbox } from '../../sandbox/openapi.ts';
import { createContexts, createSteppedClock, facts, key, rows } from '../stepped-context.ts';

export { facts, key, rows };

/** A key like no other text, for an account of its own. */
export const canaryKey = 'sk-sandbox-canary-9f3a7c21e5';

export type ServiceId = 'openai' | 'azure';

export const services = ['openai', 'azure'] as const;
export const configs: Readonly<Record<ServiceId, OpenAICompatibleConfig>> = { openai: openaiConfig, azure: azureConfig };
export const providers: Readonly<Record<ServiceId, Provider>> = { openai, azure };

const plan = toMemoryPlan('a');

/** A job for a hosted model. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'big', model: { kind: 'service', name: 'gpt-4.1-mini-2025-04-14' } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: 'gpt-4.1-mini-2025-04-14', revision: null, maxLength: null }, key, ...change };
}

export const noFiles: Prepared = { trainingFile: 'file-1', validationFile: null };

/** The body of a create call. */
export function buildBody(input: TranslationInput, provider = openai, { prepared = noFiles, attempt = 1 } = {}): CreateBody {
  const { translate, bind } = provider.training;
  return bind(translate(input).request, prepared, input.key, attempt) as CreateBody;
}

/** When the jobs of tests were created, in Unix seconds; ten minutes before the clock of `createContext`. */
export const createdAt = Date.parse('2026-11-22T12:00:00Z') / 1000;

/** A context of a service at this address; its clock stands still, and its waits take no time. */
export function createContext(url: string, change: Partial<Attempt> & { readonly deadlineMs?: number } = {}): Attempt {
  const { deadlineMs, signal = new AbortController().signal, ...rest } = change;
  const settings: Readonly<Record<string, string>> = {
    OPENAI_BASE_URL: `${url}/v1`,
    AZURE_OPENAI_ENDPOINT: url,
    ...(deadlineMs === undefined ? {} : { ORCHESTRATE_REQUEST_SECONDS: String(deadlineMs / 1000) }),
  };
  return {
    signal,
    now: () => new Date((createdAt + 600) * 1000),
    wait: async () => await Promise.resolve(signal.throwIfAborted()),
    setting: (name) => settings[name] ?? null,
    credential: (name) => (name.endsWith('_KEY') ? new Secret(canaryKey) : null),
    key,
    attempt: 1,
    workDir: '/nowhere',
    facts,
    async *readRows() {
      yield* await Promise.resolve(rows);
    },
    ...rest,
  };
}

/** A stand-in of the services with a clock that the context's `wait` puts forward. */
export interface SandboxFixture extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly id: ServiceId;
  readonly provider: Provider;
  /** Holds the work folder of each run. */
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  close(): Promise<void>;
}

export interface FixtureOptions extends SandboxOptions {
  readonly service?: ServiceId;
  /** Differences of the provider from that of the service. */
  readonly config?: Partial<OpenAICompatibleConfig>;
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
  /** Settings and credentials beside those of the sandbox; null takes one away. */
  readonly environment?: Readonly<Record<string, string | null>>;
}

export async function createSandboxFixture(options: FixtureOptions = {}): Promise<SandboxFixture> {
  const { service: id = 'openai', config, rows: held, facts: known, environment = {}, ...sandboxOptions } = options;
  const clock = createSteppedClock((ms) => sandbox.step(ms));
  const sandbox = await startCheckedSandbox({ clock: 'stepped', now: () => new Date(clock.now()), seed: 7, ...sandboxOptions });
  const values: Readonly<Record<string, string | null>> = {
    ...sandbox.env,
    ...sandbox.azureEnv,
    OPENAI_API_KEY: canaryKey,
    AZURE_OPENAI_API_KEY: canaryKey,
    ...environment,
  };
  const { folder, toAttempt, remove } = createContexts({ clock, values, rows: held, facts: known });
  const close = async (): Promise<void> => {
    await sandbox.close();
    remove();
  };
  const provider = config === undefined ? providers[id] : createOpenAICompatible({ ...configs[id], ...config });
  return { sandbox, id, provider, folder, toAttempt, close, [Symbol.asyncDispose]: close };
}
