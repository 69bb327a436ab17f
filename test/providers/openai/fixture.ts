import { azureDialect } from '../../../providers/openai/azure.ts';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import { openaiDialect } from '../../../providers/openai/openai.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { Sandbox, SandboxOptions } from '../../../src/sandbox/main.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { startCheckedSandbox } from '../../sandbox/openapi.ts';
import { createContexts, createSteppedClock, facts, key } from '../stepped-context.ts';

export { facts, key, rows } from '../stepped-context.ts';

/** A key like no other text, for an account of its own. */
export const canaryKey = 'sk-sandbox-canary-9f3a7c21e5';

export const dialects: Readonly<Record<Dialect['id'], Dialect>> = { openai: openaiDialect, azure: azureDialect };

const plan = toMemoryPlan('a');

/** A job for a hosted model. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'big', model: { kind: 'service', name: 'gpt-4.1-mini-2025-04-14' } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: 'gpt-4.1-mini-2025-04-14', revision: null, maxLength: null }, key, ...change };
}

/** A stand-in of the services with a clock that the context's `wait` puts forward. Its end fails where a request or an answer was not as published. */
export interface SandboxFixture extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly dialect: Dialect;
  /** Holds the work folder of each run. */
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  close(): Promise<void>;
}

export interface FixtureOptions extends SandboxOptions {
  readonly dialect?: Dialect['id'];
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
  /** Settings and credentials beside those of the sandbox; null takes one away. */
  readonly environment?: Readonly<Record<string, string | null>>;
}

export async function createSandboxFixture(options: FixtureOptions = {}): Promise<SandboxFixture> {
  const { dialect = 'openai', rows: held, facts: known, environment = {}, ...sandboxOptions } = options;
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
  return { sandbox, dialect: dialects[dialect], folder, toAttempt, close, [Symbol.asyncDispose]: close };
}
