import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './provider/context.ts';
import type { Provider } from './provider/provider.ts';
import { Failure } from './errors.ts';
import { Secret } from './lib/redact.ts';
import type { Driver, Workspace } from './run/workspace.ts';
import { openEmptyStore, openStore } from './store/open-store.ts';

export interface OrchestratorOptions {
  /** The state folder; absent: the nearest `.orchestrate` at or above `from`, or a new one in it. */
  readonly dir?: string;
  /** The current folder when absent. */
  readonly from?: string;
  /** Providers beside those that come with the program; one with the id of a built-in provider replaces it. */
  readonly providers?: readonly Provider[];
  /** False creates no state folder where there is none; plans and lists still work. */
  readonly mayCreateState?: boolean;
  /** Settings and credentials of the services, such as `OPENAI_API_KEY`; the environment of the process when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Is told, in one line, how far something is that takes long, such as the download of a model. */
  readonly onProgress?: (text: string) => void;
  /** Ends waiting; trainings continue. */
  readonly signal?: AbortSignal;
  /** The clock, for tests. */
  readonly now?: () => Date;
  /** A process that does not renew its lease for so long is considered dead, and another one continues with its run. */
  readonly leaseMs?: number;
}

/** The state, and what is loaded only when it is needed: commands that only read the state load no provider. */
export interface OpenWorkspace extends Omit<Workspace, 'provider'> {
  readProviders(): Promise<ReadonlyMap<string, Provider>>;
  load(): Promise<Workspace>;
  createDriver(choice?: Partial<Pick<Driver, 'mayCreate' | 'force' | 'isPatient' | 'context'>>): Promise<Driver>;
}

const defaultLeaseMs = 10_000;

/** @throws Failure of `openStore` */
export function openWorkspace(options: OrchestratorOptions): OpenWorkspace {
  const dir = options.dir === undefined ? findStateFolder(resolve(options.from ?? '.')) : resolve(options.dir);
  const isEmpty = options.mayCreateState === false && !existsSync(dir);
  const state = {
    store: isEmpty ? openEmptyStore() : openStore(dir),
    dir,
    context: createContext(options),
    owner: `process ${process.pid} on ${hostname()}`,
    leaseMs: options.leaseMs ?? defaultLeaseMs,
  };
  const readProviders = async (): Promise<ReadonlyMap<string, Provider>> => {
    const { providers } = await import('../providers/index.ts');
    return new Map([...providers, ...(options.providers ?? [])].map((provider) => [provider.id, provider]));
  };
  const bringData: Workspace['bringData'] = async (source, context) => {
    for (const { account } of (await readProviders()).values()) if (account?.bringData) return await account.bringData(source, context);
    throw new Failure('job-file-invalid', `expected a file, found ${source}, which no provider can bring here`);
  };
  const load = async (): Promise<Workspace> => {
    const known = await readProviders();
    return {
      ...state,
      bringData,
      provider(id, target) {
        const provider = known.get(id);
        if (provider !== undefined) return provider;
        const ids = [...known.keys()].join(', ');
        throw new Failure('job-file-invalid', `targets.${target}: expected a provider that is one of ${ids}, found "${id}"`);
      },
    };
  };
  return {
    ...state,
    bringData,
    readProviders,
    load,
    createDriver: async (choice) => ({ ...(await load()), random: Math.random, mayCreate: false, ...choice }),
  };
}

/** The nearest state folder at or above `from`, else the path of a new one. */
function findStateFolder(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.orchestrate'))) return join(folder, '.orchestrate');
    if (folder === dirname(folder)) return join(from, '.orchestrate');
  }
}

function createContext({
  signal = new AbortController().signal,
  now = () => new Date(),
  environment = process.env,
  onProgress,
}: OrchestratorOptions): Context {
  const setting = (name: string): string | null => environment[name]?.trim() || null; // an empty value is no value
  return {
    signal,
    now,
    wait: async (ms) => await sleep(ms, undefined, { signal }),
    ...(onProgress === undefined ? {} : { report: onProgress }),
    setting,
    credential(name) {
      const value = setting(name);
      if (value !== null) checkCredential(name, value);
      return value === null ? null : new Secret(value);
    },
  };
}

/** Keys are copied from documents, which change hyphens and quotes. @throws Failure `credentials-invalid`, without the value */
function checkCredential(name: string, value: string): void {
  const at = value.trim().search(/[^\x21-\x7e]/);
  if (at < 0) return;
  const found = /\s/.test(value.trim()[at]!) ? 'white space' : 'a character that no key has, such as a typographic dash or quote,';
  throw new Failure(
    'credentials-invalid',
    `${name}: expected a key of plain letters, digits and signs, found ${found} as character ${at + 1}`,
    {
      hint: 'copy the key from where the service shows it, not from a document; nothing was sent',
    },
  );
}

/** The same context with a signal that never aborts: what costs by the hour is ended even if the user has interrupted the command. */
export function toUninterruptible(context: Context): Context {
  return { ...context, signal: new AbortController().signal, wait: async (ms) => await sleep(ms) };
}

/** How much longer than asked a request may take that was sent before: a service that answers is heard to its end. */
const defaultGraceMs = 1000;

/** A context that ends after some time, also while a service hangs. */
export interface LimitedContext extends Disposable {
  readonly context: Context;
  /** Whether the time is over; the caller's own signal is another thing. */
  isOver(): boolean;
  /** Waits so long, or until the time is over. */
  pause(ms: number): Promise<void>;
}

/** @param timeoutMs undefined: without end */
export function limitTime(context: Context, timeoutMs: number | undefined, graceMs = defaultGraceMs): LimitedContext {
  const until = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
  const controller = new AbortController();
  const end = (): void => controller.abort(new Failure('timeout', 'not finished within the time'));
  const longestTimerMs = 2 ** 31 - 1;
  const timer = timeoutMs === undefined ? null : setTimeout(end, Math.min(timeoutMs + graceMs, longestTimerMs));
  const signal = AbortSignal.any([context.signal, controller.signal]);
  return {
    context: { ...context, signal, wait: async (ms) => await sleep(ms, undefined, { signal }) },
    isOver: () => performance.now() >= until,
    pause: async (ms) => await context.wait(Math.max(0, Math.min(ms, until - performance.now()))),
    [Symbol.dispose]: () => void (timer !== null && clearTimeout(timer)),
  };
}
