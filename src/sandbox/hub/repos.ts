import { createHash } from 'node:crypto';
import type { AccountState, Service } from '../service.ts';
import type { Commit, Repo, RepoFile, RepoType } from './state.ts';

/* Repositories as git and the Hub keep them. */

export const mainBranch = 'main';

export function hashSha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The name that git gives to a blob of these bytes. */
export function hashBlob(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** What git keeps in the place of a file that lies in the storage. */
export function buildLfsPointer(sha256: string, size: number): Buffer {
  return Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`);
}

/** A file as git keeps it. */
export function buildRegularFile(content: Buffer | string): RepoFile {
  const bytes = Buffer.from(content);
  return { oid: hashBlob(bytes), bytes, lfs: null };
}

/** A file as the storage keeps it. */
export function buildLfsFile(bytes: Buffer): RepoFile {
  const sha256 = hashSha256(bytes);
  return { oid: hashBlob(buildLfsPointer(sha256, bytes.length)), bytes, lfs: sha256 };
}

/** Whether a file of this name goes to the storage, whatever is in it. */
export function isStoredName(path: string): boolean {
  return /\.(?:arrow|bin|ckpt|gz|h5|model|msgpack|npy|npz|onnx|parquet|pickle|pkl|pt|pth|safetensors|tar|tgz|zip)$|tfevents/.test(path);
}

export function getRepoKey(type: RepoType, name: string): string {
  return `${type}:${name}`;
}

interface NewRepo {
  readonly type: RepoType;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly nowMs: number;
  readonly files: ReadonlyMap<string, RepoFile>;
}

/** Makes a repository with the first commit that the Hub makes in it. */
export function addRepo(account: AccountState, { type, name, isPrivate, nowMs, files }: NewRepo): Repo {
  const repo: Repo = { id: account.nextHex(24), type, name, isPrivate, createdMs: nowMs, branches: new Map(), commits: new Map() };
  const attributes = buildRegularFile('*.safetensors filter=lfs diff=lfs merge=lfs -text\n');
  const tree = new Map([['.gitattributes', attributes], ...files]);
  addCommit(account, repo, { branch: mainBranch, title: 'initial commit', message: '', nowMs, tree });
  account.hub.repos.set(getRepoKey(type, name), repo);
  return repo;
}

interface NewCommit {
  readonly branch: string;
  readonly title: string;
  readonly message: string;
  readonly nowMs: number;
  readonly tree: ReadonlyMap<string, RepoFile>;
}

export function addCommit(account: AccountState, repo: Repo, { branch, title, message, nowMs, tree }: NewCommit): Commit {
  const parent = repo.branches.get(branch) ?? null;
  const commit: Commit = { oid: account.nextHex(40), title, message, atMs: nowMs, parent, files: tree };
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

export function isOwnName({ name }: AccountState, repo: string): boolean {
  return [name, ownOrganization].some((namespace) => repo.startsWith(`${namespace}/`));
}

/** Every account is a member of it; what each keeps there is its own. */
export const ownOrganization = 'rehearsal';

/** An account's own repository, a public one of another account, or a base model; null where there is none that the account may see. */
export function findReadableRepo(
  service: Service,
  account: AccountState,
  { type, name }: { readonly type: RepoType; readonly name: string },
): Repo | null {
  const key = getRepoKey(type, name);
  if (isOwnName(account, name)) return account.hub.repos.get(key) ?? null;
  const other = service.peekAccount(name.split('/')[0] ?? '')?.hub.repos.get(key);
  if (other !== undefined) return other.isPrivate ? null : other;
  return type === 'model' ? (service.models.get(name) ?? findBaseModel(name)) : null;
}

/** Public models that jobs start from: what says whether they can be trained. Their weights are not here. */
const baseModels: Readonly<Record<string, readonly [type: string, architecture: string]>> = {
  'google-bert/bert-base-uncased': ['bert', 'BertForMaskedLM'],
  'distilbert/distilbert-base-uncased': ['distilbert', 'DistilBertForMaskedLM'],
  'FacebookAI/roberta-base': ['roberta', 'RobertaForMaskedLM'],
  'HuggingFaceTB/SmolLM2-135M-Instruct': ['llama', 'LlamaForCausalLM'],
  'HuggingFaceTB/SmolLM2-1.7B-Instruct': ['llama', 'LlamaForCausalLM'],
  'Qwen/Qwen2.5-0.5B-Instruct': ['qwen2', 'Qwen2ForCausalLM'],
  'Qwen/Qwen3-0.6B': ['qwen3', 'Qwen3ForCausalLM'],
};

function findBaseModel(name: string): Repo | null {
  const [type, architecture] = Object.hasOwn(baseModels, name) ? baseModels[name]! : [];
  if (type === undefined) return null;
  const config = `${JSON.stringify({ model_type: type, architectures: [architecture] }, null, 2)}\n`;
  const card = `---\nlibrary_name: transformers\n---\n\n# ${name}\n`;
  return createPublicModel(name, new Map(Object.entries({ 'README.md': Buffer.from(card), 'config.json': Buffer.from(config) })));
}

/** A model that everybody may read. The same files are the same commit. */
export function createPublicModel(name: string, contents: ReadonlyMap<string, Uint8Array>): Repo {
  const files = new Map(
    [...contents].map(([path, bytes]): [string, RepoFile] => {
      return [path, isStoredName(path) ? buildLfsFile(Buffer.from(bytes)) : buildRegularFile(Buffer.from(bytes))];
    }),
  );
  const oid = hashBlob(Buffer.from([name, ...[...files].map(([path, file]) => `${path} ${file.oid}`)].join('\n')));
  const createdMs = Date.UTC(2025, 0, 1);
  const commits = new Map([[oid, { oid, title: 'initial commit', message: '', atMs: createdMs, parent: null, files }]]);
  return { id: oid.slice(0, 24), type: 'model', name, isPrivate: false, createdMs, branches: new Map([[mainBranch, oid]]), commits };
}
