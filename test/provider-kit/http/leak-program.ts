/** Meets every way in which a call ends, then says what still keeps the process alive. Run by leaks.test.ts. */
import { createFetch } from '../../../src/provider-kit/http.ts';
import type { HttpFault } from '../../../src/testing/http-fault.ts';

const dispatcher = Symbol.for('undici.globalDispatcher.1');
const isUntouched = Reflect.get(globalThis, dispatcher) === undefined; // set by the first use of fetch, and by importing node:http
const { startMisbehavingServer } = await import('./misbehaving-server.ts');

const kinds = ['half-open', 'slow-head', 'slow-body', 'endless', 'gzip-bomb', 'reset-before', 'reset-after', 'not-http'] as const;
const faults: readonly HttpFault[] = [
  ...kinds.map((kind) => ({ kind })),
  { kind: 'answer', status: 200, body: '{}' },
  { kind: 'answer', status: 204 },
  { kind: 'redirect-loop', status: 302 },
  { kind: 'redirect-away', status: 307 },
];

const server = await startMisbehavingServer();
for (const fault of faults) {
  server.behave(fault);
  for (const method of ['GET', 'POST']) {
    for (const body of ['whole', 'stream'] as const) {
      const controller = new AbortController();
      const send = createFetch({ deadlineMs: fault.kind === 'half-open' ? 50 : 60_000, body, wait: async () => await Promise.resolve() });
      const called = send(server.origin, { method, signal: controller.signal }).then(async (response) => await response.text());
      const ended = called.catch(() => {});
      const before = server.arrivals.length;
      while (fault.kind.startsWith('slow') && server.arrivals.length === before) await new Promise((done) => void setImmediate(done));
      if (fault.kind.startsWith('slow')) controller.abort();
      await ended;
    }
  }
}
await server.close();
for (let turn = 0; turn < 50; turn++)
  // closed handles go a few turns later
  await new Promise((done) => void setImmediate(done));
process.stdout.write(JSON.stringify({ isUntouched, active: process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap') }));
