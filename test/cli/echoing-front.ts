import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A service in front of the sandbox that knows one credential, and repeats it when it refuses. */
export interface EchoingFront extends AsyncDisposable {
  readonly url: string;
  /** Whether it refuses everything from now on. */
  isRefusing: boolean;
  /** Requests that carried the credential, and those that did not. */
  readonly counts: { known: number; unknown: number };
}

/** What a service might say that shows a credential in every form that it has. */
export function toEcho(credential: string): string {
  const base64 = Buffer.from(credential).toString('base64');
  const basic = Buffer.from(`user:${credential}`).toString('base64');
  return `key ${credential}, ?key=${encodeURIComponent(credential)}, ${JSON.stringify(credential)}, ${base64}, Basic ${basic}`;
}

/** @param ours the credential that users of the front have; @param theirs the sandbox's own that it stands for */
export async function startEchoingFront(target: string, { ours, theirs }: { ours: string; theirs: string }): Promise<EchoingFront> {
  const counts = { known: 0, unknown: 0 };
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      // Jobs of the Hub are given the credential in their body.
      const sent = Buffer.from((await buffer(incoming)).toString('latin1').replaceAll(ours, theirs), 'latin1');
      const headers = new Headers();
      for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
      const given = headers.get('api-key') ?? headers.get('authorization') ?? '';
      const isKnown = given === ours || given === `Bearer ${ours}`;
      counts[isKnown ? 'known' : 'unknown']++;
      if (front.isRefusing || !isKnown) {
        outgoing.writeHead(401, { 'content-type': 'application/json', 'x-echo': encodeURIComponent(ours) });
        outgoing.end(JSON.stringify({ error: { message: `Incorrect ${toEcho(ours)}`, code: 'invalid_api_key' } }));
        return;
      }
      for (const name of ['host', 'connection', 'content-length', 'transfer-encoding', 'api-key']) headers.delete(name);
      headers.set('authorization', `Bearer ${theirs}`);
      const method = incoming.method ?? 'GET';
      const hasBody = sent.length > 0;
      const answer = await fetch(`${target}${incoming.url}`, { method, headers, redirect: 'manual', ...(hasBody ? { body: sent } : {}) });
      const kept = [...answer.headers].filter(
        ([name]) => !['connection', 'content-length', 'content-encoding', 'keep-alive'].includes(name),
      );
      outgoing.writeHead(answer.status, Object.fromEntries(kept));
      if (answer.body !== null) for await (const chunk of answer.body) outgoing.write(chunk);
      outgoing.end();
    })().catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const front: EchoingFront = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isRefusing: false,
    counts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return front;
}
