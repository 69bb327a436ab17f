import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { postRaw, toUnexpected, type RawAnswer } from '../../src/provider-kit/raw-answer.ts';
import { poll } from '../../src/provider-kit/retry.ts';
import { getSecrets } from '../../src/provider-kit/settings.ts';
import { putSigned, putSignedParts, type SignedStorage } from '../../src/provider-kit/signed-upload.ts';
import type { TrainingFile } from '../../src/provider-kit/training-file.ts';
import { createClientFetch } from '../openai-compatible/client.ts';
import type { UploadSteps } from '../openai-compatible/upload.ts';
import { api, config, read } from './client.ts';

/** Above this a file comes in parts. */
export const uploadLimits = { wholeBytes: 5 * 2 ** 30, partBytes: 250 * 2 ** 20 };

/** The service's own steps: a file is announced, its bytes go to a signed address, and the service is asked to look at them. */
export const uploadSteps: UploadSteps = { upload: uploadFile, wait: waitUntilValid, isMarked: true };

const toStorage = (context: Context): SignedStorage => {
  return { name: 'the storage of Together', baseUrl: config.baseUrl(context), secrets: getSecrets(context, config.credentials) };
};

const formatStep = (id: string): string => `/files/${encodeURIComponent(id)}/preprocess`;

const Known = z.looseObject({ file_id: z.string().min(1) });

/** One that is there already is this attempt's, from a try before. */
async function uploadFile(file: TrainingFile, name: string, context: Context): Promise<string> {
  const fields = { purpose: 'fine-tune', file_name: name, file_type: 'jsonl', checksum: file.sha256 };
  const isWhole = file.bytes <= uploadLimits.wholeBytes;
  const count = Math.ceil(file.bytes / uploadLimits.partBytes);
  const begun = isWhole
    ? await post(`/files?${new URLSearchParams(fields).toString()}`, new URLSearchParams(fields), context)
    : await post('/files/multipart/initiate', { ...fields, file_size: file.bytes, num_parts: count }, context);
  const known = begun.status === 409 ? Known.safeParse(begun.json).data : undefined;
  if (known !== undefined) {
    // That try may have ended before it asked for this. A file that was looked at already may be refused; its state is what counts.
    await post(formatStep(known.file_id), null, context);
    return known.file_id;
  }
  return isWhole ? await sendWhole(file, begun, context) : await sendParts(file, begun, context);
}

async function sendWhole({ path }: TrainingFile, begun: RawAnswer, context: Context): Promise<string> {
  const [address, id] = [begun.headers.get('location'), begun.headers.get('x-together-file-id')];
  if (begun.status !== 302 || address === null || id === null) throw refuse(begun, ['/files', 'an address for the bytes'], context);
  await putSigned({ address, body: await openAsBlob(path) }, toStorage(context), context);
  const looked = await post(formatStep(id), null, context);
  if (looked.status >= 300) throw refuse(looked, [formatStep(id), 'the file to be read'], context);
  return id;
}

const Part = z
  .looseObject({ PartNumber: z.int(), URL: z.string(), Headers: z.record(z.string(), z.string()).nullish() })
  .transform(({ PartNumber: number, URL: address, Headers: headers }) => ({ number, address, headers }));
const Parts = z.looseObject({ upload_id: z.string(), file_id: z.string().min(1), parts: z.array(Part) });

async function sendParts({ path }: TrainingFile, begun: RawAnswer, context: Context): Promise<string> {
  if (begun.status >= 300) throw refuse(begun, ['/files/multipart/initiate', 'addresses for the parts'], context);
  const { upload_id, file_id, parts } = parseAnswer(Parts, begun.json, 'POST /files/multipart/initiate');
  const stored = await putSignedParts({ path, partBytes: uploadLimits.partBytes, parts }, toStorage(context), context);
  const done = stored.map(({ number, etag }) => ({ part_number: number, etag }));
  const completed = await post('/files/multipart/complete', { upload_id, file_id, parts: done }, context);
  if (completed.status >= 300) throw refuse(completed, ['/files/multipart/complete', 'the file to be put together'], context);
  return file_id;
}

async function post(path: string, body: object | null, context: Context): Promise<RawAnswer> {
  return await postRaw(createClientFetch(config, context, { redirect: 'answer' }), `${config.baseUrl(context)}${path}`, body);
}

function refuse(answer: RawAnswer, [path, expected]: readonly [path: string, expected: string], context: Context): Failure {
  return toUnexpected(answer, expected, api.describeRequest(`POST ${path}`, context));
}

const FileState = z.looseObject({
  created_at: z.unknown().optional(),
  Processed: z.boolean().nullish(),
  processing_status: z.string().nullish(),
  validation_report: z.looseObject({ error: z.string().nullish() }).nullish().catch(null),
});

/** Waits until the service has read the file; before that nothing says what a job costs. */
async function waitUntilValid(file: string, context: Context): Promise<string | null> {
  const path = `/files/${encodeURIComponent(file)}`;
  const findState = async (): Promise<z.infer<typeof FileState> | null> => {
    const state = await read({ path, schema: FileState }, context);
    const status = state.processing_status?.toUpperCase() ?? (state.Processed === true ? 'COMPLETED' : '');
    if (status !== 'FAILED' && status !== 'INVALID_FORMAT') return status === 'COMPLETED' ? state : null;
    const why = state.validation_report?.error ?? 'it does not say why';
    throw new Failure('data-invalid', `Together cannot use the uploaded rows: ${api.redact(why, context)}`);
  };
  const onTimeout = (): Failure => new Failure('timeout', `GET ${path}: expected the file to be read within an hour`);
  return toIsoTime((await poll(findState, context, { firstMs: 500, longestMs: 5000, withinMs: 3_600_000, onTimeout })).created_at);
}
