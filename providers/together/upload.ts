import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import { parseJsonOr } from '../../src/lib/json.ts';
import type { Attempt, Context } from '../../src/provider/context.ts';
import type { Training } from '../../src/provider/provider.ts';
import { createFetch, isRefusedWith, toAnswerFailure } from '../../src/provider-kit/http.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { poll } from '../../src/provider-kit/retry.ts';
import { getSecrets, parseRequestDeadline } from '../../src/provider-kit/settings.ts';
import { writeTrainingFile, type TrainingFile } from '../../src/provider-kit/training-file.ts';
import { createClientFetch } from '../openai-compatible/client.ts';
import { formatName, toLine } from '../openai-compatible/upload.ts';
import { api, call, config } from './client.ts';
import type { CreateRequest, Prepared } from './request.ts';

/**
 * White space for the end of the first line that no other file has: the service answers equal bytes with the file that it has already. Two
 * runs on the same rows would share that file, and to fence one would break the other.
 */
function buildMark({ key, attempt }: Attempt, part: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([key, attempt, part]))
    .digest();
  return [...hash.subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, '0').replaceAll('0', ' ').replaceAll('1', '\t')).join('');
}

/** Brings the rows of an attempt to the service, and deletes them there. */
export const uploads: Pick<Training<CreateRequest, Prepared>, 'prepare' | 'fence' | 'discard'> = {
  async prepare({ rows }, context) {
    const upload = async (part: 'train' | 'validation'): Promise<string> => {
      context.signal.throwIfAborted();
      let mark = buildMark(context, part);
      const file = await writeTrainingFile(join(context.workDir, `${part}.jsonl`), context.readRows(part), (row) => {
        const line = JSON.stringify(toLine(row, rows)) + mark;
        mark = '';
        return line;
      });
      return await uploadFile(file, formatName(context, part), context);
    };
    const trainingFile = await upload('train');
    const validationFile = context.facts.validation === null ? null : await upload('validation');
    const uploadedAt = await waitUntilValid(trainingFile, context);
    if (validationFile !== null) await waitUntilValid(validationFile, context);
    return { trainingFile, validationFile, uploadedAt };
  },
  /** Deletes the attempt's training file, without which no job of it can be created. */
  fence: async ({ trainingFile }, context) => await deleteFile(trainingFile, context),
  async discard({ trainingFile, validationFile }, context) {
    for (const file of [trainingFile, validationFile]) if (file !== null) await deleteFile(file, context);
  },
};

/** Above this a file comes in parts. */
export const uploadLimits = { wholeBytes: 5 * 2 ** 30, partBytes: 250 * 2 ** 20 };

const Known = z.looseObject({ file_id: z.string().min(1) });

/**
 * Uploads a file in the service's own steps: it is announced, its bytes go to a signed address at another origin, which gets no key, and
 * the service is asked to look at them. One that is there already is this attempt's, from a try before.
 */
async function uploadFile(file: TrainingFile, name: string, context: Context): Promise<string> {
  const fields = { purpose: 'fine-tune', file_name: name, file_type: 'jsonl', checksum: file.sha256 };
  if (file.bytes > uploadLimits.wholeBytes) return await uploadParts(file, fields, context);
  const query = new URLSearchParams(fields).toString();
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await send('POST /files', { query, body: query, headers: form }, context);
  const known = parseKnown(answer);
  if (known !== null) return known;
  const [address, id] = [answer.response.headers.get('location'), answer.response.headers.get('x-together-file-id')];
  if (answer.response.status !== 302 || address === null || id === null) throw toUnexpected(answer, 'an address for the bytes', context);
  await putBytes(address, await openAsBlob(file.path), context);
  const looked = await send(`POST /files/${encodeURIComponent(id)}/preprocess`, {}, context);
  if (!looked.response.ok) throw toUnexpected(looked, 'the file to be read', context);
  return id;
}

const Parts = z.looseObject({
  upload_id: z.string(),
  file_id: z.string().min(1),
  parts: z.array(z.looseObject({ PartNumber: z.int(), URL: z.string(), Headers: z.record(z.string(), z.string()).nullish() })),
});

async function uploadParts({ path, bytes }: TrainingFile, fields: Readonly<Record<string, string>>, context: Context): Promise<string> {
  const json = { 'content-type': 'application/json' };
  const post = async (step: string, body: object): Promise<Answer> =>
    await send(`POST /files/multipart/${step}`, { body: JSON.stringify(body), headers: json }, context);
  const count = Math.ceil(bytes / uploadLimits.partBytes);
  const begun = await post('initiate', { ...fields, file_size: bytes, num_parts: count });
  const known = parseKnown(begun);
  if (known !== null) return known;
  if (!begun.response.ok) throw toUnexpected(begun, 'addresses for the parts', context);
  const { upload_id, file_id, parts } = parseAnswer<z.infer<typeof Parts>>(Parts, parseJsonOr(begun.text, null), begun.call);
  const blob = await openAsBlob(path);
  const done: { part_number: number; etag: string }[] = [];
  // One after the other: parts in parallel would share the same line.
  for (const { PartNumber: part, URL: address, Headers: headers } of parts) {
    const content = blob.slice((part - 1) * uploadLimits.partBytes, part * uploadLimits.partBytes);
    const stored = await putBytes(address, content, context, headers ?? {});
    done.push({ part_number: part, etag: (stored.headers.get('etag') ?? '').replaceAll('"', '') });
  }
  const completed = await post('complete', { upload_id, file_id, parts: done });
  if (!completed.response.ok) throw toUnexpected(completed, 'the file to be put together', context);
  return file_id;
}

