import { createHuggingFace } from '../../../providers/huggingface/index.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { createContexts, createSteppedClock, facts, key } from '../stepped-context.ts';
import { startHub, type HubServer, type Settings } from './hub-server.ts';

export { facts, key, rows } from '../stepped-context.ts';

/** A token like no other text. */
export const canaryToken = 'hf_canary9f3a7c21e5b84d60a1c2';

const plan = toMemoryPlan('a');

/** A job for a model of the Hub. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'hub', model: { kind: 'hub', name: 'acme/base', revision: null } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: 'hub:acme/base', revision: null, maxLength: null }, key, ...change };
}

export interface HubFixture extends AsyncDisposable {
  readonly hub: HubServer;
  readonly provider: Provider;
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  pass(ms: number): void;
  close(): Promise<void>;
}

export interface FixtureOptions extends Partial<Settings> {
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
  readonly environment?: Readonly<Record<string, string | null>>;
}

/** A Hub with a clock that the context's `wait` puts forward. */
export async function createHubFixture(options: FixtureOptions = {}): Promise<HubFixture> {
  const { rows: held, facts: known, environment = {}, ...settings } = options;
  const clock = createSteppedClock();
  const hub = await startHub(clock.now, settings);
  const values: Readonly<Record<string, string | null>> = { HF_ENDPOINT: hub.url, HF_TOKEN: canaryToken, ...environment };
  const { folder, toAttempt, remove } = createContexts({ clock, values, rows: held, facts: known });
  const close = async (): Promise<void> => {
    await hub.close();
    remove();
  };
  const provider = createHuggingFace({ quietMs: 60, allMs: 10_000 });
  return { hub, provider, folder, pass: clock.pass, toAttempt, close, [Symbol.asyncDispose]: close };
}
