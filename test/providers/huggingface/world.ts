import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHuggingFace } from '../../../providers/huggingface/index.ts';
import type { Attempt } from '../../../src/contract/context.ts';
import type { Provider, TranslationInput } from '../../../src/contract/provider.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import { Secret } from '../../../src/http.ts';
import type { RunSpec } from '../../../src/spec/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { startHub, type HubServer, type Settings } from './hub-server.ts';

/** A token like no other text. */
export const canaryToken = 'hf_canary9f3a7c21e5b84d60a1c2';

const plan = toMemoryPlan('a');

export const key = plan.key;
export const facts: DataFacts = { ...plan.facts, train: { ...plan.facts.train, rows: 12 } };

export const rows: readonly Row[] = Array.from({ length: 12 }, (_, i) => ({
  text: `the text of row ${i}`,
  label: i % 2 === 0 ? 'no' : 'yes',
}));

/** A job for a model of the Hub. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'hub', model: { kind: 'hub', name: 'acme/base', revision: null } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: 'hub:acme/base', revision: null, maxLength: null }, key, ...change };
}

export interface HubWorld extends AsyncDisposable {
  readonly hub: HubServer;
  readonly provider: Provider;
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  pass(ms: number): void;
  close(): Promise<void>;
}

export interface WorldOptions extends Partial<Settings> {
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
  readonly environment?: Readonly<Record<string, string | null>>;
}

/** A Hub with a clock that the context's `wait` puts forward. */
export async function createHubWorld(options: WorldOptions = {}): Promise<HubWorld> {
  const { rows: held = rows, facts: known = facts, environment = {}, ...settings } = options;
  let nowMs = Date.parse('2026-11-22T12:00:00Z');
  const hub = await startHub(() => nowMs, settings);
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const values: Readonly<Record<string, string | null>> = { HF_ENDPOINT: hub.url, HF_TOKEN: canaryToken, ...environment };
  const close = async (): Promise<void> => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    hub,
    provider: createHuggingFace({ quietMs: 60, allMs: 10_000 }),
    folder,
    pass: (ms) => void (nowMs += ms),
    toAttempt(runKey = key, attempt = 1, signal = new AbortController().signal) {
      const workDir = join(folder, runKey);
      mkdirSync(workDir, { recursive: true });
      return {
        signal,
        now: () => new Date(nowMs),
        async wait(ms) {
          signal.throwIfAborted();
          nowMs += ms;
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
