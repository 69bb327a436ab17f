import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { toAccount, type Account } from './account.ts';
import { createRealClock, createSteppedClock } from './clock.ts';
import { setFaults, setSettings } from './control.ts';
import type { FaultPlans } from './faults.ts';
import { serve } from './serve.ts';
import type { Service } from './service.ts';
import type { Settings } from './settings.ts';
import { createWorld, type World } from './world.ts';

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
}

/** A running sandbox. Keys are optional: without one the account of `env` is meant. */
export interface Sandbox extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** What the official client of OpenAI reads. */
  readonly env: { readonly OPENAI_BASE_URL: string; readonly OPENAI_API_KEY: string };
  /** What the official client reads for Azure. */
  readonly azureEnv: { readonly AZURE_OPENAI_ENDPOINT: string; readonly AZURE_OPENAI_API_KEY: string };
  /** Puts the clock forward. */
  step(ms: number): void;
  /** A copy of what has come of the account so far. */
  account(apiKey?: string): Account;
  setFaults(faults: FaultPlans, apiKey?: string): void;
  setSettings(settings: Partial<Settings>, apiKey?: string): void;
  close(): Promise<void>;
}

const ownKey = 'sk-sandbox-rehearsal';

/** Starts a stand-in of the OpenAI API, and of Azure's, on the loopback interface. It keeps nothing on disk. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const service = createService(options);
  const server = createServer((request, response) => {
    serve(service, request, response).catch(() => response.destroy());
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const { clock, findWorld } = service;
  return {
    url,
    env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: ownKey },
    azureEnv: { AZURE_OPENAI_ENDPOINT: url, AZURE_OPENAI_API_KEY: ownKey },
    step: (ms) => clock.step(ms),
    account: (apiKey = ownKey) => toAccount(findWorld(apiKey), clock.nowMs()),
    setFaults: (faults, apiKey = ownKey) => setFaults(findWorld(apiKey), faults),
    setSettings: (settings, apiKey = ownKey) => setSettings(findWorld(apiKey), settings, clock.nowMs()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function createService(options: SandboxOptions): Service {
  const { now = () => new Date(), seed = randomInt(2 ** 31), faults = {}, settings = {}, pageSize = 100 } = options;
  const clock = options.clock === 'stepped' ? createSteppedClock(now()) : createRealClock(now);
  const worlds = new Map<string, World>();
  const findWorld = (apiKey: string): World => {
    const found = worlds.get(apiKey);
    if (found !== undefined) return found;
    const world = createWorld(apiKey.replace('sk-sandbox-', ''), seed, faults);
    setSettings(world, settings, clock.nowMs());
    worlds.set(apiKey, world);
    return world;
  };
  return { clock, pageSize, findWorld };
}
