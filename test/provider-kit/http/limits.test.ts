import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import type { HttpFault } from '../../../src/provider/http-fault.ts';
import { Failure } from '../../../src/errors.ts';
import { createFetch } from '../../../src/provider-kit/http.ts';
import { answer, create, good, server, toError, useServer } from './http-fixture.ts';

useServer();

test.each<HttpFault>([{ kind: 'half-open' }, { kind: 'slow-head' }, { kind: 'slow-body' }])(
  'one time for everything: %j',
  async (fault) => {
    server.behave(fault);
    const started = performance.now();
    const error = await toError(create({ deadlineMs: 120 })(`${server.origin}/jobs?sig=1`));
    expect(performance.now() - started).toBeLessThan(10_000); // the answer itself would never end
    const message = `GET ${server.origin}/jobs: expected a whole answer within 120 ms, found none`;
    expect(error).toMatchObject({ code: 'timeout', message });
    await expect.poll(server.countOpen).toBe(0);
  },
);

test('the time holds for a body that is read as it comes', async () => {
  server.behave({ kind: 'slow-body' });
  const response = await create({ deadlineMs: 120, body: 'stream' })(server.origin);
  expect(await toError(response.text())).toMatchObject({ code: 'timeout' });
});

test('the time grows with what is sent', async () => {
  server.behave({ kind: 'half-open' });
  const form = new FormData();
  form.set('file', new Blob(['x'.repeat(90)]));
  form.set('purpose', 'y'.repeat(10));
  const bodies = ['é'.repeat(50), Buffer.alloc(100), new Blob(['x'.repeat(100)]), form];
  for (const body of bodies) {
    const error = await toError(create({ deadlineMs: 20, uploadBytesPerSecond: 2000 })(server.origin, { method: 'POST', body }));
    expect(String(error)).toContain('within 70 ms');
  }
});

test.each(['half-open', 'slow-head', 'slow-body'] as const)('an abort ends a call at once, with its own reason: %s', async (kind) => {
  server.behave({ kind });
  for (const method of ['GET', 'POST']) {
    const controller = new AbortController();
    const called = toError(create()(server.origin, { method, signal: controller.signal }));
    await expect.poll(() => server.arrivals.length).toBe(method === 'GET' ? 1 : 2);
    const reason = new Error('enough');
    const started = performance.now();
    controller.abort(reason);
    expect(await called).toBe(reason);
    expect(performance.now() - started).toBeLessThan(10_000); // the time of the call is a minute
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  }
  await expect.poll(server.countOpen).toBe(0);
});

test('an abort ends a body that is being read', async () => {
  server.behave({ kind: 'slow-body' });
  const controller = new AbortController();
  const response = await create({ body: 'stream' })(new Request(server.origin, { signal: controller.signal }));
  const reader = response.body!.getReader();
  expect((await reader.read()).done).toBe(false);
  const started = performance.now();
  controller.abort();
  const read = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  expect(await toError(read())).toMatchObject({ name: 'AbortError' });
  expect(performance.now() - started).toBeLessThan(10_000); // the time of the call is a minute
  await expect.poll(server.countOpen).toBe(0);
});

test('an abort ends the pause between two tries', async () => {
  server.behave(answer(503, { 'retry-after': '30' }));
  const controller = new AbortController();
  const called = toError(createFetch()(server.origin, { signal: controller.signal }));
  await expect.poll(() => getEventListeners(controller.signal, 'abort').length > 0 && server.arrivals.length).toBe(1);
  const reason = new Failure('timeout', 'enough'); // one that could be tried again, were it not the caller's
  controller.abort(reason);
  expect(await called).toBe(reason);
  expect(server.arrivals).toHaveLength(1);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});

test('a signal that is aborted already lets nothing out', async () => {
  const reason = new Error('enough');
  const init = { signal: AbortSignal.abort(reason) };
  expect(await toError(create()(server.origin, { ...init, method: 'POST' }))).toBe(reason);
  expect(await toError(create()(new Request(server.origin, init)))).toBe(reason);
  expect(server.arrivals).toEqual([]);
});

test('nothing is left on the signal of the caller', async () => {
  const { signal } = new AbortController();
  server.behave(good, answer(503), good, { kind: 'endless' }, good, good, good, { kind: 'reset-before' });
  await create()(server.origin, { signal });
  await create()(server.origin, { signal });
  await toError(create()(server.origin, { signal }));
  await (await create({ body: 'stream' })(server.origin, { signal })).text();
  await (await create({ body: 'stream' })(server.origin, { signal })).body!.cancel();
  await create()(server.origin, { signal, method: 'HEAD' });
  await toError(create()(server.origin, { signal, method: 'POST' }));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
