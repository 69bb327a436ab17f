import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createFetch, toSendOutcome } from '../../../src/provider-kit/http.ts';
import { openAgent } from '../../../src/provider-kit/http/agent.ts';
import { startMisbehavingServer } from './misbehaving-server.ts';

/** Runs a program that has `createFetch` and this environment. */
async function runInChild(program: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const code = `import { createFetch } from ${JSON.stringify(import.meta.resolve('../../../src/provider-kit/http.ts'))};\n${program}`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { env: environment, timeout: 30_000 });
}

test.each(['HTTP_PROXY', 'http_proxy'])('requests go through the proxy in %s; NO_PROXY goes around it', async (name) => {
  const server = await startMisbehavingServer();
  const { port } = new URL(server.origin);
  const tunnels: string[] = [];
  const proxy = createServer().on('connect', ({ url }, socket) => {
    tunnels.push(url ?? '');
    const service = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      service.pipe(socket).pipe(service);
    });
    for (const one of [socket, service]) one.on('error', () => {});
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    const agent = await openAgent({ [name]: address, NO_PROXY: '127.0.0.1' });
    const send = createFetch({ agent });
    await send('http://service.test/read');
    await send('http://service.test/write', { method: 'POST', body: 'x' });
    expect(tunnels).toEqual(['service.test:80', 'service.test:80']);
    expect(server.arrivals.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /read', 'POST /write']);
    await send(server.origin);
    expect(tunnels).toHaveLength(2);
    await runInChild("await createFetch()('http://service.test/child')", { [name]: address });
    expect(server.arrivals.at(-1)!.path).toBe('/child');
    expect(tunnels).toHaveLength(3);
    const direct = createFetch({ agent: await openAgent({ [name]: '' }), wait: async () => await Promise.resolve() });
    await expect(direct('http://service.test/after')).rejects.toMatchObject({ code: 'service-unreachable' });
    expect(tunnels).toHaveLength(3);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
    await server.close();
  }
});

test('a proxy that cannot be used is refused without its password, and nothing is sent', async () => {
  const thrown: unknown = await openAgent({ https_proxy: 'me:pass-word@@proxy example' }).catch((error: unknown) => error);
  expect(toSendOutcome(thrown)).toMatchObject({ sent: 'no', failure: { code: 'request-unsent' } });
  expect(String(thrown)).toMatch(/expected an address such as .* in HTTP_PROXY/);
  expect(String(thrown)).not.toMatch(/pass-word/);
});
