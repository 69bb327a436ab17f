import { advanceHubJobs } from './hub-job-life.ts';
import type { JobContext } from './hub-job.ts';
import type { Leak, Repo } from './hub-state.ts';
import { findCommit, listCommits } from './repo-store.ts';
import { toWireHubJob, type WireHubJob } from './wire-hub-job.ts';

/** What an account has at the Hub; all of it is JSON. */
export interface HubAccount {
  /** As the Hub writes them, newest first. */
  readonly jobs: readonly WireHubJob[];
  /** Oldest first. */
  readonly repos: readonly RepoView[];
  /** Tokens that arrived at the storage; must stay empty. */
  readonly leakedTokens: readonly Leak[];
}

interface RepoView {
  readonly type: Repo['type'];
  readonly name: string;
  readonly private: boolean;
  readonly branches: readonly BranchView[];
}

interface BranchView {
  readonly name: string;
  readonly sha: string;
  readonly commits: number;
  readonly files: readonly { readonly path: string; readonly size: number; readonly lfs: boolean }[];
}

export function toHubAccount(context: JobContext, nowMs: number): HubAccount {
  advanceHubJobs(context, nowMs);
  const { name, hub } = context.account;
  return {
    jobs: hub.jobs.map((job) => toWireHubJob(job, name, nowMs)),
    repos: [...hub.repos.values()].map(toRepoView),
    leakedTokens: [...hub.leaks],
  };
}

function toRepoView(repo: Repo): RepoView {
  const branches = [...repo.branches].map(([name, sha]): BranchView => {
    const files = [...(findCommit(repo, sha)?.files ?? [])].map(([path, { bytes, lfs }]) => ({
      path,
      size: bytes.length,
      lfs: lfs !== null,
    }));
    return { name, sha, commits: listCommits(repo, sha).length, files };
  });
  return { type: repo.type, name: repo.name, private: repo.isPrivate, branches };
}
