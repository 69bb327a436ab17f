import type { Answer } from '../answer.ts';
import { toRangeAnswer } from './byte-range.ts';
import { findRepo, findRevision } from './find-repo.ts';
import { toLfsPointer } from './git-oid.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import { grant } from './lfs-batch.ts';

/** A file of a commit. What lies in the storage is answered with its signed address there; `raw` gives what git has of it. */
export function resolveFile(call: HubCall): Answer {
  const commit = findRevision(call, findRepo(call));
  const file = commit.files.get(call.params['path'] ?? '');
  if (file === undefined) return refuseHub(404, 'Entry not found', { code: 'EntryNotFound' });
  const { oid, bytes, lfs } = file;
  const headers = { 'x-repo-commit': commit.oid, etag: `"${oid}"`, 'content-type': 'text/plain; charset=utf-8' };
  const range = call.method === 'HEAD' ? undefined : call.headers.range;
  if (lfs === null) return toRangeAnswer(range, { bytes, headers });
  if (call.params['door'] === 'raw') return toRangeAnswer(range, { bytes: toLfsPointer(lfs, bytes.length), headers });
  return {
    status: 302,
    body: undefined,
    headers: {
      ...headers,
      'accept-ranges': 'bytes',
      'x-linked-size': String(bytes.length),
      'x-linked-etag': `"${lfs}"`,
      location: grant(call, { operation: 'download', oid: lfs, size: bytes.length, bytes }),
      'content-length': '0',
    },
  };
}
