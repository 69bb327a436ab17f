import { createHash } from 'node:crypto';
import { Hono, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import { formatTime } from '../clock.ts';
import { getParam, receive, type PlannedErrors } from '../http.ts';
import type { SandboxContext, SandboxEnv, Service } from '../service.ts';
import { findOwnRepo, findRepo, findRevision, readHubBody, refuseHub } from './http.ts';
import { putUpload } from '../together/files.ts';
import { hashSha256 } from './repos.ts';
import type { Grant, Leak, Repo } from './state.ts';

/* The storage for large files: an origin of its own, as at the Hub, where signed addresses stand for the token. */

const LfsBatch = z.strictObject({
  operation: z.enum(['upload', 'download']),
  transfers: z
    .array(z.enum(['basic', 'multipart', 'xet']))
    .refine((all) => all.includes('basic'), 'expected basic')
    .optional(),
  hash_algo: z.enum(['sha256', 'sha_256']).optional(),
  ref: z.strictObject({ name: z.string() }).nullish(),
  objects: z.array(z.strictObject({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) })),
});

const grantMs = 3_600_000;

/** Signed addresses for objects; an uploaded one that is there already gets none. */
export async function answerBatch(context: SandboxContext): Promise<Response> {
  const { operation, objects } = await readHubBody(context, LfsBatch);
  const repo = operation === 'upload' ? findOwnRepo(context) : findRepo(context);
  const answered = objects.map((object) => {
    const bytes = operation === 'upload' ? null : findObject(repo, object.oid);
    const isKnown = operation === 'upload' && context.var.account.hub.objects.has(object.oid);
    const href = (): string => grant(context, { operation, oid: object.oid, size: bytes?.length ?? object.size, bytes });
    if (operation === 'download' && bytes === null) return { ...object, error: { code: 404, message: 'Object does not exist' } };
    const actions = isKnown ? {} : { actions: { [operation]: { href: href(), header: {}, expires_in: grantMs / 1000 } } };
    return { ...object, authenticated: true, ...actions };
  });
  return context.json({ transfer: 'basic', objects: answered }, 200, { 'content-type': 'application/vnd.git-lfs+json' });
}

function findObject(repo: Repo, oid: string): Buffer | null {
  const files = [...repo.commits.values()].flatMap((commit) => [...commit.files.values()]);
  return files.find(({ lfs }) => lfs === oid)?.bytes ?? null;
}

/** An address of the storage that allows one thing for an hour, whoever uses it. */
function grant({ var: { account, service } }: SandboxContext, allowed: Omit<Grant, 'untilMs'>): string {
  const signature = account.nextHex(32);
  account.hub.grants.set(signature, { ...allowed, untilMs: service.clock.nowMs() + grantMs });
  return `${service.storageUrl}/${account.name}/${allowed.oid}?X-Amz-Expires=${grantMs / 1000}&X-Amz-Signature=${signature}`;
}

/** A file of a commit; of one in the storage its signed address there. */
export function resolveFile(context: SandboxContext): Response {
  const commit = findRevision(context, findRepo(context));
  const file = commit.files.get(getParam(context, 'path'));
  if (file === undefined) return refuseHub(404, 'Entry not found', { code: 'EntryNotFound' });
  const { oid, bytes, lfs } = file;
  const headers = { 'x-repo-commit': commit.oid, etag: `"${oid}"`, 'content-type': 'text/plain; charset=utf-8' };
  if (lfs === null) return answerRange(context, bytes, headers);
  return context.body(null, 302, {
    ...headers,
    'accept-ranges': 'bytes',
    'x-linked-size': String(bytes.length),
    'x-linked-etag': `"${lfs}"`,
    location: grant(context, { operation: 'download', oid: lfs, size: bytes.length, bytes }),
  });
}

