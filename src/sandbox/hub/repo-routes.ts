import { createHash } from 'node:crypto';
import { z } from 'zod';
import { formatTime } from '../clock.ts';
import { getParam } from '../http.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import { parseCard } from './cards.ts';
import { answerPage, findOwnRepo, findRepo, findRevision, readHubBody, readHubLines, refuseHub } from './http.ts';
import {
  addCommit,
  addRepo,
  buildLfsFile,
  buildLfsPointer,
  buildRegularFile,
  getRepoKey,
  hashBlob,
  isOwnName,
  isStoredName,
  listCommits,
  mainBranch,
  ownOrganization,
} from './repos.ts';
import type { Commit, RepoFile, RepoType } from './state.ts';

/** The Hub's identifier of an account. */
export function getAccountId({ name }: Pick<AccountState, 'name'>): string {
  return createHash('sha1').update(name).digest('hex').slice(0, 24);
}

export function whoAmI(context: SandboxContext): Response {
  const { account } = context.var;
  const { name } = account;
  const organization = {
    type: 'org',
    id: getAccountId({ name: ownOrganization }),
    name: ownOrganization,
    fullname: ownOrganization,
    roleInOrg: 'write',
  };
  const auth = { type: 'access_token', accessToken: { displayName: 'sandbox', role: 'write' } };
  return context.json({
    type: 'user',
    id: getAccountId(account),
    name,
    fullname: name,
    canPay: true,
    isPro: false,
    orgs: [organization],
    auth,
  });
}

const EncodedFile = z.strictObject({ path: z.string(), content: z.string(), encoding: z.enum(['base64', 'utf-8']).optional() });

function decodeFile({ content, encoding }: z.infer<typeof EncodedFile>): RepoFile {
  return buildRegularFile(Buffer.from(content, encoding === 'utf-8' ? 'utf8' : 'base64'));
}

/** A path as git takes it; refuses what would lead out of the repository. */
function checkPath(path: string): string {
  if (path.includes('\0') || path.split('/').some((part) => ['', '.', '..', '.git'].includes(part)))
    refuseHub(400, 'Invalid path in repo', { more: { path } });
  return path;
}

const RepoName = z.strictObject({
  name: z.string(),
  /** The official client sends null for its own namespace. */
  organization: z.string().nullish(),
  type: z.enum(['model', 'dataset', 'space']).optional(),
});
const NewRepo = RepoName.extend({
  name: z.string().regex(/^[\w.-]{1,96}$/),
  visibility: z.enum(['public', 'private']).optional(),
  private: z.boolean().optional(),
  license: z.string().optional(),
  files: z.array(EncodedFile).optional(),
});

export async function createRepo(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readHubBody(context, NewRepo);
  const { type, name } = findTarget(context, body);
  const url = `${service.url}/${type === 'dataset' ? 'datasets/' : ''}${name}`;
  if (account.hub.repos.has(getRepoKey(type, name))) refuseHub(409, `You already created this ${type} repo`, { more: { url } });
  const isPrivate = body.visibility === undefined ? body.private === true : body.visibility === 'private';
  const files = new Map((body.files ?? []).map((file) => [checkPath(file.path), decodeFile(file)]));
  const { id } = addRepo(account, { type, name, isPrivate, nowMs: service.clock.nowMs(), files });
  return context.json({ url, name, id });
}

export async function deleteRepo(context: SandboxContext): Promise<Response> {
  const { type, name } = findTarget(context, await readHubBody(context, RepoName));
  if (!context.var.account.hub.repos.delete(getRepoKey(type, name))) refuseHub(404, 'Repository not found', { code: 'RepoNotFound' });
  return context.text('OK');
}

function findTarget({ var: { account } }: SandboxContext, body: z.infer<typeof RepoName>): { type: RepoType; name: string } {
  const { type = 'model' } = body;
  if (type === 'space') return refuseHub(400, 'The sandbox has no Spaces');
  const name = body.name.includes('/') ? body.name : `${body.organization ?? account.name}/${body.name}`;
  if (!isOwnName(account, name)) refuseHub(403, `You don't have the rights to create a ${type} under the namespace ${name.split('/')[0]}`);
  return { type, name };
}

