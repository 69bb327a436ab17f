import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { HttpFault } from '../../src/provider/http-fault.ts';
import { isFailure } from '../../src/errors.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import { requestJson } from '../../src/provider-kit/json.ts';
import { answer, create, good, key, pauses, server, toError, useServer } from './http/http-fixture.ts';
import { certificate, privateKey } from './http/self-signed.ts';

useServer();

test('takes what fetch takes, and sends it as fetch does', async () => {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new File(['{"a":1}\n'], 'train.jsonl'));
  const stream = ReadableStream.from([Buffer.from('one'), Buffer.from('two')]) as unknown as ReadableStream<Uint8Array>;
  const url = `${server.origin}/v1/x?q=1`;
  const send = create();
  await send(url);
  await send(new URL(url), { method: 'HEAD' });
  await send(url, { method: 'post', body: '{"a":1}', headers: { 'content-type': 'application/json' } });
  await send(url, { method: 'POST', body: form });
  await send(url, { method: 'PUT', body: new Blob(['bytes']) });
  await send(url, { method: 'POST', body: new URLSearchParams({ a: '1' }) });
  await send(url, { method: 'POST', body: stream, duplex: 'half' });
  await send(new Request(url, { method: 'PATCH', body: 'in a request', headers: { 'x-a': '1' } }));
  await send(url, { method: 'DELETE' });
  expect(server.arrivals.map(({ method, path, body }) => `${method} ${path} ${body.toString().replaceAll(/-{4,}\S+/g, '--')}`)).toEqual([
    'GET /v1/x?q=1 ',
    'HEAD /v1/x?q=1 ',
    'POST /v1/x?q=1 {"a":1}',
    expect.stringMatching(/^POST \/v1\/x\?q=1 --\r\n.*name="purpose"\r\n\r\nfine-tune\r\n.*filename="train\.jsonl".*\{"a":1\}\n\r\n--/s),
    'PUT /v1/x?q=1 bytes',
    'POST /v1/x?q=1 a=1',
    'POST /v1/x?q=1 onetwo',
    'PATCH /v1/x?q=1 in a request',
    'DELETE /v1/x?q=1 ',
  ]);
  expect(server.arrivals[3]!.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
  expect(server.arrivals[7]!.headers['x-a']).toBe('1');
});

test.each(['whole', 'stream'] as const)('gives back what fetch gives back (%s)', async (body) => {
  server.behave(answer(404, { 'x-request-id': '7' }, 'gone'), { kind: 'answer', status: 204 }, { kind: 'answer', status: 304 }, good);
  const send = create({ body });
  const found = await send(`${server.origin}/a`);
  expect([found.status, found.ok, found.statusText, found.url]).toEqual([404, false, 'Not Found', `${server.origin}/a`]);
  expect([found.headers.get('x-request-id'), await found.text()]).toEqual(['7', 'gone']);
  expect((await send(server.origin)).status).toBe(204);
  expect((await send(server.origin)).status).toBe(304);
  expect(await (await send(server.origin)).json()).toEqual({ ok: true });
});

const broken: readonly HttpFault[] = [{ kind: 'reset-before' }, { kind: 'reset-after' }, { kind: 'cut', framing: 'length' }];

test.each([...broken, ...[408, 429, 500, 502, 503, 504].map((status) => answer(status))])('tries a read again after %j', async (fault) => {
  server.behave(fault, fault, fault, good);
  expect(await (await create()(server.origin)).json()).toEqual({ ok: true });
  expect(pauses).toEqual([1000, 2000, 4000]);
  expect(server.arrivals).toHaveLength(4);
});

test('gives a read up after four tries, with the last answer or failure', async () => {
  server.behave(answer(503));
  expect((await create()(server.origin)).status).toBe(503);
  expect(server.arrivals).toHaveLength(4);
  server.behave({ kind: 'reset-before' });
  expect(await toError(create()(server.origin))).toMatchObject({ code: 'service-unavailable' });
  expect(server.arrivals).toHaveLength(8);
});

test.each([400, 401, 403, 404, 409, 410, 421, 422].map((status) => answer(status)))(
  'reads once what is answered with %j',
  async (fault) => {
    server.behave(fault);
    await create()(server.origin);
    // Node's own fetch asks a second time after 421, for which does a read no harm.
    expect(server.arrivals).toHaveLength(fault.kind === 'answer' && fault.status === 421 ? 2 : 1);
    expect(pauses).toEqual([]);
  },
);

test.each<HttpFault>([{ kind: 'not-http' }, { kind: 'not-gzip' }, { kind: 'endless' }])('does not try %j again', async (fault) => {
  server.behave(fault);
  expect(await toError(create()(server.origin))).toMatchObject({ code: 'response-invalid' });
  expect(server.arrivals).toHaveLength(1);
});

