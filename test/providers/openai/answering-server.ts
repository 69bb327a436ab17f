import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Dialect } from '../../../providers/openai/dialect.ts';
import type { Context } from '../../../src/provider/context.ts';
import { Secret } from '../../../src/provider-kit/http.ts';
import { canaryKey } from './fixture.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Parsed; null where there is none. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

export interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is where it is a text, else as JSON. */
  readonly body: unknown;
}

export interface AnsweringServer extends AsyncDisposable {
  readonly asked: Asked[];
  /** A context whose service this is; `wait` only notes what it is asked for. */
  toContext(change?: Partial<Context>): Context;
  readonly waits: number[];
  getBaseUrl(dialect: Dialect): string;
}

/** When the jobs of tests were created, in Unix seconds. */
export const createdAt = Date.parse('2026-11-22T12:00:00Z') / 1000;

/** A loopback server whose answers a test makes up; `null` breaks the connection. */
export async function startAnsweringServer(answer: (asked: Asked) => Promise<Said | null> | Said | null): Promise<AnsweringServer> {
  const asked: Asked[] = [];
  const waits: number[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://service');
      const sent = await text(request);
      const one = {
        method: request.method ?? '',
        path: pathname,
        query: searchParams,
        body: sent === '' ? null : (JSON.parse(sent) as Record<string, unknown>),
      };
      asked.push(one);
      const said = await answer(one);
      if (said === null) return response.destroy();
      const { status = 200, headers = {}, body } = said;
      return response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(typeof body === 'string' ? body : JSON.stringify(body));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings: Readonly<Record<string, string>> = { OPENAI_BASE_URL: `${url}/v1`, AZURE_OPENAI_ENDPOINT: url };
  const toContext = (change: Partial<Context> = {}): Context => ({
    signal: new AbortController().signal,
    now: () => new Date((createdAt + 600) * 1000),
    wait: async (ms) => await Promise.resolve(void waits.push(ms)),
    setting: (name) => settings[name] ?? null,
    credential: (name) => (name.endsWith('_KEY') ? new Secret(canaryKey) : null),
    ...change,
  });
  return {
    asked,
    waits,
    toContext,
    getBaseUrl: (dialect) => dialect.getBaseUrl(toContext()),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