/** The repositories of the account that `author` names, as far as this one may see them; its own where none is named. */
export function listRepos(context: SandboxContext): Response {
  const { account, service } = context.var;
  const author = context.req.query('author') ?? account.name;
  const owner = author === account.name ? account : service.peekAccount(author);
  const type = context.req.path === '/api/datasets' ? 'dataset' : 'model';
  const repos = [...(owner?.hub.repos.values() ?? [])].filter((repo) => repo.type === type && (owner === account || !repo.isPrivate));
  const items = repos.map((repo) => {
    const lastModified = formatTime(Math.max(...[...repo.commits.values()].map(({ atMs }) => atMs)));
    return { _id: repo.id, id: repo.name, author, private: repo.isPrivate, gated: false, likes: 0, downloads: 0, lastModified };
  });
  return answerPage(context, items, ({ _id }) => _id);
}

/** What is known of a repository at one commit. */
export function readRepo(context: SandboxContext): Response {
  const repo = findRepo(context);
  const { id, type, name, isPrivate, createdMs } = repo;
  const commit = findRevision(context, repo);
  return context.json({
    _id: id,
    id: name,
    ...(type === 'model' ? { modelId: name } : {}),
    author: name.split('/')[0],
    private: isPrivate,
    disabled: false,
    gated: false,
    sha: commit.oid,
    lastModified: formatTime(commit.atMs),
    createdAt: formatTime(createdMs),
    ...describeCard(commit),
    likes: 0,
    downloads: 0,
    siblings: [...commit.files.keys()].sort().map((rfilename) => ({ rfilename })),
  });
}

/** The metadata of README.md; the licence is a tag too. */
function describeCard({ files }: Commit): object {
  const metadata = parseCard(files.get('README.md')?.bytes.toString() ?? '');
  if (metadata === null) return { tags: [] };
  return { tags: typeof metadata['license'] === 'string' ? [`license:${metadata['license']}`] : [], cardData: metadata };
}

export function readCommits(context: SandboxContext): Response {
  const repo = findRepo(context);
  const authors = [{ user: repo.name.split('/')[0], avatar: '' }];
  const commits = listCommits(repo, findRevision(context, repo).oid);
  return context.json(commits.map(({ oid: id, title, message, atMs }) => ({ id, title, message, authors, date: formatTime(atMs) })));
}

export function readRefs(context: SandboxContext): Response {
  const branches = [...findRepo(context).branches].map(([name, targetCommit]) => ({ name, ref: `refs/heads/${name}`, targetCommit }));
  return context.json({ branches, tags: [], converts: [] });
}

const NewBranch = z.strictObject({
  startingPoint: z.string().optional(),
  emptyBranch: z.boolean().optional(),
  overwrite: z.boolean().optional(),
});

/** Makes a branch: only one caller can. */
export async function createBranch(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const repo = findOwnRepo(context);
  const branch = getParam(context, 'rev');
  const body = (await context.req.text()) === '' ? {} : await readHubBody(context, NewBranch);
  if (repo.branches.has(branch) && body.overwrite !== true) refuseHub(409, 'Reference already exists');
  const { oid } = findRevision(context, repo, body.startingPoint ?? mainBranch);
  const empty = { branch, title: 'initial commit', message: '', nowMs: service.clock.nowMs(), tree: new Map() };
  if (body.emptyBranch === true) addCommit(account, repo, empty);
  else repo.branches.set(branch, oid);
  return context.json({ success: true });
}

export function deleteBranch(context: SandboxContext): Response {
  const repo = findOwnRepo(context);
  const branch = getParam(context, 'rev');
  if (branch === mainBranch) refuseHub(403, 'The default branch cannot be deleted');
  if (!repo.branches.delete(branch)) refuseHub(404, `Invalid rev id: ${branch}`, { code: 'RevisionNotFound' });
  return context.json({ success: true });
}

const Path = z.strictObject({ path: z.string() });
const Oid = z.string().regex(/^[0-9a-f]{64}$/);
const CommitLine = z.discriminatedUnion('key', [
  z.strictObject({
    key: z.literal('header'),
    value: z.strictObject({ summary: z.string(), description: z.string().optional(), parentCommit: z.string().optional() }),
  }),
  z.strictObject({ key: z.literal('file'), value: EncodedFile }),
  z.strictObject({
    key: z.literal('lfsFile'),
    value: Path.extend({ oid: Oid, algo: z.literal('sha256').optional(), size: z.int().min(0).optional() }),
  }),
  z.strictObject({ key: z.literal('deletedFile'), value: Path }),
]);

