import { refuse, toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { toSeconds } from './clock.ts';
import { toPage } from './page.ts';
import type { StoredFile } from './service-account.ts';

/** A file as the service writes it. Times are Unix seconds. */
export interface WireFile {
  readonly object: 'file';
  readonly id: string;
  readonly purpose: string;
  readonly filename: string;
  readonly bytes: number;
  readonly created_at: number;
  readonly expires_at?: number;
  readonly status: 'pending' | 'processed';
}

export function toWireFile(file: StoredFile, nowMs: number): WireFile {
  return {
    object: 'file',
    id: file.id,
    purpose: file.purpose,
    filename: file.filename,
    bytes: file.bytes.length,
    created_at: toSeconds(file.createdMs),
    ...(file.expiresMs === null ? {} : { expires_at: toSeconds(file.expiresMs) }),
    status: nowMs < file.readyMs ? 'pending' : 'processed',
  };
}

const purposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'];

export function upload(call: Call): Answer {
  const { fields, files } = call.form ?? refuse(400, `Expected a multipart form with "file" and "purpose".`);
  const file = files.get('file') ?? refuse(400, `'file' is a required property`, { param: 'file' });
  const purpose = fields.get('purpose') ?? refuse(400, `'purpose' is a required property`, { param: 'purpose' });
  const stray = [...fields.keys(), ...files.keys()].find((name) => !/^(file|purpose|expires_after\[(anchor|seconds)\])$/.test(name));
  if (stray !== undefined) refuse(400, `Unrecognized request argument supplied: ${stray}`, { param: stray });
  if (!purposes.includes(purpose)) refuse(400, `'${purpose}' is not one of [${purposes.join(', ')}] - 'purpose'`, { param: 'purpose' });
  const lifeMs = parseLifeMs(fields);
  const stored = addFile(call, { filename: file.name, purpose, bytes: file.bytes, lifeMs });
  return toAnswer(toWireFile(stored, call.nowMs), call.dialect.id === 'azure' ? 201 : 200);
}

function parseLifeMs(fields: ReadonlyMap<string, string>): number | null {
  const text = fields.get('expires_after[seconds]');
  if (text === undefined) return null;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 3600 || seconds > 2_592_000 || fields.get('expires_after[anchor]') !== 'created_at')
    refuse(400, `Invalid 'expires_after': expected anchor created_at and 3600 to 2592000 seconds.`, { param: 'expires_after' });
  return seconds * 1000;
}

interface NewFile {
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: Buffer;
  readonly lifeMs: number | null;
}

/** Keeps a new file, if it may be one. */
export function addFile({ account, dialect, nowMs }: Call, { filename, purpose, bytes, lifeMs }: NewFile): StoredFile {
  if (bytes.length === 0) refuse(400, 'File is empty.', { param: 'file' });
  if (purpose === 'fine-tune' && !filename.endsWith('.jsonl'))
    refuse(400, `Invalid file format for Fine-Tuning API. Must be .jsonl`, { param: 'file' });
  const file: StoredFile = {
    id: account.nextId('file-'),
    bytes,
    createdMs: nowMs,
    filename,
    purpose,
    expiresMs: lifeMs === null ? null : nowMs + lifeMs,
    readyMs: nowMs + dialect.fileImportMs,
  };
  account.files.set(file.id, file);
  return file;
}

export function listFiles({ account, nowMs, query, pageSize }: Call): Answer {
  const purpose = query.get('purpose');
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') refuse(400, `Invalid 'order': expected asc or desc.`, { param: 'order' });
  const kept = [...account.files.values()].filter((file) => isThere(file, nowMs) && (purpose === null || file.purpose === purpose));
  const sorted = order === 'asc' ? kept : kept.toReversed();
  const { data, has_more } = toPage(sorted, { query, usual: 10_000, most: pageSize });
  const wire = data.map((file) => toWireFile(file, nowMs));
  return toAnswer({ object: 'list', data: wire, has_more, first_id: data[0]?.id ?? '', last_id: data.at(-1)?.id ?? '' });
}

export function retrieveFile(call: Call): Answer {
  return toAnswer(toWireFile(findFile(call), call.nowMs));
}

export function readContent(call: Call): Answer {
  return toAnswer(findFile(call).bytes);
}

export function deleteFile(call: Call): Answer {
  const { id } = findFile(call);
  call.account.files.delete(id);
  return call.dialect.id === 'azure' ? toAnswer(undefined, 204) : toAnswer({ object: 'file', id, deleted: true });
}

function findFile({ account, params, nowMs }: Call): StoredFile {
  const id = params['id']!;
  const file = account.files.get(id);
  if (file === undefined || !isThere(file, nowMs)) refuse(404, `No such File object: ${id}`, { param: 'id' });
  return file;
}

function isThere({ expiresMs }: StoredFile, nowMs: number): boolean {
  return expiresMs === null || nowMs < expiresMs;
}
