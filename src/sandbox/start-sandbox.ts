import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { toAccount, type Account } from './account.ts';
import { createRealClock, createSteppedClock } from './clock.ts';
import { setFaults, setSettings } from './control.ts';
import { toAccountName } from './resolve-service.ts';
import type { FaultPlans } from './faults.ts';
import { serveStorage } from './hub/serve-storage.ts';
import type { TrainModel } from './hub/train-model.ts';
import { serve } from './serve.ts';
import type { Service } from './service.ts';
import type { Settings } from './settings.ts';
import { createServiceAccount, type ServiceAccount } from './service-account.ts';

export interface SandboxOptions {
  /** 0 or absent: any that is free. */
  readonly port?: number;
  readonly now?: () => Date;
  /** `stepped`: time begins at `now` and moves by `step` alone. */
  readonly clock?: 'real' | 'stepped';
  /** Of identifiers, seeds and curves; absent: another one each time. */
  readonly seed?: number;
  /** The faults of every new account. */
  readonly faults?: FaultPlans;
  /** The settings of every new account, where they differ from the usual ones. */
  readonly settings?: Partial<Settings>;
  /** Most items of a page (default 100). */
  readonly pageSize?: number;
  /** Trains the classifiers of the Hub's jobs; absent: those jobs fail. */
  readonly trainModel?: TrainModel;
}

/** A running sandbox. Keys are optional: without one the account of `env` is meant. */
export interface Sandbox extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Another origin, where the Hub's large files lie. */
  readonly storageUrl: string;
  /** What the official clients of OpenAI and of the Hub read. */
  readonly env: {
    readonly OPENAI_BASE_URL: string;
    readonly OPENAI_API_KEY: string;
    readonly HF_ENDPOINT: string;
    readonly HF_TOKEN: string;
  };
  /** What the official client reads for Azure, and what its management service is asked with. */
  readonly azureEnv: {
    readonly AZURE_OPENAI_ENDPOINT: string;
    readonly AZURE_OPENAI_API_KEY: string;
    readonly AZURE_MANAGEMENT_URL: string;
    readonly AZURE_MANAGEMENT_TOKEN: string;
    readonly AZURE_SUBSCRIPTION_ID: string;
    readonly AZURE_RESOURCE_GROUP: string;
    readonly AZURE_ACCOUNT: string;
  };
  /** Puts the clock forward. */
  step(ms: number): void;
  /** A copy of what has come of the account so far. */
  account(apiKey?: string): Account;
  setFaults(faults: FaultPlans, apiKey?: string): void;
  setSettings(settings: Partial<Settings>, apiKey?: string): void;
  close(): Promise<void>;
}

const ownKey = 'sk-sandbox-rehearsal';
const ownToken = 'hf_sandbox_rehearsal';

/** Starts a stand-in of the OpenAI API, of Azure's, and of the Hugging Face Hub with its jobs on the loopback interface. It keeps nothing on disk. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const [server, storage] = [createServer(), createServer()];
  const storageUrl = await listen(storage, 0);
  const url = await listen(server, options.port ?? 0).catch((error: unknown) => {
    storage.close();
    throw error;
  });
  const closing = new AbortController();
  const service = createService(options, { url, storageUrl, signal: closing.signal });
  server.on('request', (request, response) => void serve(service, request, response).catch(() => response.destroy()));
  storage.on('request', (request, response) => void serveStorage(service, request, response).catch(() => response.destroy()));
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all([server, storage].map(closeServer));
  };
  const { clock, findAccount } = service;
  return {
    url,
    storageUrl,
    env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: ownKey, HF_ENDPOINT: url, HF_TOKEN: ownToken },
    azureEnv: {
      AZURE_OPENAI_ENDPOINT: url,
      AZURE_OPENAI_API_KEY: ownKey,
      AZURE_MANAGEMENT_URL: url,
      AZURE_MANAGEMENT_TOKEN: ownKey,
      AZURE_SUBSCRIPTION_ID: 'sandbox',
      AZURE_RESOURCE_GROUP: 'sandbox',
      AZURE_ACCOUNT: 'sandbox',
    },
    step: (ms) => clock.step(ms),
    account: (apiKey = ownKey) => toAccount(service, findAccount(apiKey)),
    setFaults: (faults, apiKey = ownKey) => setFaults(findAccount(apiKey), faults),
    setSettings: (settings, apiKey = ownKey) => setSettings(findAccount(apiKey), settings, clock.nowMs()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Its address. @throws the system's error where the port is taken */
async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function createService(options: SandboxOptions, own: Pick<Service, 'url' | 'storageUrl' | 'signal'>): Service {
  const { now = () => new Date(), seed = randomInt(2 ** 31), faults = {}, settings = {}, pageSize = 100, trainModel = null } = options;
  const clock = options.clock === 'stepped' ? createSteppedClock(now()) : createRealClock(now);
  const worlds = new Map<string, ServiceAccount>();
  const findAccount = (key: string): ServiceAccount => {
    const name = toAccountName(key);
    const found = worlds.get(name);
    if (found !== undefined) return found;
    const account = createServiceAccount(name, seed, faults);
    setSettings(account, settings, clock.nowMs());
    worlds.set(name, account);
    return account;
  };
  return { ...own, clock, pageSize, trainModel, findAccount, peekAccount: (name) => worlds.get(name) };
}
