import { createHash } from 'node:crypto';
import type { ServiceAccount } from '../service-account.ts';
import { toBlobOid, toLfsPointer, toSha256 } from './git-oid.ts';
import type { Commit, Repo, RepoFile, RepoType } from './hub-state.ts';

export const mainBranch = 'main';

/** A new identifier of so many hexadecimal digits, 40 at most. */
export function nextHex(account: ServiceAccount, digits: number): string {
  return createHash('sha1').update(account.nextId('')).digest('hex').slice(0, digits);
}

export function toRepoKey(type: RepoType, name: string): string {
  return `${type}:${name}`;
}

/** A file as git keeps it. */
export function toRegularFile(bytes: Buffer): RepoFile {
  return { oid: toBlobOid(bytes), bytes, lfs: null };
}

/** A file as the storage keeps it. */
export function toLfsFile(bytes: Buffer): RepoFile {
  const sha256 = toSha256(bytes);
  return { oid: toBlobOid(toLfsPointer(sha256, bytes.length)), bytes, lfs: sha256 };
}

interface NewRepo {
  readonly type: RepoType;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly nowMs: number;
  readonly files?: ReadonlyMap<string, RepoFile>;
}

/** Makes a repository with the first commit that the Hub makes in it. */
export function addRepo(account: ServiceAccount, { type, name, isPrivate, nowMs, files }: NewRepo): Repo {
  const repo: Repo = { id: nextHex(account, 24), type, name, isPrivate, createdMs: nowMs, branches: new Map(), commits: new Map() };
  const attributes = toRegularFile(Buffer.from('*.safetensors filter=lfs diff=lfs merge=lfs -text\n'));
  const tree = new Map([['.gitattributes', attributes], ...(files ?? [])]);
  addCommit(account, repo, { branch: mainBranch, title: 'initial commit', message: '', nowMs, tree });
  account.hub.repos.set(toRepoKey(type, name), repo);
  return repo;
}

interface NewCommit {
  readonly branch: string;
  readonly title: string;
  readonly message: string;
  readonly nowMs: number;
  readonly tree: ReadonlyMap<string, RepoFile>;
}

export function addCommit(account: ServiceAccount, repo: Repo, { branch, title, message, nowMs, tree }: NewCommit): Commit {
  const parent = repo.branches.get(branch) ?? null;
  const commit: Commit = { oid: nextHex(account, 40), title, message, atMs: nowMs, parent, files: tree };
  repo.commits.set(commit.oid, commit);
  repo.branches.set(branch, commit.oid);
  return commit;
}

/** The commit that a branch, or the commit's own name, stands for. */
export function findCommit(repo: Repo, revision: string): Commit | null {
  const oid = repo.branches.get(revision === 'HEAD' ? mainBranch : revision) ?? revision;
  return repo.commits.get(oid) ?? null;
}

/** The commits that led to a revision, newest first. */
export function listCommits(repo: Repo, revision: string): Commit[] {
  const commits: Commit[] = [];
  for (let commit = findCommit(repo, revision); commit !== null; commit = commit.parent === null ? null : findCommit(repo, commit.parent))
    commits.push(commit);
  return commits;
}
