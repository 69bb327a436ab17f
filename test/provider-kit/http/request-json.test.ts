import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HttpFault } from '../../../src/provider/http-fault.ts';
import { createFetch, requestJson, type JsonAnswer } from '../../../src/provider-kit/http.ts';
import { startMisbehavingServer, type MisbehavingServer } from './misbehaving-server.ts';

let server: MisbehavingServer;

beforeEach(async () => {
  server = await startMisbehavingServer();
});

afterEach(async () => {
  await server.close();
});

async function request(fault: HttpFault, body?: unknown): Promise<JsonAnswer> {
  server.behave(fault);
  const send = createFetch({ origin: server.origin });
  const headers = { authorization: 'Bearer abc' };
  return await requestJson(send, { url: `${server.origin}/jobs?page=2`, headers, ...(body === undefined ? {} : { method: 'POST', body }) });
}

test('sends JSON and gives back JSON, with what the headers say', async () => {
  const found = await request({ kind: 'answer', status: 201, headers: { link: '<x>; rel="next"' }, body: '{"id":"1"}' }, { model: 'tiny' });
  expect([found.status, found.json, found.headers.get('link')]).toEqual([201, { id: '1' }, '<x>; rel="next"']);
  const [{ method, headers, body }] = server.arrivals as [(typeof server.arrivals)[0]];
  expect([method, headers['content-type'], headers.accept, headers.authorization]).toEqual([
    'POST',
    'application/json',
    'application/json',
    'Bearer abc',
  ]);
  expect(body.toString()).toBe('{"model":"tiny"}');
});

test('an answer without a body, by its status, is null', async () => {
  expect((await request({ kind: 'answer', status: 204 })).json).toBeNull();
});

test.each<[string, HttpFault, string, RegExp]>([
  [
    'HTML',
    { kind: 'answer', status: 200, body: '<html>', headers: { 'content-type': 'text/html' } },
    'response-invalid',
    /6 characters of text\/html/,
  ],
  ['nothing', { kind: 'answer', status: 200, body: '' }, 'response-invalid', /expected JSON, found 0 characters/],
  ['broken JSON', { kind: 'answer', status: 200, body: '{"a":' }, 'response-invalid', /expected JSON/],
  [
    'a refusal',
    { kind: 'answer', status: 400, body: '{"error":{"message":"no such model"}}' },
    'request-refused',
    /400 with no such model$/,
  ],
  [
    'an echoed key',
    { kind: 'answer', status: 401, body: '{"error":{"message":"sk-abcdefgh12345678?"}}' },
    'credentials-invalid',
    /\[secret\]\?$/,
  ],
])('%s is a failure', async (_what, fault, code, message) => {
  const failure = await request(fault).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(String(failure)).toContain(`GET ${server.origin}/jobs: `);
});
