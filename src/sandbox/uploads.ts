import { createHash } from 'node:crypto';
import { refuse, toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { toSeconds } from './clock.ts';
import { addFile, toWireFile } from './files.ts';
import type { Upload } from './service-account.ts';

const lifeMs = 3600_000;
const mostPartBytes = 64 * 2 ** 20;

interface CreateBody {
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
}

export function createUpload(call: Call): Answer {
  const { filename, purpose, bytes } = call.body as CreateBody;
  const id = call.account.nextId('upload_');
  const upload: Upload = { id, createdMs: call.nowMs, filename, purpose, bytes, parts: new Map(), status: 'pending', file: null };
  call.account.uploads.set(id, upload);
  return toAnswer(toWire(upload, call.nowMs));
}

export function addPart(call: Call): Answer {
  const upload = findPending(call);
  const data = call.form?.files.get('data')?.bytes ?? refuse(400, `'data' is a required property`, { param: 'data' });
  if (data.length > mostPartBytes) refuse(400, 'A part must not be larger than 64 MB.', { param: 'data' });
  const id = call.account.nextId('part_');
  upload.parts.set(id, data);
  return toAnswer({ object: 'upload.part', id, created_at: toSeconds(call.nowMs), upload_id: upload.id });
}

export function completeUpload(call: Call): Answer {
  const upload = findPending(call);
  const { part_ids: ids, md5 } = call.body as { part_ids: string[]; md5?: string };
  const parts = ids.map((id) => upload.parts.get(id) ?? refuse(400, `There is no part ${id} in this upload.`, { param: 'part_ids' }));
  const bytes = Buffer.concat(parts);
  if (bytes.length !== upload.bytes)
    refuse(400, `The parts have ${bytes.length} bytes together, and ${upload.bytes} were announced.`, { param: 'part_ids' });
  if (md5 !== undefined && md5 !== createHash('md5').update(bytes).digest('hex'))
    refuse(400, 'The checksum does not match.', { param: 'md5' });
  upload.file = addFile(call, { filename: upload.filename, purpose: upload.purpose, bytes, lifeMs: null });
  upload.status = 'completed';
  upload.parts.clear();
  return toAnswer(toWire(upload, call.nowMs));
}

export function cancelUpload(call: Call): Answer {
  const upload = findPending(call);
  upload.status = 'cancelled';
  upload.parts.clear();
  return toAnswer(toWire(upload, call.nowMs));
}

function findPending({ account, params, nowMs }: Call): Upload {
  const id = params['id']!;
  const upload = account.uploads.get(id) ?? refuse(404, `No such Upload object: ${id}`, { param: 'upload_id' });
  const status = toStatus(upload, nowMs);
  if (status !== 'pending') refuse(400, `Upload ${id} is ${status}.`, { param: 'upload_id' });
  return upload;
}

function toStatus({ status, createdMs }: Upload, nowMs: number): string {
  return status === 'pending' && nowMs >= createdMs + lifeMs ? 'expired' : status;
}

function toWire(upload: Upload, nowMs: number): unknown {
  return {
    object: 'upload',
    id: upload.id,
    bytes: upload.bytes,
    created_at: toSeconds(upload.createdMs),
    expires_at: toSeconds(upload.createdMs + lifeMs),
    filename: upload.filename,
    purpose: upload.purpose,
    status: toStatus(upload, nowMs),
    ...(upload.file === null ? {} : { file: toWireFile(upload.file, nowMs) }),
  };
}
