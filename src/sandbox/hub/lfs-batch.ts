import { toAnswer, type Answer } from '../answer.ts';
import { findOwnRepo, findRepo } from './find-repo.ts';
import type { HubCall } from './hub-call.ts';
import type { Grant, Repo } from './hub-state.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { nextHex } from './repo-store.ts';

interface Batch {
  readonly operation: 'upload' | 'download';
  readonly objects: readonly { readonly oid: string; readonly size: number }[];
}

const grantMs = 3_600_000;

/** Signed addresses for objects; one that is there already gets none. */
export function lfsBatch(call: HubCall): Answer {
  const { operation, objects } = parseHubBody<Batch>(call, 'HubLfsBatch');
  const repo = operation === 'upload' ? findOwnRepo(call) : findRepo(call);
  const answered = objects.map((object) => ({ ...object, authenticated: true, ...toAction(call, repo, { operation, ...object }) }));
  const body = Buffer.from(JSON.stringify({ transfer: 'basic', objects: answered }));
  return { ...toAnswer(body), headers: { 'content-type': 'application/vnd.git-lfs+json' } };
}

interface Wanted {
  readonly operation: 'upload' | 'download';
  readonly oid: string;
  readonly size: number;
}

function toAction(call: HubCall, repo: Repo, { operation, oid, size }: Wanted): object {
  if (operation === 'upload') {
    if (call.account.hub.objects.has(oid)) return {};
    return { actions: { upload: { href: grant(call, { operation, oid, size, bytes: null }), header: {}, expires_in: grantMs / 1000 } } };
  }
  const bytes = findObject(repo, oid);
  if (bytes === null) return { error: { code: 404, message: 'Object does not exist' } };
  return { actions: { download: { href: grant(call, { operation, oid, size: bytes.length, bytes }), expires_in: grantMs / 1000 } } };
}

function findObject(repo: Repo, oid: string): Buffer | null {
  for (const commit of repo.commits.values()) {
    for (const file of commit.files.values()) if (file.lfs === oid) return file.bytes;
  }
  return null;
}

/** An address of the storage that allows one thing for an hour, whoever uses it. */
export function grant({ account, service, nowMs }: HubCall, allowed: Omit<Grant, 'untilMs'>): string {
  const signature = nextHex(account, 32);
  account.hub.grants.set(signature, { ...allowed, untilMs: nowMs + grantMs });
  return `${service.storageUrl}/${account.name}/${allowed.oid}?X-Amz-Expires=${grantMs / 1000}&X-Amz-Signature=${signature}`;
}
