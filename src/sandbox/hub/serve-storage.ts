import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Answer } from '../answer.ts';
import { answerWithFault, send, type PlannedErrors } from '../faults.ts';
import { noteRequest } from '../record-request.ts';
import type { Service } from '../service.ts';
import type { ServiceAccount } from '../service-account.ts';
import { toRangeAnswer } from './byte-range.ts';
import { toSha256 } from './git-oid.ts';
import type { Grant, Leak } from './hub-state.ts';

/**
 * Answers one request to the storage, an origin of its own as at the Hub: who comes here has a signed address and must not show the
 * token. Where one does, it is written down and refused.
 */
export async function serveStorage(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request);
  const url = new URL(request.url ?? '/', service.storageUrl);
  const account = service.peekAccount(decodeURIComponent(url.pathname.split('/')[1] ?? ''));
  if (account === undefined) return send(response, toStorageError(403, 'AccessDenied'));
  const nowMs = service.clock.nowMs();
  const leak = findLeak(request, url);
  if (leak !== null) account.hub.leaks.push({ ...leak, at: new Date(nowMs).toISOString() });
  const isUpload = request.method === 'PUT';
  const fault = noteRequest(account, isUpload ? 'lfs-upload' : 'lfs-download', nowMs);
  const commit = (): Answer => {
    if (leak !== null) return toStorageError(400, 'InvalidArgument: Only one auth mechanism allowed');
    const grant = findGrant(account, url, nowMs);
    if (grant === null) return toStorageError(403, 'SignatureDoesNotMatch');
    if (isUpload) return upload(account, grant, body);
    return grant.operation === 'download' ? download(grant, request) : toStorageError(403, 'AccessDenied');
  };
  await answerWithFault({ fault, commit, clock: service.clock, errors: storageErrors }, response);
}

const storageErrors: PlannedErrors = {
  failed: () => toStorageError(500, 'InternalError'),
  limited: (seconds) => ({
    ...toStorageError(503, 'SlowDown'),
    headers: { 'content-type': 'application/xml', 'retry-after': String(seconds) },
  }),
};

function toStorageError(status: number, code: string): Answer {
  return { status, body: Buffer.from(`<Error><Code>${code}</Code></Error>`), headers: { 'content-type': 'application/xml' } };
}

function findLeak({ method, headers }: IncomingMessage, url: URL): Omit<Leak, 'at'> | null {
  const request = `${method} ${url.pathname}`;
  if (headers.authorization !== undefined) return { request, where: 'authorization' };
  if (headers.cookie !== undefined) return { request, where: 'cookie' };
  return url.search.includes('hf_') ? { request, where: 'url' } : null;
}

function findGrant(account: ServiceAccount, url: URL, nowMs: number): Grant | null {
  const grant = account.hub.grants.get(url.searchParams.get('X-Amz-Signature') ?? '');
  return grant !== undefined && grant.untilMs > nowMs && url.pathname.endsWith(`/${grant.oid}`) ? grant : null;
}

function upload(account: ServiceAccount, { operation, oid, size }: Grant, bytes: Buffer): Answer {
  if (operation !== 'upload') return toStorageError(403, 'AccessDenied');
  if (bytes.length !== size || toSha256(bytes) !== oid) return toStorageError(400, 'BadDigest');
  account.hub.objects.set(oid, bytes);
  return { status: 200, body: undefined, headers: { etag: `"${createHash('md5').update(bytes).digest('hex')}"`, 'content-length': '0' } };
}

function download({ bytes, oid }: Grant, { headers }: IncomingMessage): Answer {
  if (bytes === null) return toStorageError(404, 'NoSuchKey');
  return toRangeAnswer(headers.range, { bytes, headers: { etag: `"${oid}"`, 'content-type': 'binary/octet-stream' } });
}
