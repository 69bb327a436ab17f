import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A request on its way through, just before it goes on or just after its answer has come back whole. */
export interface Passing {
  readonly moment: 'before' | 'after';
  /** Counts from 1, for each organization by itself. */
  readonly number: number;
  /** As the client names it; `none` where it does not. */
  readonly organization: string;
}

export interface CountingProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`: it stays the same, wherever requests go on to. */
  readonly url: string;
  /** Where requests go on to. */
  target: string;
  /** Hears of every request; one that is dropped (`false`) before goes no further. */
  onPass: (passing: Passing) => boolean;
  count(organization: string): number;
}

/** A loopback server in front of another one that tells of each request. */
export async function startCountingProxy(): Promise<CountingProxy> {
  const counts = new Map<string, number>();
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { authorization = '', 'content-type': type, 'openai-organization': named } = incoming.headers;
      const organization = typeof named === 'string' ? named : 'none';
      const number = (counts.get(organization) ?? 0) + 1;
      counts.set(organization, number);
      const body = await buffer(incoming);
      if (!proxy.onPass({ moment: 'before', number, organization })) return void outgoing.destroy();
      const answer = await fetch(`${proxy.target}${incoming.url}`, {
        method: incoming.method ?? 'GET',
        headers: { authorization, ...(type === undefined ? {} : { 'content-type': type }) },
        ...(body.length === 0 ? {} : { body }),
      });
      const content = Buffer.from(await answer.arrayBuffer());
      outgoing.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '', 'content-length': content.length });
      outgoing.end(content, () => proxy.onPass({ moment: 'after', number, organization }));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: CountingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    onPass: () => true,
    count: (organization) => counts.get(organization) ?? 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
