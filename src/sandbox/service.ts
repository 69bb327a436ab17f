import { createHash } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { z } from 'zod';
import { toStreamKey, toUint32 } from '../lib/random.ts';
import type { Clock } from './clock.ts';
import { Milliseconds, type FaultPlans, type RequestKind } from './faults.ts';
import { createHubState, type HubState, type Repo, type Stage } from './hub/state.ts';
import type { TrainModel } from './hub/train-model.ts';
import type { Dialect } from './openai/dialects.ts';
import { createOpenAIState, type OpenAIState } from './openai/state.ts';
import { createTogetherState, type TogetherState } from './together/state.ts';

/** How the services treat one account, beside faults. */
export const Settings = z.strictObject({
  /** From the creation of a job to its end on the clock. */
  jobMs: Milliseconds,
  /** Jobs go on by being retrieved instead of by the clock: after so many retrievals they have ended. */
  polls: z.int().min(1).nullable(),
  /** A created job is listed only after so many ms. */
  listLagMs: Milliseconds,
  /** An error that every creation of a job gets. */
  refuse: z
    .enum([
      ...(['training_not_available', 'model_not_available', 'insufficient_quota'] as const),
      ...(['rate_limit_exceeded', 'invalid_api_key', 'server_error'] as const),
    ])
    .nullable(),
  /** Jobs end with this error instead of with a model. */
  jobError: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  /** Jobs succeed without a model, as when a safety check blocks it. */
  blockModel: z.boolean(),
  /** At the Hub: jobs fail and say that they have ended well, with a traceback in their log and no model. */
  hiddenFailure: z.boolean(),
  /** So many jobs of other people are in the list; they run for ever and cost nothing. */
  otherJobs: z.int().min(0).max(1000),
  /** At Together: the list of jobs ends after so many. */
  listCap: z.int().min(1).nullable(),
  /** At Together: each job is started anew by the service, under another identifier, when half of its time is over. */
  restartJobs: z.boolean(),
  /** At Together: no price is estimated. */
  hidePrice: z.boolean(),
});
export type Settings = Readonly<z.infer<typeof Settings>>;

const defaultSettings: Settings = {
  jobMs: 4000,
  polls: null,
  listLagMs: 0,
  refuse: null,
  jobError: null,
  blockModel: false,
  hiddenFailure: false,
  otherJobs: 0,
  listCap: null,
  restartJobs: false,
  hidePrice: false,
};

type Texts = Readonly<Record<string, string>>;

/** What an account is charged for. */
export type BillEntry = { readonly at: string } & (
  | {
      readonly kind: 'job';
      readonly job: string;
      readonly model: string;
      readonly trainingFile: string;
      readonly metadata: Texts | null;
    }
  | { readonly kind: 'chat'; readonly model: string; readonly promptTokens: number; readonly completionTokens: number }
  | { readonly kind: 'deployment'; readonly deployment: string; readonly model: string; readonly sku: string }
  /** Hours are charged whole; on the developer tier there are none. */
  | { readonly kind: 'deployment-end'; readonly deployment: string; readonly hours: number }
  /** A job of the Hub was created; its end says what it costs. */
  | { readonly kind: 'hub-job'; readonly job: string; readonly flavor: string; readonly labels: Texts; readonly environment: Texts }
  /** `seconds`: how long its machine ran; `trained`: whether a training had begun in it. */
  | {
      readonly kind: 'hub-job-end';
      readonly job: string;
      readonly stage: Stage;
      readonly seconds: number;
      readonly usd: number;
      readonly trained: boolean;
    }
);

export interface RequestEntry {
  readonly at: string;
  readonly kind: RequestKind;
  /** The type of its fault; null: none was planned. */
  readonly fault: string | null;
}

/** All that belongs to one API key. */
export interface AccountState {
  readonly name: string;
  readonly bill: BillEntry[];
  readonly requests: RequestEntry[];
  /** Errors of the sandbox itself; must stay empty. */
  readonly violations: string[];
  readonly openai: OpenAIState;
  readonly hub: HubState;
  readonly together: TogetherState;
  settings: Settings;
  faults: FaultPlans;
  /** How often each kind was asked for since the faults were set. */
  used: Partial<Record<RequestKind, number>>;
  /** A new identifier that begins so. */
  nextId(prefix: string): string;
  /** A new identifier of so many hexadecimal digits, 40 at most. */
  nextHex(digits: number): string;
  /** A new seed, 0 … 2³¹ - 1. */
  nextSeed(): number;
}

/** What all accounts of one sandbox share. */
export interface Service {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The Hub's storage: another origin, which must never see a token. */
  readonly storageUrl: string;
  readonly clock: Clock;
  /** Most items of a page. */
  readonly pageSize: number;
  /** Trains classifiers; null: their jobs fail. */
  readonly trainModel: TrainModel | null;
  /** Public models of the Hub that have weights, by name. */
  readonly models: ReadonlyMap<string, Repo>;
  /** Aborts when the sandbox closes. */
  readonly signal: AbortSignal;
  /** Around every request that is carried out, inside of planned faults. */
  readonly middleware: MiddlewareHandler<SandboxEnv>;
  /** The account of a key or token, new at first use. */
  findAccount(key: string): AccountState;
  /** The account of this name, if it was ever used. */
  peekAccount(name: string): AccountState | undefined;
}

/** What a request has with it on its way to a handler. */
export interface SandboxEnv {
  readonly Bindings: HttpBindings;
  readonly Variables: {
    service: Service;
    account: AccountState;
    /** Of requests to OpenAI or Azure. */
    dialect: Dialect;
    /** Of requests to the Hub: whether they show no token. */
    isAnonymous: boolean;
  };
}

export type SandboxContext = Context<SandboxEnv>;

/** Whether a text is a token of the Hub that the sandbox accepts. */
export function isHubToken(text: string): boolean {
  return /^hf_sandbox_[\w-]{1,100}$/.test(text);
}

/** The account that a key, or a token of the Hub, opens: the same for both. */
export function getAccountName(key: string): string {
  return key.replace(/^(?:sk-sandbox-|hf_sandbox_)/, '');
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function createAccount(name: string, seed: number, faults: FaultPlans): AccountState {
  const key = toStreamKey(seed, name);
  let count = 0;
  const nextId = (prefix: string): string =>
    prefix + Array.from({ length: 22 }, () => letters[toUint32(key, count++) % letters.length]!).join('');
  return {
    name,
    bill: [],
    requests: [],
    violations: [],
    openai: createOpenAIState(),
    hub: createHubState(),
    together: createTogetherState(),
    settings: defaultSettings,
    faults,
    used: {},
    nextId,
    nextHex: (digits) => createHash('sha1').update(nextId('')).digest('hex').slice(0, digits),
    nextSeed: () => toUint32(key, count++) >>> 1,
  };
}
