import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { Failure, toFileFailure } from '../../src/errors.ts';
import { hashFile } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Published, PublishTarget } from '../../src/provider/provider.ts';
import { openHub, type Hub } from '../../src/provider-kit/hub.ts';
import { listFiles, type HubFile, type Repository } from '../../src/provider-kit/hub-files.ts';
import { commitFiles, hasFiles, makeRepository, readCommit, type NewFile } from './repositories.ts';

const slowestBytesPerSecond = 256 * 1024;

/**
 * Puts a model folder into a repository of the Hub, with one commit after the one that was looked at. A repository that was made and got
 * nothing yet is like a new one, so that a push that was interrupted can be repeated.
 */
export async function publish(folder: string, { repository, isPrivate, replaces }: PublishTarget, context: Context): Promise<Published> {
  const files = await readFiles(folder);
  const bytes = files.reduce((sum, { content }) => sum + ('bytes' in content ? content.bytes : 0), 0);
  const hub = openHub(context, { deadlineMs: 60_000 + (bytes / slowestBytesPerSecond) * 1000 });
  const repo: Repository = { type: 'model', name: repository };
  const url = `${hub.endpoint}/${repository}`;
  const { parent, present } = await bringRepository(hub, repo, isPrivate);
  if (await hasFiles(present, files)) return { url, commit: parent, isNew: false };
  const others = present.map(({ path }) => path).filter((path) => path !== '.gitattributes');
  if (others.length > 0 && !replaces) throw refuse(url, others);
  const removed = others.filter((path) => !files.some((file) => file.path === path));
  const commit = await commitFiles(hub, repo, { title: 'The tuned model', files, removed, parent }, context.signal);
  return { url, commit, isNew: true };
}

function refuse(url: string, others: readonly string[]): Failure {
  const rest = others.length > 3 ? ` and ${others.length - 3} more` : '';
  const found = `${others.slice(0, 3).join(', ')}${rest}`;
  return new Failure('usage', `${url}: expected a new or empty repository, or one with this very model, found other files: ${found}`, {
    hint: 'name another repository, or replace its files with --replace: they stay in its history',
  });
}

/** The newest commit of the repository and its files; it is made where there is none. */
async function bringRepository(hub: Hub, repo: Repository, isPrivate: boolean): Promise<{ parent: string; present: readonly HubFile[] }> {
  const found = await readCommit(hub, repo);
  if (found === null) await makeRepository(hub, repo, isPrivate);
  const parent = found ?? (await readCommit(hub, repo));
  if (parent === null) throw new Failure('response-invalid', `${repo.name}: expected the repository that was made, found none`);
  return { parent, present: (await listFiles(hub, repo, parent)) ?? [] };
}

/** The files of a folder and of those in it. @throws Failure `file-missing`, `permission-denied` */
async function readFiles(folder: string): Promise<NewFile[]> {
  try {
    const entries = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    return await Promise.all(
      entries.map(async ({ parentPath, name }) => {
        const file = join(parentPath, name);
        const [{ size: bytes }, sha256] = await Promise.all([stat(file), hashFile(file)]);
        return { path: relative(folder, file).split(sep).join('/'), content: { file, sha256, bytes } };
      }),
    );
  } catch (error) {
    throw toFileFailure(error, 'model', folder);
  }
}
