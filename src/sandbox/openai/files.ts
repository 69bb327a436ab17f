import { z } from 'zod';
import { toSeconds } from '../clock.ts';
import { getPage, getParam, readBody, readForm, refuse } from '../http.ts';
import type { SandboxContext } from '../service.ts';
import type { StoredFile, Upload, WireFile } from './state.ts';

const Purpose = z.enum(['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']);
const NewFile = z.strictObject({ file: z.instanceof(File), purpose: Purpose });

export async function uploadFile(context: SandboxContext): Promise<Response> {
  const { file, purpose } = await readForm(context, NewFile);
  const added = addFile(context, { filename: file.name, purpose }, Buffer.from(await file.arrayBuffer()));
  return context.json(added, context.var.dialect.createdStatus);
}

function addFile(context: SandboxContext, { filename, purpose }: Pick<WireFile, 'filename' | 'purpose'>, bytes: Buffer): WireFile {
  const { account, dialect, service } = context.var;
  if (bytes.length === 0) refuse(400, 'File is empty.', { param: 'file' });
  if (purpose === 'fine-tune' && !filename.endsWith('.jsonl'))
    refuse(400, 'Invalid file format for Fine-Tuning API. Must be .jsonl', { param: 'file' });
  const nowMs = service.clock.nowMs();
  const about = { object: 'file', id: account.nextId('file-'), purpose, filename, status: 'processed' } as const;
  const wire: WireFile = { ...about, bytes: bytes.length, created_at: toSeconds(nowMs) };
  const file: StoredFile = { wire, bytes, readyMs: nowMs + dialect.fileImportMs };
  account.openai.files.set(wire.id, file);
  return formatFile(file, nowMs);
}

/** A file as the service writes it now. */
export function formatFile({ wire, readyMs }: StoredFile, nowMs: number): WireFile {
  return nowMs < readyMs ? { ...wire, status: 'pending' } : wire;
}

function findFile(context: SandboxContext): StoredFile {
  const id = getParam(context, 'id');
  return context.var.account.openai.files.get(id) ?? refuse(404, `No such File object: ${id}`, { param: 'id' });
}

/** Files, newest first. */
export function listFiles(context: SandboxContext): Response {
  const { account, service } = context.var;
  const { purpose } = context.req.query();
  const all = [...account.openai.files.values()].map((file) => formatFile(file, service.clock.nowMs())).toReversed();
  const found = all.filter((file) => purpose === undefined || file.purpose === purpose);
  const page = getPage(context, found, { usual: 10_000, query: ['purpose'] });
  return context.json({ object: 'list', ...page, first_id: page.data[0]?.id ?? '', last_id: page.data.at(-1)?.id ?? '' });
}

export function retrieveFile(context: SandboxContext): Response {
  return context.json(formatFile(findFile(context), context.var.service.clock.nowMs()));
}

export function readContent(context: SandboxContext): Response {
  return context.body(new Uint8Array(findFile(context).bytes), 200, { 'content-type': 'application/octet-stream' });
}

export function deleteFile(context: SandboxContext): Response {
  const { id } = findFile(context).wire;
  context.var.account.openai.files.delete(id);
  return context.var.dialect.id === 'azure' ? context.body(null, 204) : context.json({ object: 'file', id, deleted: true });
}

const uploadLifeSeconds = 3600;
const mostPartBytes = 64 * 2 ** 20;

const NewUpload = z.strictObject({ filename: z.string(), purpose: Purpose, bytes: z.int().min(1), mime_type: z.string() });

export async function createUpload(context: SandboxContext): Promise<Response> {
  const { filename, purpose, bytes } = await readBody(context, NewUpload);
  const { account, service } = context.var;
  const id = account.nextId('upload_');
  const created_at = toSeconds(service.clock.nowMs());
  const expires_at = created_at + uploadLifeSeconds;
  const wire: Upload['wire'] = { object: 'upload', id, bytes, created_at, expires_at, filename, purpose, status: 'pending' };
  account.openai.uploads.set(id, { wire, parts: new Map() });
  return context.json(wire);
}

export async function addPart(context: SandboxContext): Promise<Response> {
  const { wire, parts } = findPendingUpload(context);
  const { data } = await readForm(context, z.strictObject({ data: z.instanceof(File) }));
  if (data.size > mostPartBytes) refuse(400, 'A part must not be larger than 64 MB.', { param: 'data' });
  const id = context.var.account.nextId('part_');
  parts.set(id, Buffer.from(await data.arrayBuffer()));
  const created_at = toSeconds(context.var.service.clock.nowMs());
  return context.json({ object: 'upload.part', id, created_at, upload_id: wire.id });
}

export async function completeUpload(context: SandboxContext): Promise<Response> {
  const { wire, parts } = findPendingUpload(context);
  const { part_ids: ids } = await readBody(context, z.strictObject({ part_ids: z.array(z.string()) }));
  const chosen = ids.map((id) => parts.get(id) ?? refuse(400, `There is no part ${id} in this upload.`, { param: 'part_ids' }));
  const bytes = Buffer.concat(chosen);
  if (bytes.length !== wire.bytes)
    refuse(400, `The parts have ${bytes.length} bytes together, and ${wire.bytes} were announced.`, { param: 'part_ids' });
  const file = addFile(context, wire, bytes);
  parts.clear();
  wire.status = 'completed';
  return context.json({ ...wire, file });
}

function findPendingUpload(context: SandboxContext): Upload {
  const id = getParam(context, 'id');
  const upload = context.var.account.openai.uploads.get(id) ?? refuse(404, `No such Upload object: ${id}`, { param: 'upload_id' });
  const { wire } = upload;
  if (wire.status === 'pending' && context.var.service.clock.nowMs() >= wire.expires_at * 1000) wire.status = 'expired';
  if (wire.status !== 'pending') refuse(400, `Upload ${id} is ${wire.status}.`, { param: 'upload_id' });
  return upload;
}
