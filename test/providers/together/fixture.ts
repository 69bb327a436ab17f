import { together } from '../../../providers/together/index.ts';
import type { CreateBody, Prepared } from '../../../providers/together/request.ts';
import type { DataFacts } from '../../../src/dataset/inspect.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import type { Sandbox, SandboxOptions } from '../../../src/sandbox/main.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { createTogetherRecorder } from '../../sandbox/together-schema.ts';
import { startSandbox } from '../../../src/sandbox/main.ts';
import { createContexts, createSteppedClock, facts, key } from '../stepped-context.ts';

export { facts, key };

/** A key like no other text, for an account of its own. */
export const canaryKey = 'sk-sandbox-canary-9f3a7c21e5';
export const model = 'Qwen/Qwen3-8B';

const plan = toMemoryPlan('a');

/** A job for Together. */
export function toInput(spec: Partial<RunSpec> = {}, change: Partial<TranslationInput> = {}): TranslationInput {
  const base = { ...plan.spec, target: 'chat', provider: 'together', model: { kind: 'service', name: model } as const };
  return { spec: { ...base, ...spec }, facts, model: { base: model, revision: null, maxLength: null }, key, ...change };
}

export const noFiles: Prepared = { trainingFile: 'file-1', validationFile: null, uploadedAt: null };

/** The body of a create call. */
export function buildBody(input: TranslationInput, prepared = noFiles, attempt = 1): CreateBody {
  const { translate, bind } = together.training;
  return bind(translate(input).request, prepared, input.key, attempt) as CreateBody;
}

/** A stand-in with a clock that the context's `wait` puts forward, held to the published document. */
export interface TogetherFixture extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly provider: typeof together;
  readonly folder: string;
  toAttempt(key?: string, attempt?: number, signal?: AbortSignal): Attempt;
  close(): Promise<void>;
}

export interface FixtureOptions extends SandboxOptions {
  readonly rows?: readonly Row[];
  readonly facts?: DataFacts;
}

export async function createTogetherFixture(options: FixtureOptions = {}): Promise<TogetherFixture> {
  const { rows: held, facts: known, ...sandboxOptions } = options;
  const clock = createSteppedClock((ms) => sandbox.step(ms));
  const { middleware, problems } = createTogetherRecorder();
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date(clock.now()), seed: 7, middleware, ...sandboxOptions });
  const values: Readonly<Record<string, string | null>> = { ...sandbox.togetherEnv, TOGETHER_API_KEY: canaryKey };
  const { folder, toAttempt, remove } = createContexts({ clock, values, rows: held, facts: known });
  const close = async (): Promise<void> => {
    const { hub, violations } = sandbox.account(canaryKey);
    await sandbox.close();
    remove();
    const found = [...problems, ...violations, ...hub.leakedTokens.map((leak) => `a key came to the storage: ${JSON.stringify(leak)}`)];
    if (found.length > 0) throw new Error(found.join('\n'));
  };
  return { sandbox, provider: together, folder, toAttempt, close, [Symbol.asyncDispose]: close };
}
