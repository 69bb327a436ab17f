import type Together from 'together-ai';
import { z } from 'zod';
import { createHash } from 'node:crypto';
import { formatTime, toSeconds } from '../clock.ts';
import { getParam, readBody, refuse } from '../http.ts';
import { parseTrainingFile } from '../openai/training-file.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import type { TogetherFile } from './state.ts';

/** Until an uploaded file has been looked at. */
const validationMs = 300;
const grantMs = 3_600_000;

const NewFile = z.strictObject({
  purpose: z.enum(['fine-tune', 'eval', 'batch-api']),
  file_name: z.string().min(1),
  file_type: z.enum(['jsonl', 'csv', 'parquet']),
  checksum: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
type NewFile = z.infer<typeof NewFile>;

/** The fields of an announcement, which the clients send in the query, as a form, or as JSON. */
async function readNewFile(context: SandboxContext): Promise<NewFile> {
  const text = await context.req.text();
  const type = context.req.header('content-type') ?? '';
  const isForm = type.startsWith('application/x-www-form-urlencoded');
  const fields = text === '' ? {} : isForm ? Object.fromEntries(new URLSearchParams(text)) : (JSON.parse(text) as object);
  const parsed = NewFile.safeParse({ ...context.req.query(), ...fields });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return refuse(400, `Invalid file: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Announces a file: the answer is the address that takes its bytes. Bytes that the account has already are refused, with their file. */
export async function announceFile(context: SandboxContext): Promise<Response> {
  const fields = await readNewFile(context);
  const known = findByChecksum(context, fields.checksum);
  if (known !== null) return refuseKnown(known);
  const file = addFile(context, fields);
  const location = grantUpload(context, (bytes) => receiveBytes(file, bytes));
  return context.body(null, 302, { location, 'x-together-file-id': file.wire.id });
}

function findByChecksum({ var: { account } }: SandboxContext, checksum: string | undefined): TogetherFile | null {
  if (checksum === undefined) return null;
  return [...account.together.files.values()].find((file) => file.bytes !== null && file.checksum === checksum) ?? null;
}

function refuseKnown({ wire: { id } }: TogetherFile): Response {
  const error = { message: `File already exists: ${id}`, type: 'invalid_request_error', param: null, code: 'file_already_exists' };
  return Response.json({ error, file_id: id }, { status: 409 });
}

function addFile(context: SandboxContext, { purpose, file_name, file_type, checksum }: NewFile): TogetherFile {
  const { account, service } = context.var;
  const about = { object: 'file', id: account.nextId('file-'), created_at: toSeconds(service.clock.nowMs()), bytes: 0 } as const;
  const wire = { ...about, filename: file_name.split('/').at(-1)!, purpose, FileType: file_type };
  const file: TogetherFile = { wire, checksum: checksum ?? null, bytes: null, readyMs: null, problem: null };
  account.together.files.set(wire.id, file);
  return file;
}

/** An address of the storage for one upload, valid for an hour. */
function grantUpload({ var: { account, service } }: SandboxContext, receive: (bytes: Buffer) => void): string {
  const signature = account.nextHex(32);
  account.together.grants.set(signature, { untilMs: service.clock.nowMs() + grantMs, receive });
  return `${service.storageUrl}/together/${account.name}/upload?X-Amz-Signature=${signature}`;
}

function receiveBytes(file: TogetherFile, bytes: Buffer): void {
  file.bytes = bytes;
  Object.assign(file.wire, { bytes: bytes.length });
}

/** The storage: takes what a signed address allows. */
export async function putUpload(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const grant = account.together.grants.get(context.req.query('X-Amz-Signature') ?? '');
  if (grant === undefined || grant.untilMs <= service.clock.nowMs()) return context.body('<Error><Code>AccessDenied</Code></Error>', 403);
  const bytes = Buffer.from(await context.req.arrayBuffer());
  grant.receive(bytes);
  return context.body(null, 200, { etag: `"${createHash('md5').update(bytes).digest('hex')}"` });
}

export function preprocessFile(context: SandboxContext): Response {
  const file = findFile(context);
  if (file.bytes === null) return refuse(400, `The file ${file.wire.id} has not been uploaded.`);
  lookAt(file, context.var.service.clock.nowMs());
  return context.json(formatTogetherFile(file, context.var.service.clock.nowMs()));
}

function lookAt(file: TogetherFile, nowMs: number): void {
  file.readyMs ??= nowMs + validationMs;
  file.problem = findProblem(file.bytes!);
}

/** The rows decide what they are: conversations, or pairs of answers. */
function findProblem(bytes: Buffer): string | null {
  const head = bytes.toString('utf8', 0, 200);
  const method = head.includes('"preferred_output"') || head.startsWith('{"input"') ? 'dpo' : 'supervised';
  const { problem, examples } = parseTrainingFile(bytes, method, 'training');
  return problem?.code === 'invalid_n_examples' && examples.length > 0 ? null : (problem?.message ?? null);
}

/** As the official client knows it, which calls `Processed` deprecated. */
type WireTogetherFile = Omit<Together.FileResponse, 'Processed'> & { readonly Processed: boolean };

/** A file as the service writes it now. */
export function formatTogetherFile({ wire, readyMs, problem }: TogetherFile, nowMs: number): WireTogetherFile {
  if (readyMs === null) return { ...wire, Processed: false, processing_status: 'PENDING' };
  if (nowMs < readyMs) return { ...wire, Processed: false, processing_status: 'RUNNING' };
  if (problem === null)
    return { ...wire, Processed: true, processing_status: 'COMPLETED', validation_report: { valid: true, file_id: wire.id } };
  const validation_report = { valid: false, error: problem, error_type: 'INVALID_FORMAT', file_id: wire.id } as const;
  return { ...wire, Processed: false, processing_status: 'INVALID_FORMAT', validation_report };
}

function findFile(context: SandboxContext): TogetherFile {
  const id = getParam(context, 'id');
  return context.var.account.together.files.get(id) ?? refuse(404, `File ${id} not found`);
}

export function listFiles(context: SandboxContext): Response {
  const { account, service } = context.var;
  return context.json({ data: [...account.together.files.values()].map((file) => formatTogetherFile(file, service.clock.nowMs())) });
}

export function retrieveFile(context: SandboxContext): Response {
  return context.json(formatTogetherFile(findFile(context), context.var.service.clock.nowMs()));
}

export function readContent(context: SandboxContext): Response {
  const { bytes } = findFile(context);
  return context.body(new Uint8Array(bytes ?? []), 200, { 'content-type': 'application/octet-stream' });
}

export function deleteFile(context: SandboxContext): Response {
  const { id } = findFile(context).wire;
  context.var.account.together.files.delete(id);
  return context.json({ id, deleted: true });
}

const Initiate = NewFile.extend({ file_size: z.int().min(1), num_parts: z.int().min(1).max(250) });

export async function initiateParts(context: SandboxContext): Promise<Response> {
  const { num_parts: count, file_size: _, ...fields } = await readBody(context, Initiate);
  const known = findByChecksum(context, fields.checksum);
  if (known !== null) return refuseKnown(known);
  const { account } = context.var;
  const file = addFile(context, fields);
  const upload = { file, parts: new Map<number, { bytes: Buffer; etag: string }>() };
  const upload_id = account.nextId('upload-');
  account.together.uploads.set(upload_id, upload);
  const parts = Array.from({ length: count }, (_unused, i) => {
    const receive = (bytes: Buffer): void => void upload.parts.set(i + 1, { bytes, etag: createHash('md5').update(bytes).digest('hex') });
    return { PartNumber: i + 1, URL: grantUpload(context, receive), Headers: {} };
  });
  return context.json({ upload_id, file_id: file.wire.id, parts });
}

const Complete = z.strictObject({
  upload_id: z.string(),
  file_id: z.string(),
  parts: z.array(z.strictObject({ part_number: z.int(), etag: z.string() })),
});

export async function completeParts(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const { upload_id: id, parts } = await readBody(context, Complete);
  const upload = account.together.uploads.get(id) ?? refuse(404, `Upload ${id} not found`);
  const bytes = parts.map(({ part_number: number, etag }) => {
    const part = upload.parts.get(number);
    return part?.etag === etag ? part.bytes : refuse(400, `Part ${number} was not uploaded.`);
  });
  receiveBytes(upload.file, Buffer.concat(bytes));
  lookAt(upload.file, service.clock.nowMs());
  account.together.uploads.delete(id);
  return context.json({ file: formatTogetherFile(upload.file, service.clock.nowMs()) });
}

export async function abortParts(context: SandboxContext): Promise<Response> {
  const { upload_id: id, file_id: file } = await readBody(context, z.strictObject({ upload_id: z.string(), file_id: z.string() }));
  context.var.account.together.uploads.delete(id);
  context.var.account.together.files.delete(file);
  return context.json({ message: 'aborted', at: formatTime(context.var.service.clock.nowMs()) });
}

/** The bytes of a file that a job may use. */
export function findReady({ together }: AccountState, id: string, nowMs: number): Buffer | 'missing' | 'early' | 'invalid' {
  const file = together.files.get(id);
  if (file?.bytes == null || file.wire.purpose !== 'fine-tune') return 'missing';
  if (file.readyMs === null || nowMs < file.readyMs) return 'early';
  return file.problem === null ? file.bytes : 'invalid';
}
