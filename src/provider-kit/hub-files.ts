/** Files in repositories of the Hugging Face Hub. */
import type { Context } from '../provider/context.ts';
import { download } from './download.ts';
import { getStatusCode, openHub, type Hub } from './hub.ts';
import { boundItems } from './paging.ts';

export interface Repository {
  readonly type: 'model' | 'dataset';
  /** `owner/name`. */
  readonly name: string;
}

/** A file of a repository; `oid` is git's name of its content, `sha256` its hash where the Hub keeps it apart from git. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly oid: string | null;
  readonly sha256: string | null;
}

/** For `catch`: lets an answer of this status pass. */
export function ignoreStatus(status: number): (error: unknown) => void {
  return (error) => {
    if (getStatusCode(error) !== status) throw error;
  };
}

/** All files at a commit or branch; null where there is no such repository. */
export async function listFiles(hub: Hub, repo: Repository, revision: string): Promise<HubFile[] | null> {
  const { listFiles: list } = await import('@huggingface/hub');
  return await hub.call(`list ${repo.type} ${repo.name}`, async () => {
    const files: HubFile[] = [];
    try {
      for await (const { type, path, size, oid, lfs } of boundItems(
        list({ ...hub.params, repo, recursive: true, revision }),
        `list ${repo.type} ${repo.name}`,
      )) {
        if (type === 'file') files.push({ path, size, oid: oid ?? null, sha256: lfs?.oid ?? null });
      }
    } catch (error) {
      ignoreStatus(404)(error);
      return null;
    }
    return files;
  });
}

/** The path of a file in a repository. */
export function formatFilePath({ type = 'model', repository, revision }: FileSource, path: string): string {
  return `${type === 'dataset' ? '/datasets' : ''}/${repository}/resolve/${revision}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

const slowestBytesPerSecond = 256 * 1024;

/** What is copied, and to where. */
export interface HubCopy {
  readonly file: HubFile;
  readonly path: string;
  /** Whether no token is needed. */
  readonly isPublic?: boolean;
  readonly onBytes?: (bytes: number) => void;
}

export interface FileSource {
  /** Absent: a model. */
  readonly type?: Repository['type'];
  /** `owner/name`. */
  readonly repository: string;
  /** A commit, never a branch. */
  readonly revision: string;
}

/**
 * Copies a file and compares it with the hash that the Hub lists. Large files come from another address, which is given no credential.
 * @param onBytes is told how many bytes have come, again from 0 where a try breaks off
 * @throws Failure `response-invalid` for other bytes
 */
export async function copyHubFile(source: FileSource, { file, path, isPublic, onBytes }: HubCopy, context: Context): Promise<void> {
  const { size, sha256, oid } = file;
  const hub = openHub(context, {
    ...(isPublic === undefined ? {} : { isPublic }),
    body: 'stream',
    deadlineMs: 60_000 + (size / slowestBytesPerSecond) * 1000,
    maxBodyBytes: size + 65_536,
  });
  const address = formatFilePath(source, file.path);
  const hash = sha256 === null ? ({ algorithm: 'git', hex: oid ?? '' } as const) : ({ algorithm: 'sha256', hex: sha256 } as const);
  const request = { open: async () => await hub.send(address), info: hub.describe('GET', address) };
  await hub.call(
    `GET ${address}`,
    async () =>
      await download(
        request,
        { path, what: `file of the ${source.type ?? 'model'}`, bytes: size, hash, ...(onBytes === undefined ? {} : { onBytes }) },
        context,
      ),
  );
}
