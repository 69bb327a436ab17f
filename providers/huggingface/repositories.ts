import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { z } from 'zod';
import { Failure, isFailure } from '../../src/errors.ts';
import type { Hub } from './client.ts';
import { parseAnswer } from './jobs-api.ts';

export interface Repository {
  readonly type: 'model' | 'dataset';
  /** `owner/name`. */
  readonly name: string;
}

/** A file of a repository; `sha256` where the Hub keeps it apart from git. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly oid: string | null;
  readonly sha256: string | null;
}

/** Its content: text, or a file on this machine. */
export interface NewFile {
  readonly path: string;
  readonly content: { readonly text: string } | { readonly file: string; readonly sha256: string; readonly bytes: number };
}

/** Makes a repository; one that is there already is as good. */
export async function makeRepository(hub: Hub, repo: Repository, isPrivate: boolean): Promise<void> {
  const { createRepo } = await import('@huggingface/hub');
  await hub.call(`create ${repo.type} ${repo.name}`, async () => {
    try {
      await createRepo({ ...hub.params, repo, visibility: isPrivate ? 'private' : 'public' });
    } catch (error) {
      if (toStatus(error) !== 409) throw error;
    }
  });
}

/** Deletes a repository; one that is gone already is as good. */
export async function removeRepository(hub: Hub, repo: Repository): Promise<void> {
  const { deleteRepo } = await import('@huggingface/hub');
  await hub.call(`delete ${repo.type} ${repo.name}`, async () => {
    try {
      await deleteRepo({ ...hub.params, repo });
    } catch (error) {
      if (toStatus(error) !== 404) throw error;
    }
  });
}

/** All files at a commit or branch; null where there is no such repository. */
export async function listFiles(hub: Hub, repo: Repository, revision: string): Promise<HubFile[] | null> {
  const { listFiles: list } = await import('@huggingface/hub');
  return await hub.call(`list ${repo.type} ${repo.name}`, async () => {
    const files: HubFile[] = [];
    try {
      for await (const { type, path, size, oid, lfs } of list({ ...hub.params, repo, recursive: true, revision })) {
        if (type === 'file') files.push({ path, size, oid: oid ?? null, sha256: lfs?.oid ?? null });
      }
    } catch (error) {
      if (toStatus(error) === 404) return null;
      throw error;
    }
    return files;
  });
}

const RepoInfo = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });

/** The commit that a branch is at; null where there is no such repository. */
export async function readCommit(hub: Hub, repo: Repository): Promise<string | null> {
  const path = `/api/${repo.type}s/${repo.name}`;
  return await hub.call(`GET ${path}`, async () => {
    try {
      return parseAnswer(RepoInfo, (await hub.request('GET', path)).json, `GET ${path}`).sha;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  });
}

/** Whether these very files, and no others but git's own, are in the repository. */
export async function hasFiles(files: readonly HubFile[], wanted: readonly NewFile[]): Promise<boolean> {
  const others = files.filter(({ path }) => path !== '.gitattributes');
  if (others.length !== wanted.length) return false;
  for (const { path, content } of wanted) {
    const found = others.find((file) => file.path === path);
    if (found === undefined) return false;
    const isSame = 'text' in content ? found.oid === toGitOid(Buffer.from(content.text)) : await isSameFile(found, content);
    if (!isSame) return false;
  }
  return true;
}

async function isSameFile(found: HubFile, { file, sha256, bytes }: { file: string; sha256: string; bytes: number }): Promise<boolean> {
  if (found.size !== bytes) return false;
  if (found.sha256 !== null) return found.sha256 === sha256;
  return found.oid === toGitOid(Buffer.from(await (await openAsBlob(file)).arrayBuffer()));
}

/** What git calls a file with these bytes. */
function toGitOid(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** One commit on `main` with these files; the commit's name. */
export async function commitFiles(
  hub: Hub,
  repo: Repository,
  files: readonly NewFile[],
  c: { readonly signal: AbortSignal },
): Promise<string> {
  const { commit } = await import('@huggingface/hub');
  const operations = await Promise.all(
    files.map(async ({ path, content }) => ({
      operation: 'addOrUpdate' as const,
      path,
      content: 'text' in content ? new Blob([content.text]) : await openAsBlob(content.file),
    })),
  );
  const output = await hub.call(
    `commit to ${repo.type} ${repo.name}`,
    async () =>
      // The plain storage: the chunked one needs further services.
      await commit({ ...hub.params, repo, title: 'Rows for a training', operations, useXet: false, abortSignal: c.signal }),
  );
  const oid = output?.commit.oid;
  if (oid !== undefined && /^[0-9a-f]{40}$/.test(oid)) return oid;
  throw new Failure('response-invalid', `commit to ${repo.name}: expected the name of a commit, found none`);
}

export function toStatus(error: unknown): number | null {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : null;
}

/** A 404 in the service's own words. */
export function isNotFound(error: unknown): boolean {
  return isFailure(error, 'request-refused') && /\bfound 404\b/.test(error.message);
}
