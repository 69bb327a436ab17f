import { createReadStream, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepare } from '../../../providers/openai/prepare.ts';
import { translate } from '../../../providers/openai/translate.ts';
import { uploadLimits } from '../../../providers/openai/upload.ts';
import { azure, dated, openai, record } from './own-client.ts';
import type { RecordedRequest } from './recording-server.ts';
import { key, toInput } from './fixture.ts';

/** The parts of a form, or a body that is none as the only one. In which order a form has its parts says nothing (RFC 7578, 5.2). */
function toParts({ headers, body }: RecordedRequest): string[] {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1];
  return boundary === undefined
    ? [body.toString()]
    : body
        .toString()
        .split(`--${boundary}`)
        .map((part) => part.trimEnd())
        .sort();
}

/** Our type of the file says what is in it; the official client takes the general one for every file. */
const [ourType, theirType] = ['Content-Type: application/jsonl', 'Content-Type: application/octet-stream'];

test.each([
  ['OpenAI', openai],
  ['Azure', azure],
  ['dated Azure', dated],
])('at %s the official client uploads the same form', async (_, service) => {
  const name = `orchestrate-${key}-1-train.jsonl`;
  const [upload, look, theirs] = await record(service, async (fixture, own) => {
    const context = fixture.toAttempt();
    await prepare(fixture.dialect, translate(fixture.dialect, toInput({ task: 'chat' })).request, context);
    await copyFile(join(context.workDir, 'train.jsonl'), join(context.workDir, name)); // the client names the part after the file
    await own.files.create({ file: createReadStream(join(context.workDir, name)), purpose: 'fine-tune' });
  });
  expect(toParts(upload!)).toEqual(toParts(theirs!).map((part) => part.replace(theirType, ourType)));
  expect(toParts(upload!)).toEqual([
    '',
    expect.stringMatching(
      new RegExp(
        `^\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n${ourType}\r\n\r\n\\{"messages":.* €"\\}\\]\\}$`,
        's',
      ),
    ),
    '\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune',
    '--',
  ]);
  expect([upload!.method, upload!.path]).toEqual([theirs!.method, theirs!.path]);
  expect(look!.method).toBe('GET');
});

test('the official client uploads the same parts of a large file', async () => {
  const partBytes = 700;
  const requests = await record(openai, async (fixture, own) => {
    const context = fixture.toAttempt();
    const { request } = translate(fixture.dialect, toInput({ task: 'chat' }));
    await prepare(fixture.dialect, request, context, { wholeBytes: 1000, partBytes });
    const filename = `orchestrate-${key}-1-train.jsonl`;
    const bytes = readFileSync(join(context.workDir, 'train.jsonl'));
    const { id } = await own.uploads.create({ bytes: bytes.length, filename, mime_type: 'text/jsonl', purpose: 'fine-tune' });
    const ids: string[] = [];
    for (let from = 0; from < bytes.length; from += partBytes) {
      const data = new File([bytes.subarray(from, from + partBytes)], filename);
      ids.push((await own.uploads.parts.create(id, { data })).id);
    }
    await own.uploads.complete(id, { part_ids: ids });
  });
  const count = requests.filter(({ path }) => path.endsWith('/parts')).length / 2;
  const ours = requests.slice(0, 2 + count);
  const theirs = requests.slice(-(2 + count));
  expect(count).toBeGreaterThan(1);
  const toLines = (list: readonly RecordedRequest[]): string[][] =>
    list.map((request) => [`${request.method} ${request.path}`, ...toParts(request).map((part) => part.replace(ourType, theirType))]);
  expect(toLines(ours)).toEqual(toLines(theirs));
});

test('the limits of an upload are those of the service', () => {
  expect(uploadLimits).toEqual({ wholeBytes: 512_000_000, partBytes: 64_000_000 });
});