interface Answer {
  readonly call: string;
  readonly response: Response;
  readonly text: string;
}

/** A request that the official client has no method for. A redirect is its answer. */
async function send(
  name: string,
  { query, ...init }: { readonly query?: string; readonly body?: string; readonly headers?: Readonly<Record<string, string>> },
  context: Context,
): Promise<Answer> {
  const [method, path] = name.split(' ', 2);
  const url = `${config.baseUrl(context)}${path}${query === undefined ? '' : `?${query}`}`;
  const response = await createClientFetch(config, context, { redirect: 'answer' })(url, { method: method!, ...init });
  return { call: name, response, text: await response.text() };
}

/** The file with the same bytes that the account has already; null where the answer names none. */
function parseKnown({ response, text }: Answer): string | null {
  return response.status === 409 ? (Known.safeParse(parseJsonOr(text, null)).data?.file_id ?? null) : null;
}

function toUnexpected({ call: name, response, text }: Answer, expected: string, context: Context): Failure {
  if (response.status >= 400) {
    return toAnswerFailure({ status: response.status, headers: response.headers, body: text }, api.describeRequest(name, context));
  }
  return new Failure('response-invalid', `${name}: expected ${expected}, found an answer without them (${response.status})`);
}

/** Sends bytes to a signed address; the key stays here. */
async function putBytes(
  address: string,
  body: Blob,
  context: Context,
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/octet-stream' },
): Promise<Response> {
  if (config.baseUrl(context).startsWith('https:') && !address.startsWith('https:')) {
    throw new Failure(
      'response-invalid',
      'POST /files: expected an address with https: for the bytes, found another one; nothing was sent',
    );
  }
  const put = createFetch({
    ...parseRequestDeadline(context),
    secrets: getSecrets(context, config.credentials),
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  const response = await put(address, { method: 'PUT', body, headers, signal: context.signal });
  if (response.ok) return response;
  const what = `PUT ${new URL(address).origin}`;
  throw new Failure('service-unavailable', `${what}: the storage of Together did not take the rows (${response.status})`);
}

const FileState = z.looseObject({
  created_at: z.unknown().optional(),
  Processed: z.boolean().nullish(),
  processing_status: z.string().nullish(),
  validation_report: z.looseObject({ error: z.string().nullish() }).nullish().catch(null),
});

const validation = { firstMs: 500, longestMs: 5000, withinMs: 3_600_000 };

/**
 * Waits until the service has read the file; before that nothing says what a job costs.
 * @returns when the service got it
 * @throws Failure `data-invalid` with the service's words where it cannot use the rows, `timeout`
 */
async function waitUntilValid(file: string, context: Context): Promise<string | null> {
  const route = `GET /files/${encodeURIComponent(file)}`;
  let createdAt: string | null = null;
  const isValid = async (): Promise<true | null> => {
    const answer = await call({ call: route }, context, async (client) => await client.files.retrieve(file));
    const state = parseAnswer<z.infer<typeof FileState>>(FileState, answer, route);
    createdAt = toIsoTime(state.created_at);
    const status = state.processing_status?.toUpperCase() ?? (state.Processed === true ? 'COMPLETED' : '');
    if (status !== 'FAILED' && status !== 'INVALID_FORMAT') return status === 'COMPLETED' ? true : null;
    const why = state.validation_report?.error ?? 'it does not say why';
    throw new Failure('data-invalid', `Together cannot use the uploaded rows: ${api.redact(why, context)}`);
  };
  const onTimeout = (): Failure => new Failure('timeout', `${route}: expected the file to be read within an hour`);
  await poll(isValid, context, { ...validation, onTimeout });
  return createdAt;
}

const Deleted = z.looseObject({ deleted: z.literal(true) });

/** Deletes a file of ours; one that is gone already is no error. @throws Failure where the file may still be there */
async function deleteFile(file: string, context: Context): Promise<void> {
  const route = `DELETE /files/${encodeURIComponent(file)}`;
  try {
    await call({ call: route }, context, async (client) => parseAnswer(Deleted, await client.files.delete(file), route));
  } catch (error) {
    if (!isRefusedWith(error, 404)) throw error;
  }
}
