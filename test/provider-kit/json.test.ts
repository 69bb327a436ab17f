import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { HttpFault } from '../../src/testing/http-fault.ts';
import { createFetch } from '../../src/provider-kit/http.ts';
import { parseAnswer, requestJson, toIsoTime, type JsonAnswer } from '../../src/provider-kit/json.ts';
import { startMisbehavingServer, type MisbehavingServer } from './http/misbehaving-server.ts';

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
    /6 characters of other text \(text\/html\)/,
  ],
  ['nothing', { kind: 'answer', status: 200, body: '' }, 'response-invalid', /expected JSON, found 0 characters/],
  ['broken JSON', { kind: 'answer', status: 200, body: '{"a":' }, 'response-invalid', /expected JSON/],
  [
    'a refusal',
    { kind: 'answer', status: 400, body: '{"error":{"message":"no such model"}}' },
    'request-refused',
    /\(400\): no such model$/,
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

test('an answer has the shape that is asked for, or is a failure that says where it differs', () => {
  const schema = z.looseObject({ id: z.string(), parts: z.array(z.number()) });
  expect(parseAnswer(schema, { id: 'a', parts: [1], more: true }, 'GET /x')).toEqual({ id: 'a', parts: [1], more: true });
  const parse = (answer: unknown) => () => parseAnswer(schema, answer, 'GET /x');
  expect(parse({ id: 'a', parts: ['1'] })).toThrow(/^GET \/x: expected an answer of the service, found something else at parts\.0: /);
  expect(parse('<html>')).toThrow(/found something else: /);
});

test.each<[unknown, string | null]>([
  [1_763_812_800, '2025-11-22T12:00:00.000Z'],
  [1_763_812_800_000, '2025-11-22T12:00:00.000Z'], // milliseconds where seconds are defined
  ['2026-01-31T12:00:00+01:00', '2026-01-31T11:00:00.000Z'],
  ['2026-01-31', '2026-01-31T00:00:00.000Z'],
  ...[null, undefined, 0, -1, Number.NaN, Number.MAX_VALUE, '', 'soon', '3', '2026-99-99T00:00:00Z', {}].map((time): [unknown, null] => [
    time,
    null,
  ]),
])('the time %j is %j', (time, iso) => {
  expect(toIsoTime(time)).toBe(iso);
});
