import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { azureDialect } from '../../../providers/openai/azure.ts';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import { openaiDialect } from '../../../providers/openai/openai.ts';
import type { Attempt } from '../../../src/contract/context.ts';
import type { TranslationInput } from '../../../src/contract/provider.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import { Secret } from '../../../src/http.ts';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../../src/sandbox/start-sandbox.ts';
import type { RunSpec } from '../../../src/spec/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';

/** A key like no other text, for an account of its own. */
export const canaryKey = 'sk-sandbox-canary-9f3a7c21e5';

export const dialects: Readonly<Record<Dialect['id'], Dialect>> = { openai: openaiDialect, azure: azureDialect };

const plan = toMemoryPlan('a');

export const key = plan.key;
export const facts: DataFacts = { ...plan.facts, train: { ...plan.facts.train, rows: 12 } };

export const rows: readonly Row[] = Array.from({ length: 12 }, (_, i) => ({
  text: `the text of row ${i}`,
  label: i % 2 === 0 ? 'no' : 'yes',
}));

/** A job for a hosted model. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'big', model: { kind: 'service', name: 'gpt-4.1-mini-2025-04-14' } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: 'gpt-4.1-mini-2025-04-14', revision: null, maxLength: null }, key, ...change };
}

/** A stand-in of the services with a clock that the context's `wait` puts forward. */
export interface SandboxWorld extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly dialect: Dialect;
  /** Holds the work folder of each run. */
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  close(): Promise<void>;
}

export interface WorldOptions extends SandboxOptions {
  readonly dialect?: Dialect['id'];
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
  /** Settings and credentials beside those of the sandbox; null takes one away. */
  readonly environment?: Readonly<Record<string, string | null>>;
}

export async function createSandboxWorld(options: WorldOptions = {}): Promise<SandboxWorld> {
  const { dialect = 'openai', rows: held = rows, facts: known = facts, environment = {}, ...sandboxOptions } = options;
  let nowMs = Date.parse('2026-11-22T12:00:00Z');
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date(nowMs), seed: 7, ...sandboxOptions });
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const values: Readonly<Record<string, string | null>> = {
    ...sandbox.env,
    ...sandbox.azureEnv,
    OPENAI_API_KEY: canaryKey,
    AZURE_OPENAI_API_KEY: canaryKey,
    ...environment,
  };
  const close = async (): Promise<void> => {
    await sandbox.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    sandbox,
    dialect: dialects[dialect],
    folder,
    toAttempt(runKey = key, attempt = 1, signal = new AbortController().signal) {
      const workDir = join(folder, runKey);
      mkdirSync(workDir, { recursive: true });
      return {
        signal,
        now: () => new Date(nowMs),
        async wait(ms) {
          signal.throwIfAborted();
          nowMs += ms;
          sandbox.step(ms);
          await Promise.resolve();
        },
        setting: (name) => values[name] ?? null,
        credential: (name) => (values[name] == null ? null : new Secret(values[name])),
        key: runKey,
        attempt,
        workDir,
        facts: known,
        async *readRows() {
          yield* await Promise.resolve(held);
        },
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