test('waits as long as the service asks, as far as the time allows', async () => {
  const busy = (value: string): HttpFault => answer(429, { 'retry-after': value });
  server.behave(busy('7'), busy('0'), busy('soon'), good);
  expect((await create()(server.origin)).status).toBe(200);
  expect(pauses).toEqual([7000, 1000, 4000]);
  pauses.length = 0;
  server.behave(busy('40'), busy('40'), good);
  const response = await create()(server.origin); // 40 s and 40 s are more than 60 s
  expect([response.status, pauses, server.arrivals.length]).toEqual([429, [40_000], 6]);
  server.behave(busy('3600'));
  const limited = toSendOutcome(await toError(requestJson(create(), { url: server.origin })));
  expect(limited).toMatchObject({ sent: 'limited', failure: { code: 'rate-limited', retryAfterMs: 900_000 } });
});

test.each<[HttpFault, string]>([
  [answer(408), 'POST'],
  [answer(421), 'POST'],
  [answer(421), 'DELETE'],
  [answer(429), 'PUT'],
  [answer(503), 'PATCH'],
  [{ kind: 'reset-before' }, 'POST'],
  [{ kind: 'reset-after' }, 'DELETE'],
  [{ kind: 'reset-upload' }, 'POST'],
  [{ kind: 'redirect-loop', status: 307 }, 'POST'],
  [{ kind: 'redirect-loop', status: 303 }, 'POST'],
  [{ kind: 'redirect-away', status: 308 }, 'PUT'],
])('sends once, whatever comes: %j to a %s', async (fault, method) => {
  server.behave(fault);
  const body = method === 'DELETE' ? {} : { body: '{"model":"tiny"}' };
  const end = await create()(server.origin, { method, ...body, headers: { authorization: `Bearer ${key}` } }).catch(
    (error: unknown) => error,
  );
  expect(end instanceof Response || isFailure(end)).toBe(true);
  expect(server.arrivals).toHaveLength(1);
});

test('a write over a connection that the server has closed meanwhile is not sent again', async () => {
  await create()(server.origin, { method: 'POST', body: '1' });
  server.behave({ kind: 'reset-before' });
  await toError(create()(server.origin, { method: 'POST', body: '2' }));
  expect(server.arrivals).toHaveLength(2);
});

test('bodies are capped as they unpack, and the connection is closed', async () => {
  server.behave({ kind: 'gzip-bomb' });
  const before = process.memoryUsage().rss;
  const error = await toError(create()(server.origin));
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024); // unpacked it has 256 MiB
  expect(error).toMatchObject({ code: 'response-invalid', message: expect.stringContaining('at most 8388608 bytes, unpacked') });
  await expect.poll(server.countOpen).toBe(0);
});

test.each(['whole', 'stream'] as const)('the cap is exact (%s)', async (body) => {
  server.behave({ kind: 'huge', bytes: 100_000 });
  const read = async (maxBodyBytes: number): Promise<number> =>
    (await (await create({ maxBodyBytes, body })(server.origin)).arrayBuffer()).byteLength;
  expect(await read(100_000)).toBe(100_000);
  expect(await toError(read(99_999))).toMatchObject({ code: 'response-invalid' });
});

test('a stream that nobody reads any further closes its connection', async () => {
  server.behave({ kind: 'endless' });
  const response = await create({ body: 'stream', maxBodyBytes: Infinity })(server.origin);
  const reader = response.body!.getReader();
  await reader.read();
  expect(server.countOpen()).toBe(1);
  await reader.cancel();
  await expect.poll(server.countOpen).toBe(0);
});

test('a service out of reach, and a certificate that is not accepted: nothing was sent', async () => {
  const secure = createSecureServer({ cert: certificate, key: privateKey }, () => expect.fail('expected no request'));
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
  const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
  server.behave({ kind: 'unreachable' });
  for (const method of ['GET', 'POST']) {
    expect(toSendOutcome(await toError(create()(url, { method })))).toMatchObject({ sent: 'no', failure: { code: 'certificate-invalid' } });
  }
  expect(pauses).toEqual([]);
  expect(toSendOutcome(await toError(create()(server.origin, { method: 'POST' })))).toMatchObject({ sent: 'no' });
  expect(pauses).toEqual([]);
  expect(toSendOutcome(await toError(create()(server.origin)))).toMatchObject({ failure: { code: 'service-unreachable' } });
  expect(pauses).toEqual([1000, 2000, 4000]);
  await new Promise((done) => secure.close(done));
});
