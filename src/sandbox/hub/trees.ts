import { toAnswer, type Answer } from '../answer.ts';
import { findRepo, findRevision } from './find-repo.ts';
import { toBlobOid, toLfsPointer } from './git-oid.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import type { Commit, RepoFile } from './hub-state.ts';
import { toHubPage } from './hub-page.ts';
import { parseHubBody } from './parse-hub-body.ts';

interface TreeEntry {
  readonly type: 'file' | 'directory';
  readonly oid: string;
  readonly size: number;
  readonly path: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
}

/** The files of a folder, and with `recursive=true` of all folders in it. */
export function listTree(call: HubCall): Answer {
  const commit = findRevision(call, findRepo(call));
  const folder = call.params['path'] === undefined ? '' : `${call.params['path']}/`;
  const isDeep = ['true', '1'].includes((call.query.get('recursive') ?? '').toLowerCase());
  const paths = [...commit.files.keys()].filter((path) => path.startsWith(folder)).sort();
  if (paths.length === 0 && folder !== '')
    refuseHub(404, `${call.params['path']} does not exist on "${commit.oid}"`, { code: 'EntryNotFound' });
  const entries = new Map<string, TreeEntry>();
  for (const path of paths) {
    const parts = path.slice(folder.length).split('/');
    for (let depth = 1; depth < (isDeep ? parts.length : Math.min(2, parts.length)); depth++) {
      const directory = folder + parts.slice(0, depth).join('/');
      entries.set(directory, { type: 'directory', oid: toBlobOid(Buffer.from(directory)), size: 0, path: directory });
    }
    const file = commit.files.get(path);
    if (file !== undefined && (isDeep || parts.length === 1)) entries.set(path, toEntry(path, file));
  }
  return toHubPage(call, { items: [...entries.values()], toCursor: ({ path }) => path });
}

/** What is known of these paths; those that are not there are left out. */
export function readPaths(call: HubCall): Answer {
  const commit = findRevision(call, findRepo(call));
  const { paths, expand = false } = parseHubBody<{ paths: readonly string[]; expand?: boolean }>(call, 'HubPaths');
  return toAnswer(
    paths.flatMap((path) => findEntry(commit, path)).map((entry) => (expand ? { ...entry, lastCommit: toLastCommit(commit) } : entry)),
  );
}

function findEntry(commit: Commit, path: string): TreeEntry[] {
  const file = commit.files.get(path);
  return file === undefined ? [] : [toEntry(path, file)];
}

function toLastCommit({ oid, title, atMs }: Commit): object {
  return { id: oid, title, date: new Date(atMs).toISOString() };
}

function toEntry(path: string, { oid, bytes, lfs }: RepoFile): TreeEntry {
  const entry: TreeEntry = { type: 'file', oid, size: bytes.length, path };
  return lfs === null ? entry : { ...entry, lfs: { oid: lfs, size: bytes.length, pointerSize: toLfsPointer(lfs, bytes.length).length } };
}
