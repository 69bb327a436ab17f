import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import type { Hub } from '../../src/provider-kit/hub.ts';
import { ignoreStatus, type HubFile, type Repository } from '../../src/provider-kit/hub-files.ts';

/** Its content: text, or a file on this machine. */
export interface NewFile {
  readonly path: string;
  readonly content: { readonly text: string } | { readonly file: string; readonly sha256: string; readonly bytes: number };
}

/** Makes a repository; one that is there already is as good. */
export async function makeRepository(hub: Hub, repo: Repository, isPrivate: boolean): Promise<void> {
  const { createRepo } = await import('@huggingface/hub');
  const visibility = isPrivate ? 'private' : 'public';
  await hub.call(`create ${repo.type} ${repo.name}`, async () => {
    await createRepo({ ...hub.params, repo, visibility }).catch(ignoreStatus(409));
  });
}

/** Deletes a repository; one that is gone already is as good. */
export async function removeRepository(hub: Hub, repo: Repository): Promise<void> {
  const { deleteRepo } = await import('@huggingface/hub');
  await hub.call(`delete ${repo.type} ${repo.name}`, async () => await deleteRepo({ ...hub.params, repo }).catch(ignoreStatus(404)));
}

const RepositoryInfo = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });

/** The commit that `main` is at; null where there is no such repository. */
export async function readCommit(hub: Hub, repo: Repository): Promise<string | null> {
  try {
    return (await hub.read(RepositoryInfo, `/api/${repo.type}s/${repo.name}`)).sha;
  } catch (error) {
    if (isRefusedWith(error, 404)) return null;
    throw error;
  }
}

/** Whether these very files, and no others but git's own, are in the repository. */
export async function hasFiles(files: readonly HubFile[], wanted: readonly NewFile[]): Promise<boolean> {
  const others = files.filter(({ path }) => path !== '.gitattributes');
  if (others.length !== wanted.length) return false;
  for (const { path, content } of wanted) {
    const found = others.find((file) => file.path === path);
    if (found === undefined) return false;
    const isSame = 'text' in content ? found.oid === computeGitOid(Buffer.from(content.text)) : await isSameFile(found, content);
    if (!isSame) return false;
  }
  return true;
}

async function isSameFile(found: HubFile, { file, sha256, bytes }: { file: string; sha256: string; bytes: number }): Promise<boolean> {
  if (found.size !== bytes) return false;
  if (found.sha256 !== null) return found.sha256 === sha256;
  return found.oid === computeGitOid(Buffer.from(await (await openAsBlob(file)).arrayBuffer()));
}

/** Git's name of a file with these bytes. */
function computeGitOid(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** Files that come into a repository in one commit. */
export interface NewCommit {
  readonly title: string;
  readonly files: readonly NewFile[];
  /** Paths of files that leave it. */
  readonly removed?: readonly string[];
  /** The commit that it comes after; where another one has come since, the Hub refuses it (412). */
  readonly parent?: string;
}

/** Makes one commit on `main`. Returns the commit's name. */
export async function commitFiles(
  hub: Hub,
  repo: Repository,
  { title, files, removed = [], parent }: NewCommit,
  signal: AbortSignal,
): Promise<string> {
  const { commit } = await import('@huggingface/hub');
  const added = await Promise.all(
    files.map(async ({ path, content }) => ({
      operation: 'addOrUpdate' as const,
      path,
      content: 'text' in content ? new Blob([content.text]) : await openAsBlob(content.file),
    })),
  );
  // The plain storage: the chunked one needs further services.
  const operations = [...removed.map((path) => ({ operation: 'delete' as const, path })), ...added];
  const after = parent === undefined ? {} : { parentCommit: parent };
  const request = { ...hub.params, repo, title, operations, useXet: false, abortSignal: signal, ...after };
  const output = await hub.call(`commit to ${repo.type} ${repo.name}`, async () => await commit(request));
  const oid = output?.commit.oid;
  if (oid !== undefined && /^[0-9a-f]{40}$/.test(oid)) return oid;
  throw new Failure('response-invalid', `commit to ${repo.name}: expected the name of a commit, found none`);
}