/** Puts files into a branch, all or none. */
export async function commit(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const repo = findOwnRepo(context);
  const parent = findRevision(context, repo);
  const branch = getParam(context, 'rev');
  if (!repo.branches.has(branch)) refuseHub(400, 'Commits go to branches', { more: { branch } });
  const [first, ...operations] = await readHubLines(context, CommitLine);
  if (first?.key !== 'header') return refuseHub(400, 'The first line of a commit is its header');
  const { summary, description = '', parentCommit = parent.oid } = first.value;
  if (parentCommit !== parent.oid) refuseHub(412, 'A commit has happened since. Please refresh and try again.');
  const tree = new Map(parent.files);
  for (const operation of operations) applyOperation(account, tree, operation);
  const { oid } = addCommit(account, repo, { branch, title: summary, message: description, nowMs: service.clock.nowMs(), tree });
  const commitUrl = `${service.url}/${repo.type === 'dataset' ? 'datasets/' : ''}${repo.name}/commit/${oid}`;
  return context.json({ success: true, commitOid: oid, commitUrl, hookOutput: '' });
}

function applyOperation({ hub }: AccountState, tree: Map<string, RepoFile>, { key, value }: z.infer<typeof CommitLine>): void {
  switch (key) {
    case 'header':
      return refuseHub(400, 'A commit has one header');
    case 'file':
      return void tree.set(checkPath(value.path), decodeFile(value));
    case 'lfsFile': {
      const bytes = hub.objects.get(value.oid);
      const problem = 'Your push was rejected because an LFS pointer pointed to a file that does not exist';
      if (bytes === undefined) return refuseHub(400, problem, { more: { path: value.path } });
      if (value.size !== undefined && value.size !== bytes.length) refuseHub(400, 'The size of an LFS file is not that of its upload');
      return void tree.set(checkPath(value.path), buildLfsFile(bytes));
    }
    case 'deletedFile':
      if (!tree.delete(value.path)) refuseHub(400, `${value.path} does not exist`, { code: 'EntryNotFound' });
  }
}

const Preupload = z.strictObject({
  gitAttributes: z.string().optional(),
  gitIgnore: z.string().optional(),
  /** `sample`: the first bytes, in base64. */
  files: z.array(Path.extend({ size: z.int().min(0), sample: z.string() })),
});
const mostRegularBytes = 10 * 2 ** 20;

/** Says of each file whether it goes into the commit or to the storage. */
export async function preupload(context: SandboxContext): Promise<Response> {
  const known = findRevision(context, findOwnRepo(context));
  const body = await readHubBody(context, Preupload);
  const files = body.files.map(({ path, size, sample }) => {
    const isStored = isStoredName(path) || size > mostRegularBytes || Buffer.from(sample, 'base64').includes(0);
    return { path, uploadMode: isStored ? 'lfs' : 'regular', shouldIgnore: false, oid: known.files.get(path)?.oid ?? null };
  });
  return context.json({ files, commitOid: known.oid });
}

function formatEntry(path: string, { oid, bytes, lfs }: RepoFile) {
  const entry = { type: 'file', oid, size: bytes.length, path };
  return lfs === null ? entry : { ...entry, lfs: { oid: lfs, size: bytes.length, pointerSize: buildLfsPointer(lfs, bytes.length).length } };
}

/** The files of a folder, and with `recursive=true` of all folders in it. */
export function listTree(context: SandboxContext): Response {
  const { files, oid }: Commit = findRevision(context, findRepo(context));
  const folder = context.req.param('path') === undefined ? '' : `${getParam(context, 'path')}/`;
  const isDeep = ['true', '1'].includes((context.req.query('recursive') ?? '').toLowerCase());
  const paths = [...files.keys()].filter((path) => path.startsWith(folder)).sort();
  if (paths.length === 0 && folder !== '') refuseHub(404, `${folder} does not exist on "${oid}"`, { code: 'EntryNotFound' });
  const entries = new Map<string, { readonly type: string; readonly oid: string; readonly size: number; readonly path: string }>();
  for (const path of paths) {
    const parts = path.slice(folder.length).split('/');
    for (let depth = 1; depth < (isDeep ? parts.length : Math.min(2, parts.length)); depth++) {
      const directory = folder + parts.slice(0, depth).join('/');
      entries.set(directory, { type: 'directory', oid: hashBlob(Buffer.from(directory)), size: 0, path: directory });
    }
    if (isDeep || parts.length === 1) entries.set(path, formatEntry(path, files.get(path)!));
  }
  return answerPage(context, [...entries.values()], ({ path }) => path);
}
