import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Context } from '../../src/provider/context.ts';
import { Secret } from '../../src/provider-kit/http.ts';
import { putSigned, putSignedParts, type SignedStorage } from '../../src/provider-kit/signed-upload.ts';
import { answer, good, key, server, useServer } from './http/http-fixture.ts';

useServer();

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'orchestrate-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const storage: SignedStorage = { name: 'the storage', baseUrl: 'http://127.0.0.1', secrets: [new Secret(key)] };
const context: Context = {
  signal: new AbortController().signal,
  now: () => new Date(0),
  wait: async () => await Promise.resolve(),
  setting: () => null,
  credential: () => new Secret(key),
};

test('bytes go to the address with what was signed, and without a credential', async () => {
  await putSigned({ address: `${server.origin}/rows?sig=1`, body: new Blob(['rows']) }, storage, context);
  await putSigned({ address: `${server.origin}/rows`, headers: { 'x-signed': '1' }, body: new Blob(['more']) }, storage, context);
  const [first, second] = server.arrivals;
  expect(first).toMatchObject({ method: 'PUT', path: '/rows?sig=1', headers: { 'content-type': 'application/octet-stream' } });
  expect(first!.headers).not.toHaveProperty('authorization');
  expect(second!.headers).toMatchObject({ 'x-signed': '1' });
  expect(server.arrivals.map(({ body }) => body.toString())).toEqual(['rows', 'more']);
});

test('what the storage does not take is said without its address, which holds a signature', async () => {
  server.behave(answer(403));
  const put = putSigned({ address: `${server.origin}/rows?sig=secret`, body: new Blob(['rows']) }, storage, context);
  await expect(put).rejects.toMatchObject({
    code: 'service-unavailable',
    message: `PUT ${server.origin}: the storage did not take the rows (403)`,
  });
});

test('a service that is asked with https: may not send the bytes elsewhere', async () => {
  const put = putSigned(
    { address: `${server.origin}/rows`, body: new Blob(['rows']) },
    { ...storage, baseUrl: 'https://api.example' },
    context,
  );
  await expect(put).rejects.toMatchObject({ code: 'response-invalid' });
  expect(server.arrivals).toHaveLength(0);
});

test('a file goes in its parts, each once, in their order', async () => {
  const path = join(folder, 'rows');
  writeFileSync(path, 'abcdefg');
  server.behave({ ...good, headers: { etag: '"one"' } } as typeof good, { ...good, headers: { etag: '"two"' } } as typeof good, good);
  const parts = [1, 2, 3].map((number) => ({ number, address: `${server.origin}/part-${number}` }));
  expect(await putSignedParts({ path, partBytes: 3, parts }, storage, context)).toEqual([
    { number: 1, etag: 'one' },
    { number: 2, etag: 'two' },
    { number: 3, etag: '' },
  ]);
  expect(server.arrivals.map(({ path: at, body }) => [at, body.toString()])).toEqual([
    ['/part-1', 'abc'],
    ['/part-2', 'def'],
    ['/part-3', 'g'],
  ]);
});
