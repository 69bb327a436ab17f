import { toAnswer, type Answer } from '../answer.ts';
import { toAccountId } from './account-id.ts';
import { findRepo, findRevision, isOwnName } from './find-repo.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import type { Repo, RepoType } from './hub-state.ts';
import { toHubPage } from './hub-page.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { decodeContent, toSafePath, type EncodedFile } from './repo-path.ts';
import { addRepo, listCommits, toRegularFile, toRepoKey } from './repo-store.ts';

interface RepoCreate {
  readonly name: string;
  readonly organization?: string;
  readonly type?: RepoType | 'space';
  readonly visibility?: 'public' | 'private';
  readonly private?: boolean;
  readonly files?: readonly EncodedFile[];
}

export function whoAmI({ account }: HubCall): Answer {
  return toAnswer({
    type: 'user',
    id: toAccountId(account.name),
    name: account.name,
    fullname: account.name,
    canPay: true,
    isPro: false,
    orgs: [],
    auth: { type: 'access_token', accessToken: { displayName: 'sandbox', role: 'write' } },
  });
}

export function createRepo(call: HubCall): Answer {
  const body = parseHubBody<RepoCreate>(call, 'HubRepoCreate');
  const { account, service } = call;
  const { type, name } = toTarget(call, body);
  const url = `${service.url}/${type === 'dataset' ? 'datasets/' : ''}${name}`;
  if (account.hub.repos.has(toRepoKey(type, name))) refuseHub(409, `You already created this ${type} repo`, { more: { url } });
  const isPrivate = body.visibility === undefined ? (body.private ?? false) : body.visibility === 'private';
  const files = new Map((body.files ?? []).map((file) => [toSafePath(file.path), toRegularFile(decodeContent(file))]));
  const { id } = addRepo(account, { type, name, isPrivate, nowMs: call.nowMs, files });
  return toAnswer({ url, name, id });
}

export function deleteRepo(call: HubCall): Answer {
  const { type, name } = toTarget(call, parseHubBody<RepoCreate>(call, 'HubRepoDelete'));
  if (!call.account.hub.repos.delete(toRepoKey(type, name))) refuseHub(404, 'Repository not found', { code: 'RepoNotFound' });
  return { status: 200, body: Buffer.from('OK'), headers: { 'content-type': 'text/plain' } };
}

function toTarget({ account }: HubCall, body: RepoCreate): { type: RepoType; name: string } {
  const type = body.type ?? 'model';
  if (type === 'space') return refuseHub(400, 'The sandbox has no Spaces');
  const name = body.name.includes('/') ? body.name : `${body.organization ?? account.name}/${body.name}`;
  if (!isOwnName(account, name)) refuseHub(403, `You don't have the rights to create a ${type} under the namespace ${name.split('/')[0]}`);
  return { type, name };
}

/** The repositories of the account that `author` names, as far as this one may see them; its own where none is named. */
export function listRepos(call: HubCall): Answer {
  const { account, service, query, params } = call;
  const author = query.get('author') ?? account.name;
  const owner = author === account.name ? account : service.peekAccount(author);
  const type = params['types'] === 'datasets' ? 'dataset' : 'model';
  const repos = [...(owner?.hub.repos.values() ?? [])].filter((repo) => repo.type === type && (owner === account || !repo.isPrivate));
  const items = repos.map((repo) => ({
    _id: repo.id,
    id: repo.name,
    author,
    private: repo.isPrivate,
    gated: false,
    likes: 0,
    downloads: 0,
    lastModified: new Date(Math.max(...[...repo.commits.values()].map(({ atMs }) => atMs))).toISOString(),
  }));
  return toHubPage(call, { items, toCursor: ({ _id }) => _id });
}

/** What the Hub tells about a repository at one commit. */
export function readRepo(call: HubCall): Answer {
  const repo = findRepo(call);
  const commit = findRevision(call, repo);
  return toAnswer({
    _id: repo.id,
    id: repo.name,
    ...(repo.type === 'model' ? { modelId: repo.name } : {}),
    author: repo.name.split('/')[0],
    private: repo.isPrivate,
    disabled: false,
    gated: false,
    sha: commit.oid,
    lastModified: new Date(commit.atMs).toISOString(),
    createdAt: new Date(repo.createdMs).toISOString(),
    tags: [],
    likes: 0,
    downloads: 0,
    siblings: [...commit.files.keys()].sort().map((rfilename) => ({ rfilename })),
  });
}

export function readCommits(call: HubCall): Answer {
  const repo = findRepo(call);
  const { oid } = findRevision(call, repo);
  const author = { user: repo.name.split('/')[0], avatar: '' };
  const commits = listCommits(repo, oid).map(({ oid: id, title, message, atMs }) => {
    return { id, title, message, authors: [author], date: new Date(atMs).toISOString() };
  });
  return toAnswer(commits);
}

export function readRefs(call: HubCall): Answer {
  const repo: Repo = findRepo(call);
  const branches = [...repo.branches].map(([name, targetCommit]) => ({ name, ref: `refs/heads/${name}`, targetCommit }));
  return toAnswer({ branches, tags: [], converts: [] });
}