/** Bytes, or the part of them that the `Range` header asks for. */
function answerRange(context: SandboxContext, bytes: Buffer, headers: Readonly<Record<string, string>>): Response {
  const { length } = bytes;
  const all = { 'accept-ranges': 'bytes', ...headers };
  const [, first = '', last = ''] = (context.req.method === 'GET' && /^bytes=(\d*)-(\d*)$/.exec(context.req.header('range') ?? '')) || [];
  if (first === '' && last === '') return context.body(new Uint8Array(bytes), 200, { ...all, 'content-length': String(length) });
  const begin = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length - 1 : Math.min(Number(last), length - 1);
  if (begin > end) return context.body(null, 416, { ...all, 'content-range': `bytes */${length}` });
  return context.body(new Uint8Array(bytes.subarray(begin, end + 1)), 206, { ...all, 'content-range': `bytes ${begin}-${end}/${length}` });
}

function buildStorageError(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`<Error><Code>${code}</Code></Error>`, { status, headers: { 'content-type': 'application/xml', ...headers } });
}

function refuseStorage(status: 400 | 403 | 404, code: string): never {
  throw new HTTPException(status, { res: buildStorageError(status, code) });
}

const storageErrors: PlannedErrors = {
  failed: () => buildStorageError(500, 'InternalError'),
  limited: (seconds) => buildStorageError(503, 'SlowDown', { 'retry-after': String(seconds) }),
};

/** The app of the storage. A token that arrives here is written down and refused. */
export function createStorageApp(service: Service): Hono<SandboxEnv> {
  const identify: MiddlewareHandler<SandboxEnv> = async (context, next) => {
    context.set('service', service);
    const account = service.peekAccount(getParam(context, 'account')) ?? refuseStorage(403, 'AccessDenied');
    context.set('account', account);
    const request = `${context.req.method} ${context.req.path}`;
    const leak = findLeak(context);
    if (leak !== null) account.hub.leaks.push({ at: formatTime(service.clock.nowMs()), request, where: leak });
    await next();
  };
  return new Hono<SandboxEnv>()
    .use('/:account/:oid', identify)
    .put('/together/:account/upload', identify, receive('upload-put', storageErrors), putUpload)
    .put('/:account/:oid', receive('lfs-upload', storageErrors), uploadObject)
    .get('/:account/:oid', receive('lfs-download', storageErrors), downloadObject);
}

async function uploadObject(context: SandboxContext): Promise<Response> {
  const { oid, size } = findGrant(context, 'upload');
  const bytes = Buffer.from(await context.req.arrayBuffer());
  if (bytes.length !== size || hashSha256(bytes) !== oid) refuseStorage(400, 'BadDigest');
  context.var.account.hub.objects.set(oid, bytes);
  return context.body(null, 200, { etag: `"${createHash('md5').update(bytes).digest('hex')}"` });
}

function downloadObject(context: SandboxContext): Response {
  const { bytes, oid } = findGrant(context, 'download');
  if (bytes === null) return refuseStorage(404, 'NoSuchKey');
  return answerRange(context, bytes, { etag: `"${oid}"`, 'content-type': 'binary/octet-stream' });
}

function findGrant(context: SandboxContext, operation: Grant['operation']): Grant {
  const { account, service } = context.var;
  if (findLeak(context) !== null) refuseStorage(400, 'InvalidArgument: Only one auth mechanism allowed');
  const found = account.hub.grants.get(context.req.query('X-Amz-Signature') ?? '');
  if (found === undefined || found.untilMs <= service.clock.nowMs() || found.oid !== getParam(context, 'oid'))
    return refuseStorage(403, 'SignatureDoesNotMatch');
  return found.operation === operation ? found : refuseStorage(403, 'AccessDenied');
}

function findLeak({ req }: SandboxContext): Leak['where'] | null {
  if (req.header('authorization') !== undefined) return 'authorization';
  if (req.header('cookie') !== undefined) return 'cookie';
  return new URL(req.url).search.includes('hf_') || req.url.includes('sk-sandbox-') ? 'url' : null;
}
