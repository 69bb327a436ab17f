import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { gather, openSandbox, smallLines, uploadLines } from './sandbox-world.ts';

test('a file comes back as it was sent, is listed, and is gone once deleted', async () => {
  const { client } = await openSandbox();
  const text = `${smallLines}{"text": "ü\\r\\n--"}\n`;
  const file = await client.files.create({ purpose: 'fine-tune', file: new File([text], 'ä "b".jsonl') });
  expect(file).toMatchObject({ object: 'file', filename: 'ä "b".jsonl', bytes: Buffer.byteLength(text), status: 'processed' });
  expect(file.created_at).toBe(Date.UTC(2026, 10, 1) / 1000);
  expect(await (await client.files.content(file.id)).text()).toBe(text);
  expect(await client.files.retrieve(file.id)).toEqual(file);
  expect(await client.files.waitForProcessing(file.id)).toEqual(file);
  expect(await client.files.delete(file.id)).toEqual({ object: 'file', id: file.id, deleted: true });
  await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  expect(await gather(client.files.list())).toEqual([]);
});

test('files are listed newest first, page by page, by purpose and in the order asked for', async () => {
  const { client } = await openSandbox({ pageSize: 2 });
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push(await uploadLines(client));
  await client.files.create({ purpose: 'batch', file: new File(['{}'], 'batch.jsonl') });
  const newest = await gather(client.files.list({ purpose: 'fine-tune' }));
  expect(newest.map(({ id }) => id)).toEqual(ids.toReversed());
  const oldest = await gather(client.files.list({ purpose: 'fine-tune', order: 'asc' }));
  expect(oldest.map(({ id }) => id)).toEqual(ids);
  expect((await client.files.list()).data).toHaveLength(2);
});

test('a file that expires is gone after its time', async () => {
  const { client, sandbox } = await openSandbox();
  const file = new File([smallLines], 'train.jsonl');
  const { id, expires_at: end } = await client.files.create({
    purpose: 'fine-tune',
    file,
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  expect(end).toBe(Date.UTC(2026, 10, 1, 1) / 1000);
  sandbox.step(3600_000);
  await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404 });
  const tooShort = { anchor: 'created_at', seconds: 10 } as const;
  await expect(client.files.create({ purpose: 'fine-tune', file, expires_after: tooShort })).rejects.toMatchObject({ status: 400 });
});

test('an upload in parts becomes a file', async () => {
  const { client } = await openSandbox();
  const bytes = Buffer.from(smallLines);
  const { id } = await client.uploads.create({
    bytes: bytes.length,
    filename: 'parts.jsonl',
    mime_type: 'application/jsonl',
    purpose: 'fine-tune',
  });
  const cuts = [bytes.subarray(0, 100), bytes.subarray(100)];
  const parts = [];
  for (const cut of cuts) parts.push((await client.uploads.parts.create(id, { data: new File([cut], 'part') })).id);
  await expect(client.uploads.complete(id, { part_ids: parts.slice(1) })).rejects.toMatchObject({ status: 400 });
  await expect(client.uploads.complete(id, { part_ids: parts.toReversed(), md5: 'abc' })).rejects.toMatchObject({ param: 'md5' });
  const md5 = createHash('md5').update(bytes).digest('hex');
  const { status, file } = await client.uploads.complete(id, { part_ids: parts, md5 });
  expect(status).toBe('completed');
  expect(await (await client.files.content(file!.id)).text()).toBe(smallLines);
  await expect(client.uploads.cancel(id)).rejects.toMatchObject({ status: 400 });
});

test('an upload is cancelled, or expires', async () => {
  const { client, sandbox } = await openSandbox();
  const begin = { bytes: 3, filename: 'a.jsonl', mime_type: 'application/jsonl', purpose: 'fine-tune' } as const;
  const cancelled = await client.uploads.create(begin);
  expect(await client.uploads.cancel(cancelled.id)).toMatchObject({ status: 'cancelled' });
  const late = await client.uploads.create(begin);
  sandbox.step(3600_000);
  await expect(client.uploads.parts.create(late.id, { data: new File(['abc'], 'part') })).rejects.toThrow('expired');
});

test.each([
  ['an empty file', '', 'train.jsonl', 'File is empty'],
  ['another kind of file', 'text,label', 'train.csv', 'Must be .jsonl'],
])('refused: %s', async (_, content, name, message) => {
  const { client, sandbox } = await openSandbox();
  await expect(client.files.create({ purpose: 'fine-tune', file: new File([content], name) })).rejects.toThrow(message);
  expect(sandbox.account().files).toEqual([]);
});
