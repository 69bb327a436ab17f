import type { Service } from '../service.ts';
import type { ServiceAccount } from '../service-account.ts';
import { isHubToken } from '../resolve-service.ts';
import { findBaseRepo } from './base-models.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import type { Commit, Repo, RepoType } from './hub-state.ts';
import { findCommit, mainBranch, toRepoKey } from './repo-store.ts';

interface RepoName {
  readonly type: RepoType;
  /** `namespace/name`. */
  readonly name: string;
}

/** The repository that the path names, where the account may read it. */
export function findRepo(call: HubCall): Repo {
  const repo = findReadableRepo(call.service, call.account, toRepoName(call));
  return repo ?? refuseHub(call.isAnonymous ? 401 : 404, 'Repository not found', { code: 'RepoNotFound' });
}

/** The same where the account may write to it. */
export function findOwnRepo(call: HubCall): Repo {
  const repo = findRepo(call);
  if (!isOwnName(call.account, repo.name)) refuseHub(403, `You don't have write access to ${repo.name}`);
  return repo;
}

/** The commit that the path names; `main` where it names none. */
export function findRevision(call: HubCall, repo: Repo): Commit {
  const commit = findCommit(repo, call.params['rev'] ?? mainBranch);
  return commit ?? refuseHub(404, `Invalid rev id: ${call.params['rev']}`, { code: 'RevisionNotFound' });
}

/** An account's own repository, a public one of another account, or a base model; null where there is none that it may see. */
export function findReadableRepo(service: Service, account: ServiceAccount, { type, name }: RepoName): Repo | null {
  const key = toRepoKey(type, name);
  if (isOwnName(account, name)) return account.hub.repos.get(key) ?? null;
  const other = service.peekAccount(name.split('/')[0] ?? '')?.hub.repos.get(key);
  if (other !== undefined) return other.isPrivate ? null : other;
  return type === 'model' ? findBaseRepo(name) : null;
}

/** The account that a token opens; null where it opens none. */
export function findOwnerOfToken(service: Service, token: string | undefined): ServiceAccount | null {
  return token === undefined || !isHubToken(token) ? null : service.findAccount(token);
}

export function isOwnName(account: ServiceAccount, name: string): boolean {
  return name.startsWith(`${account.name}/`);
}

function toRepoName({ params }: HubCall): RepoName {
  const isDataset = params['types']?.startsWith('datasets') ?? false;
  return { type: isDataset ? 'dataset' : 'model', name: `${params['ns']}/${params['name']}` };
}
