import { afterEach, beforeEach, expect } from 'vitest';
import type { HttpFault } from '../../../src/provider/http-fault.ts';
import { createFetch, Secret, type Fetch, type FetchOptions } from '../../../src/provider-kit/http.ts';
import { startMisbehavingServer, type MisbehavingServer } from './misbehaving-server.ts';

export const key = 'key-0f1e2d3c4b5a69788796';

export const good: HttpFault = { kind: 'answer', status: 200, body: '{"ok":true}' };

/** A new one for each test of a file that calls `useServer`. */
export let server: MisbehavingServer;

/** The pauses between tries so far, in ms. */
export let pauses: number[];

export function useServer(): void {
  beforeEach(async () => {
    pauses = [];
    server = await startMisbehavingServer();
  });
  afterEach(async () => {
    await server.close();
  });
}

export function create(options: FetchOptions = {}): Fetch {
  const wait = async (ms: number): Promise<void> => await Promise.resolve(void pauses.push(ms));
  return createFetch({ origin: server.origin, secrets: [new Secret(key)], wait, random: () => 1, ...options });
}

export async function toError(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    (value) => expect.fail(`expected a failure, found ${String(value)}`),
    (error: unknown) => error,
  );
}

export function answer(status: number, headers: Record<string, string> = {}, body = '{"error":{"message":"no"}}'): HttpFault {
  return { kind: 'answer', status, headers, body };
}
