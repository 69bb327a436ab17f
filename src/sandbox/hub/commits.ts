import { toAnswer, type Answer } from '../answer.ts';
import { findOwnRepo, findRevision } from './find-repo.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import type { RepoFile } from './hub-state.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { decodeContent, toSafePath, type EncodedFile } from './repo-path.ts';
import { addCommit, findCommit, mainBranch, toLfsFile, toRegularFile } from './repo-store.ts';

type CommitLine =
  | { readonly key: 'header'; readonly value: { readonly summary: string; readonly description?: string; readonly parentCommit?: string } }
  | { readonly key: 'file'; readonly value: EncodedFile }
  | { readonly key: 'lfsFile'; readonly value: { readonly path: string; readonly oid: string; readonly size?: number } }
  | { readonly key: 'deletedFile' | 'deletedFolder'; readonly value: { readonly path: string } };

/** Puts files into a branch, all or none. */
export function commit(call: HubCall): Answer {
  const repo = findOwnRepo(call);
  const parent = findRevision(call, repo);
  const branch = call.params['rev'] ?? mainBranch;
  if (!repo.branches.has(branch)) refuseHub(400, 'Commits go to branches', { more: { branch } });
  const [first, ...operations] = readLines(call);
  if (first?.key !== 'header') return refuseHub(400, 'The first line of a commit is its header');
  const { summary, description = '', parentCommit } = first.value;
  const expected = parentCommit === undefined ? parent : findCommit(repo, parentCommit);
  if (expected !== parent) refuseHub(412, 'A commit has happened since. Please refresh and try again.');
  const tree = new Map(parent.files);
  for (const operation of operations) apply(call, tree, operation);
  const { oid } = addCommit(call.account, repo, { branch, title: summary, message: description, nowMs: call.nowMs, tree });
  const commitUrl = `${call.service.url}/${repo.type === 'dataset' ? 'datasets/' : ''}${repo.name}/commit/${oid}`;
  return toAnswer({ success: true, commitOid: oid, commitUrl, hookOutput: '' });
}

function readLines(call: HubCall): CommitLine[] {
  const lines = call.body.toString('utf8').split('\n');
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => parseHubBody<CommitLine>({ ...call, body: Buffer.from(line) }, 'HubCommitLine'));
}

function apply({ account }: HubCall, tree: Map<string, RepoFile>, { key, value }: CommitLine): void {
  switch (key) {
    case 'header':
      return refuseHub(400, 'A commit has one header');
    case 'file':
      return void tree.set(toSafePath(value.path), toRegularFile(decodeContent(value)));
    case 'lfsFile': {
      const bytes = account.hub.objects.get(value.oid);
      if (bytes === undefined)
        return refuseHub(400, 'Your push was rejected because an LFS pointer pointed to a file that does not exist', {
          more: { path: value.path },
        });
      if (value.size !== undefined && value.size !== bytes.length) refuseHub(400, 'The size of an LFS file is not that of its upload');
      return void tree.set(toSafePath(value.path), toLfsFile(bytes));
    }
    case 'deletedFile':
      if (!tree.delete(value.path)) refuseHub(400, `${value.path} does not exist`, { code: 'EntryNotFound' });
      return;
    case 'deletedFolder':
      for (const path of [...tree.keys()].filter((one) => one.startsWith(`${value.path}/`))) tree.delete(path);
  }
}
