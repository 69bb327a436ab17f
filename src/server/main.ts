/** Answers requests of OpenAI's API with one model until it is closed. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Failure } from '../errors.ts';
import type { Secret } from '../lib/redact.ts';
import { createApp, type Served } from './app.ts';
import type { GateLimits } from './gate.ts';

export type { Served } from './app.ts';

export interface ServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly host: string;
  /** What every request must show; null: nothing, which only this machine itself may be given. */
  readonly key: Secret | null;
  readonly limits?: Partial<GateLimits> | undefined;
  readonly now: () => Date;
  /** Is told what goes wrong, but for requests that are at fault themselves. */
  onFailure(error: unknown): void;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080/v1`. */
  readonly url: string;
  readonly names: readonly string[];
  /** Something that whoever asks should know; null: nothing. */
  readonly note: string | null;
  /** Takes no further requests, gives the others some time to end, and cuts them off then. */
  close(graceMs: number): Promise<void>;
}

const usualLimits = { concurrency: 4, waiting: 64, bodyBytes: 4 * 2 ** 20 };

export const defaultHost = '127.0.0.1';

/** Whether only this machine itself reaches a host. */
function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}

/** @throws Failure `usage` where other machines could ask without a key */
export function checkAddress({ host, key }: Pick<ServerOptions, 'host' | 'key'>): void {
  if (isLoopback(host) || key !== null) return;
  throw new Failure('usage', `other machines can ask a server at ${host}: expected a key with --key-name, found none`, {
    hint: 'put a secret into a variable, such as SERVE_KEY, and give its name: --key-name SERVE_KEY',
  });
}

/** @throws Failure as `checkAddress`, and `service-unavailable` where it cannot listen there */
export async function startServer(served: Served, options: ServerOptions): Promise<RunningServer> {
  checkAddress(options);
  const { host, port, key, limits, now, onFailure } = options;
  const cut = new AbortController();
  const app = createApp(served, {
    limits: { ...usualLimits, ...limits },
    key,
    isLoopback: isLoopback(host),
    now,
    signal: cut.signal,
    onFailure,
  });
  // Node's own Request and Response stay in their places: clients in this process have them, too.
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer();
  const open = new Set<ServerResponse>();
  server.on('request', (request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    void listener(request, response);
  });
  await listen(server, { host, port });
  const { address, port: chosen, family } = server.address() as AddressInfo;
  const name = isLoopback(host) || family === 'IPv4' ? host : `[${address}]`;
  return {
    url: `http://${name === '::1' ? '[::1]' : name}:${chosen}/v1`,
    names: served.names,
    note: served.model.note,
    async close(graceMs) {
      const closed = once(server, 'close');
      server.close();
      const ended = Promise.all([...open].map(async (response) => void (await once(response, 'close'))));
      await waitAtMost(ended, graceMs);
      cut.abort(new Failure('interrupted', 'the server is being stopped'));
      server.closeAllConnections();
      await closed;
      await served.model.close();
    },
  };
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('service-unavailable', `expected port ${port} of ${host} to be free: ${reason}`, {
      hint: 'name another one with --port; with --port 0 any that is free is taken',
      error,
    });
  }
}

async function waitAtMost(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
