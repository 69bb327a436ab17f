/** What stands before a model: who may ask and how much, turns, and the end of requests and of the server. */
import { once } from 'node:events';
import { request as sendRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Secret } from '../../src/lib/redact.ts';
import type { AnswerPart, OpenModel } from '../../src/provider/open-model.ts';
import { createGate } from '../../src/server/gate.ts';
import { checkAddress } from '../../src/server/main.ts';
import { createModel, end, openWriter, start } from './fixture.ts';

const text = (said: string): AnswerPart => ({ type: 'text', text: said, logProbability: null, alternatives: [] });

const say = (content: string) => ({ model: 'ft:old', messages: [{ role: 'user' as const, content }] });

async function* echo(): AsyncGenerator<AnswerPart> {
  yield await Promise.resolve(text('yes'));
  yield end;
}

interface Held {
  readonly model: OpenModel;
  /** How many requests have reached the model. */
  readonly asked: () => number;
  /** How many of them were ended by their signal. */
  readonly stopped: () => number;
  /** Lets all of them come to their end. */
  release(): void;
}

/** A model that answers once it is let, or whose requests are ended. */
function createHeld(): Held {
  const released = Promise.withResolvers<void>();
  let [asked, stopped] = [0, 0];
  const model = createModel(async function* (_request, signal) {
    asked++;
    yield text('begun ');
    const aborted = Promise.withResolvers<never>();
    const stop = (): void => {
      stopped++;
      aborted.reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop);
    await Promise.race([released.promise, aborted.promise]);
    signal.removeEventListener('abort', stop);
    yield text('ended');
    yield end;
  });
  return { model, asked: () => asked, stopped: () => stopped, release: () => released.resolve() };
}

/** A request with headers that `fetch` does not let anybody set. */
async function send(url: string, path: string, headers: Record<string, string>, body = ''): Promise<{ status: number; body: unknown }> {
  const request = sendRequest(new URL(`${url}${path}`), { method: body === '' ? 'GET' : 'POST', headers });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, body: await json(response) };
}

test.each([
  ['localhost', 200],
  ['LOCALHOST:8080', 200],
  ['127.0.0.1:1', 200],
  ['[::1]:8080', 200],
  ['evil.example', 403],
  ['localhost.evil.example', 403],
  ['127.0.0.1.evil.example:80', 403],
])('on this machine a request for the host %s gets %d', async (host, status) => {
  const { server } = await start(createModel(echo));
  expect((await send(server.url, '/models', { host })).status).toBe(status);
});

test('a form of a web page cannot ask', async () => {
  const { server } = await start(createModel(echo));
  const body = JSON.stringify(say('a'));
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
    expect(await send(server.url, '/chat/completions', { 'content-type': type }, body)).toMatchObject({ status: 415 });
  }
  expect(await send(server.url, '/chat/completions', { 'content-type': 'application/json; charset=utf-8' }, body)).toMatchObject({
    status: 200,
  });
});

test('with a key each request must show it', async () => {
  const { server, client } = await start(createModel(echo), { key: new Secret('sk-right') });
  await expect(client.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  await expect(client.withOptions({ apiKey: 'sk-rightly' }).models.list()).rejects.toMatchObject({ status: 401 });
  expect(await send(server.url, '/models', {})).toMatchObject({ status: 401, body: { error: { code: 'missing_api_key' } } });
  expect((await client.withOptions({ apiKey: 'sk-right' }).models.list()).data).toHaveLength(2);
});

test('a host that other machines reach needs a key', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) expect(() => checkAddress({ host, key: null })).not.toThrow();
  for (const host of ['0.0.0.0', '::', '192.168.1.2', '127.0.0.1.example']) {
    expect(() => checkAddress({ host, key: null })).toThrow(/expected a key with --key-name/);
    expect(() => checkAddress({ host, key: new Secret('x') })).not.toThrow();
  }
});

test('where other machines may ask, the host of a request may be any', async () => {
  const { server } = await start(createModel(echo), { host: '0.0.0.0', key: new Secret('sk-right') });
  const headers = { host: 'gpu-box:8080', authorization: 'Bearer sk-right' };
  expect((await send(server.url, '/models', headers)).status).toBe(200);
});

test.each([
  ['no JSON', '{', 400, null],
  ['no object', '[]', 400, 'model'],
  ['no model', '{}', 400, 'model'],
  ['a model that is no text', '{"model": 3}', 400, 'model'],
])('a body with %s is refused', async (_what, body, status, param) => {
  const { server, faults } = await start(createModel(echo));
  const sent = await send(server.url, '/chat/completions', { 'content-type': 'application/json' }, body);
  expect(sent).toMatchObject({ status, body: { error: { type: 'invalid_request_error', param } } });
  expect(faults).toEqual([]);
});

test('a body that is too large is refused, and so is a route that nobody knows', async () => {
  const { server, client } = await start(createModel(echo));
  await expect(client.chat.completions.create(say('a'.repeat(5 * 2 ** 20)))).rejects.toMatchObject({
    status: 413,
    code: 'request_too_large',
  });
  await expect(client.embeddings.create({ model: 'ft:old', input: 'a' })).rejects.toMatchObject({ status: 404, code: 'unknown_url' });
  expect((await send(server.url, '/chat/completions', {})).status).toBe(404);
});

