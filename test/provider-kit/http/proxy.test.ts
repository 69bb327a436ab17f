import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createFetch, useEnvironmentProxy } from '../../../src/provider-kit/http.ts';
import { startMisbehavingServer } from './misbehaving-server.ts';

test('requests go through the proxy of the environment, until it is undone; NO_PROXY goes around it', async () => {
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
  const undo = useEnvironmentProxy({ HTTP_PROXY: address, http_proxy: address, NO_PROXY: '127.0.0.1' });
  try {
    const send = createFetch();
    await send('http://service.test/read');
    await send('http://service.test/write', { method: 'POST', body: 'x' });
    expect(tunnels).toEqual(['service.test:80', 'service.test:80']);
    expect(server.arrivals.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /read', 'POST /write']);
    await send(server.origin);
    expect(tunnels).toHaveLength(2);
    undo();
    await expect(createFetch({ wait: async () => await Promise.resolve() })('http://service.test/after')).rejects.toMatchObject({
      code: 'service-unreachable',
    });
    expect(tunnels).toHaveLength(2);
  } finally {
    undo();
    proxy.closeAllConnections();
    proxy.close();
    await server.close();
  }
});

test('a proxy that is none is told without its password', () => {
  const set = (): unknown => useEnvironmentProxy({ https_proxy: 'me:pass-word@@proxy example' });
  expect(set).toThrow(/^expected an address such as .* in http_proxy/);
  expect(set).not.toThrow(/pass-word/);
});

test('without a proxy nothing is changed', () => {
  const before: unknown = Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'));
  useEnvironmentProxy({ NO_PROXY: '*', http_proxy: '' })();
  expect(Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'))).toBe(before);
});
