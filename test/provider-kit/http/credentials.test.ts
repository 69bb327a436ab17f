import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect, test } from 'vitest';
import type { HttpFault } from '../../../src/provider/http-fault.ts';
import { createFetch, Secret, toSendOutcome } from '../../../src/provider-kit/http.ts';
import { answer, create, good, key, server, toError, useServer } from './http-fixture.ts';
import { startMisbehavingServer } from './misbehaving-server.ts';
import { certificate, privateKey } from './self-signed.ts';

useServer();

const credentials = {
  authorization: `Bearer ${key}`,
  cookie: 'session=1',
  'api-key': key,
  'x-api-key': key,
  'proxy-authorization': 'Basic eA==',
  'openai-organization': 'org-1',
  'x-custom': 'mine',
};

test('a read follows redirects, and leaves everything that says who asks at its origin', async () => {
  const second = await startMisbehavingServer();
  try {
    const to = (location: string): HttpFault => answer(302, { location });
    server.behave(to('/moved'), to(`${second.origin}/elsewhere`), good);
    second.behave(to(`${server.origin}/back`));
    const response = await create()(`${server.origin}/start`, { headers: { ...credentials, accept: 'text/csv', range: 'bytes=0-1' } });
    expect(response.url).toBe(`${server.origin}/back`);
    const [start, moved, back] = server.arrivals;
    expect([start!.path, moved!.path, back!.path]).toEqual(['/start', '/moved', '/back']);
    expect(start!.headers).toMatchObject(credentials);
    expect(moved!.headers).toMatchObject(credentials);
    for (const { headers } of [second.arrivals[0]!, back!]) {
      expect(headers).toMatchObject({ accept: 'text/csv', range: 'bytes=0-1' });
      expect(Object.keys(headers).filter((name) => name in credentials)).toEqual([]);
    }
  } finally {
    await second.close();
  }
});

test('a read follows five redirects and no sixth', async () => {
  const hop = answer(307, { location: '/next' });
  server.behave(hop, hop, hop, hop, hop, good);
  expect((await create()(server.origin)).status).toBe(200);
  server.behave({ kind: 'redirect-loop', status: 301 });
  expect(await toError(create()(server.origin))).toMatchObject({ code: 'response-invalid', message: expect.stringContaining('at most 5') });
  expect(server.arrivals).toHaveLength(12);
});

test('the body of a redirect is not waited for, and its connection is closed', async () => {
  server.behave(answer(302, { location: '/next' }, 'x'.repeat(10_000_000)), good);
  expect((await create()(server.origin)).status).toBe(200);
  await expect.poll(server.countOpen).toBe(0);
});

test.each(['ftp://127.0.0.1/', 'data:text/plain,x', 'file:///etc/hostname', 'http://user:pass@127.0.0.1/', 'http://', 'javascript:1'])(
  'a redirect to %s is refused',
  async (location) => {
    server.behave(answer(302, { location }));
    const error = await toError(create()(server.origin));
    expect(error).toMatchObject({ code: 'response-invalid' });
    expect(String(error)).not.toContain('pass@');
  },
);

test('a write follows no redirect', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    server.behave({ kind: 'redirect-away', status });
    const error = await toError(create()(server.origin, { method: 'POST', body: 'x', headers: { 'api-key': key } }));
    expect(toSendOutcome(error)).toMatchObject({ sent: 'unknown', failure: { code: 'response-invalid' } });
  }
  expect(server.arrivals.map(({ isForeign }) => isForeign)).toEqual([false, false, false, false, false]);
});

test.each<[string, (origin: string) => [string, RequestInit]]>([
  ['a header of a kind that holds credentials', (origin) => [origin, { headers: { 'X-Api-Key': 'any' } }]],
  ['a header with the secret in it', (origin) => [origin, { headers: { 'x-plain': `v ${key}` } }]],
  ['a query with the secret in it', (origin) => [`${origin}?k=${key}`, {}]],
])('a credential goes to its own origin only: %s', async (_what, toArguments) => {
  for (const method of ['GET', 'POST']) {
    const [url, init] = toArguments(server.otherOrigin);
    const error = await toError(create()(url, { ...init, method }));
    expect(toSendOutcome(error)).toMatchObject({ sent: 'no', failure: { code: 'request-unsent' } });
    expect(String(error)).not.toContain(key);
  }
  const [url, init] = toArguments(server.origin);
  const secrets = [new Secret(key)];
  expect(await toError(createFetch({ secrets })(url, init))).toMatchObject({ code: 'request-unsent' });
  expect(server.arrivals).toEqual([]);
  expect((await create()(url, init)).status).toBe(200);
});

test('what carries no credential may go anywhere', async () => {
  const signed = `${server.otherOrigin}/upload?X-Amz-Signature=0a1b2c`;
  expect((await create()(signed, { method: 'PUT', body: 'rows' })).status).toBe(200);
});

test.each<[string, RequestInit]>([
  ['not an address', {}],
  ['/relative', {}],
  [`https://me:${key}@127.0.0.1/`, {}],
  ['ftp://127.0.0.1/', {}],
  ['data:text/plain,x', {}],
  ['file:///etc/hostname', {}],
  ['https://127.0.0.1/', { headers: { authorization: `Bearer ${key}\nx: y` } }],
  ['https://127.0.0.1/', { method: 'GET', body: 'x' }],
  ['https://127.0.0.1/', { method: 'CONNECT' }],
])('what cannot be sent is refused before: %s %j', async (url, init) => {
  const error = await toError(create({ origin: 'https://127.0.0.1' })(url, init));
  expect(toSendOutcome(error)).toMatchObject({ sent: 'no', failure: { code: 'request-unsent' } });
  expect(String(error)).not.toContain(key);
  expect((error as Error).cause).toBeUndefined();
});

test('a read does not follow from https to http', async () => {
  const secure = createSecureServer({ cert: certificate, key: privateKey }, ({ url }, response) => {
    response.writeHead(url === '/' ? 302 : 200, { location: server.origin }).end('safe');
  });
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
  const before = getCACertificates('default');
  setDefaultCACertificates([certificate]);
  try {
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
    expect(await (await create()(`${url}/safe`)).text()).toBe('safe');
    const message = expect.stringContaining('found one from https: to http:');
    expect(await toError(create()(url))).toMatchObject({ code: 'response-invalid', message });
    expect(server.arrivals).toEqual([]);
  } finally {
    setDefaultCACertificates(before);
    secure.closeAllConnections();
    secure.close();
  }
});

test('an address in a failure shows no secret', async () => {
  server.behave({ kind: 'reset-before' });
  const error = await toError(create()(`${server.origin}/keys/${key}?k=${key}`));
  expect(error).toMatchObject({ message: `GET ${server.origin}/keys/[secret]: the connection broke (ECONNRESET)` });
  server.behave({ kind: 'half-open' });
  expect(String(await toError(create({ deadlineMs: 50 })(`${server.origin}/keys/${key}`)))).not.toContain(key);
});