test('a body that comes in chunks is read, and refused where it becomes too large', async () => {
  const { server, faults } = await start(createModel(echo));
  const post = async (content: string): Promise<Response> => {
    const body = new Blob([JSON.stringify(say(content))]).stream(); // its length is not known before
    const headers = { 'content-type': 'application/json' };
    return await fetch(`${server.url}/chat/completions`, { method: 'POST', headers, body, duplex: 'half' });
  };
  expect((await post('Hi')).status).toBe(200);
  expect((await post('a'.repeat(5 * 2 ** 20))).status).toBe(413);
  expect(faults).toEqual([]);
});

test('as many requests as there are turns are answered at once, some wait, and the others are refused with 429', async () => {
  const { model, asked, release } = createHeld();
  const { client, faults } = await start(model, { limits: { concurrency: 2, waiting: 1 } });
  const first = [1, 2].map(async () => await client.chat.completions.create(say('a')));
  await expect.poll(asked).toBe(2);
  // Of the next two one waits, and the other one is refused: which of them it is only the network knows.
  const more = [3, 4].map(async () => await client.chat.completions.create(say('a')));
  const problems = more.map(
    async (one) =>
      await one.then(
        () => new Promise<never>(() => {}),
        (error: unknown) => error,
      ),
  );
  const refused = await Promise.race(problems);
  expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'requests' });
  expect(asked()).toBe(2);
  release();
  const ended = await Promise.allSettled([...first, ...more]);
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  expect(asked()).toBe(3);
  expect((await client.chat.completions.create(say('a'))).choices[0]!.message.content).toBe('begun ended'); // turns come back
  expect(faults).toEqual([]);
});

test.each([
  ['whole', false],
  ['as it comes', true],
])('a client that goes away ends its request, %s, and gives up its turn', async (_how, stream) => {
  const { model, asked, stopped, release } = createHeld();
  const { client, faults } = await start(model, { limits: { concurrency: 1, waiting: 1 } });
  const leave = new AbortController();
  const options = { signal: leave.signal };
  const gone = stream
    ? Array.fromAsync(await client.chat.completions.create({ ...say('a'), stream: true }, options))
    : client.chat.completions.create(say('a'), options);
  const ended = Promise.resolve(gone).catch((error: unknown) => error);
  await expect.poll(asked).toBe(1);
  const next = client.chat.completions.create(say('b'));
  leave.abort();
  await ended;
  await expect.poll(stopped).toBe(1);
  release();
  expect((await next).choices[0]!.message.content).toBe('begun ended');
  expect(faults).toEqual([]);
});

test('a request that is ended before its turn leaves the place to another one', async () => {
  const enter = createGate({ concurrency: 1, waiting: 1 });
  const { signal } = new AbortController();
  const leave = await enter(signal);
  const gone = new AbortController();
  const second = enter(gone.signal);
  await expect(enter(signal)).rejects.toMatchObject({ status: 429 });
  gone.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  const third = enter(signal);
  leave();
  (await third)();
  (await enter(signal))();
});

test('a model that fails: 500 without the reason, which the server says; in a stream as an event', async () => {
  const { client, faults } = await start(
    createModel(async function* ({ input }) {
      if ('messages' in input && input.messages[0]!.content === 'late') yield await Promise.resolve(text('begun'));
      throw new Error('secret path /home/me');
    }),
  );
  const error: unknown = await client.chat.completions.create(say('a')).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ status: 500, type: 'server_error', message: expect.not.stringContaining('secret') as string });
  const seen: unknown[] = [];
  const stream = await client.chat.completions.create({ ...say('late'), stream: true });
  const failed = (async () => {
    for await (const { choices } of stream) seen.push(choices[0]?.delta.content);
  })();
  await expect(failed).rejects.toThrow(/could not answer/);
  expect(seen).toEqual(['', 'begun']);
  expect(faults).toEqual(['secret path /home/me', 'secret path /home/me']);
});

test('a server that is closed lets requests end, and takes no further ones', async () => {
  const { model, asked, release, stopped } = createHeld();
  const { server, client } = await start(model);
  const running = client.chat.completions.create(say('a'));
  await expect.poll(asked).toBe(1);
  const closed = server.close(60_000);
  await expect(client.chat.completions.create(say('b'))).rejects.toThrow(/[Cc]onnection/);
  release();
  expect((await running).choices[0]!.message.content).toBe('begun ended');
  await closed;
  expect(stopped()).toBe(0);
});

test('a server that is closed cuts requests off after a while', async () => {
  const { model, asked, stopped } = createHeld();
  const { server, client, faults } = await start(model);
  const stream = await client.chat.completions.create({ ...say('a'), stream: true });
  await expect.poll(asked).toBe(1);
  const read = Array.fromAsync(stream).then(
    (chunks) => chunks.at(-1)?.choices[0]?.finish_reason ?? 'cut',
    () => 'cut',
  );
  await server.close(0);
  expect(await read).toBe('cut');
  expect(stopped()).toBe(1);
  expect(faults).toEqual([]);
});

test('the process of a model: a request of a client that goes away is cancelled there', async () => {
  const { model } = await openWriter();
  const { client } = await start(model);
  const leave = new AbortController();
  const stream = await client.chat.completions.create({ ...say('hang'), stream: true }, { signal: leave.signal });
  for await (const { choices } of stream) if (choices[0]?.delta.content === 'begun') break; // which ends the request
  leave.abort();
  await expect.poll(async () => (await client.chat.completions.create(say('cancelled'))).choices[0]!.message.content).toBe('1');
});
