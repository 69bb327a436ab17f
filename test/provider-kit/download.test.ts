import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { download, type Download } from '../../src/provider-kit/download.ts';
import type { HttpFault } from '../../src/testing/http-fault.ts';
import type { WrittenFile } from '../../src/lib/fs.ts';
import { answer, create, pauses, server, useServer } from './http/http-fixture.ts';

useServer();

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'orchestrate-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const rows = '{"a":1}\n{"a":2}\n';
const isRows = (head: string): boolean => head.startsWith('{');

async function fetchFile(faults: readonly HttpFault[], file: Partial<Download> = {}): Promise<WrittenFile> {
  server.behave(...faults);
  const send = create({ body: 'stream' });
  const info = { what: `GET ${server.origin}/file`, redact: (text: string) => text, now: new Date(0) };
  const wait = async (ms: number): Promise<void> => await Promise.resolve(void pauses.push(ms));
  const source = { open: async () => await send(`${server.origin}/file`), info };
  return await download(source, { path: join(folder, 'file'), what: 'file', bytes: 0, ...file }, { signal: null, wait });
}

test('a file is written whole, also after its body broke off', async () => {
  const cut: HttpFault = { kind: 'cut', framing: 'length' };
  const good = answer(200, {}, `\uFEFF ${rows}`);
  const { sha256: hash, bytes } = await fetchFile([cut, good], { isContent: isRows });
  expect([hash, bytes]).toEqual([sha256(`\uFEFF ${rows}`), 4 + rows.length]);
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe(`\uFEFF ${rows}`);
  expect(pauses).toEqual([1000]);
  await expect(fetchFile([cut])).rejects.toMatchObject({ code: 'service-unavailable' });
  expect(server.arrivals).toHaveLength(5);
});

test.each<[string, HttpFault, Partial<Download>, RegExp]>([
  ['a page', answer(200, { 'content-type': 'text/html' }, '<html>'), { isContent: () => true }, /found a page of HTML/],
  ['other content', answer(200, {}, '<html>'), { isContent: isRows }, /found something else/],
  ['nothing', answer(200, {}, ''), { isContent: isRows, bytes: 9 }, /expected a file of 9 bytes, found nothing/],
  ['other bytes', answer(200, {}, 'x'), { hash: { algorithm: 'sha256', hex: sha256('y') } }, /expected the bytes of .*, found those of/],
  ['a refusal', answer(404), {}, /the service refused the request \(404\): no/],
])('%s instead of the file leaves nothing behind', async (_, fault, file, message) => {
  await expect(fetchFile([fault], file)).rejects.toThrow(message);
  expect(readdirSync(folder)).toEqual([]);
  expect(server.arrivals).toHaveLength(1);
});

test.each([
  ['sha256', sha256(rows)],
  ['git', createHash('sha1').update(`blob ${rows.length}\0${rows}`).digest('hex')],
] as const)('a file has the name that the service gives its content: %s', async (algorithm, hex) => {
  await fetchFile([answer(200, {}, rows)], { bytes: rows.length, hash: { algorithm, hex } });
  expect(existsSync(join(folder, 'file'))).toBe(true);
  await expect(fetchFile([answer(200, {}, `${rows} `)], { bytes: rows.length, hash: { algorithm, hex } })).rejects.toThrow(
    /expected the bytes/,
  );
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe(rows);
});
